package staging

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/machine"
	"kalla/internal/seal"
	"kalla/internal/source"
)

const (
	beat      = 500 * time.Millisecond // between two lines of an answer
	skew      = 2 * time.Minute        // that clocks of a cluster may differ by
	maxPiece  = 16 << 20               // bytes of a request
	idleReady = time.Minute            // that an engine is kept for the next piece
)

// Reader is an embedded engine that writes pieces, one after the other.
type Reader interface {
	// WritePiece returns how many rows were written. After an error the reader is closed.
	WritePiece(ctx context.Context, p engine.Piece) (rows int64, err error)
	Progress() float64
	Close() error
}

// Executor reads pieces for schedulers. It is an http.Handler for Path, and is
// closed after the server.
type Executor struct {
	keys   *seal.Keys
	places int
	memory int64
	open   func(context.Context) (Reader, error)
	free   chan struct{} // holds a token for each piece that is read

	mu    sync.Mutex
	seen  map[string]time.Time // requests, until they are too old to come again
	ready []Reader
	sweep *time.Timer // closes what is ready, when no piece came for a while
}

// NewExecutor returns an executor that reads places pieces at once, each by a
// reader of its own, which takes that many bytes of memory, and lets the others
// wait. Requests are sealed with the keys.
func NewExecutor(keys *seal.Keys, places int, memory int64, open func(context.Context) (Reader, error)) *Executor {
	e := &Executor{keys: keys, places: max(places, 1), memory: memory, open: open, free: make(chan struct{}, max(places, 1)), seen: map[string]time.Time{}}
	e.sweep = time.AfterFunc(idleReady, e.Close)
	return e
}

// Close closes the readers that wait for pieces.
func (e *Executor) Close() {
	e.sweep.Stop()
	e.mu.Lock()
	ready := e.ready
	e.ready = nil
	e.mu.Unlock()
	for _, r := range ready {
		_ = r.Close() // a folder for temporary files that stays is swept up by the next
	}
}

// capacity is what an executor says of itself.
type capacity struct {
	Places int   `json:"places"`
	Memory int64 `json:"memory"` // bytes of a place
}

// ServeHTTP answers GET with how many pieces are read at once, and POST of a piece when it is read.
func (e *Executor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(capacity{e.places, e.memory}) // to nobody, if it fails
	case http.MethodPost:
		req, err := e.read(w, r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		e.serve(w, r, req)
	default:
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "ask with GET or POST", http.StatusMethodNotAllowed)
	}
}

// read opens a request. Its errors say nothing of what is in it.
func (e *Executor) read(w http.ResponseWriter, r *http.Request) (*request, error) {
	var body bytes.Buffer
	if _, err := io.Copy(&body, http.MaxBytesReader(w, r.Body, maxPiece)); err != nil {
		return nil, fmt.Errorf("reading the request: %w", err)
	}
	plain, err := e.keys.Open(body.Bytes(), requestPlace)
	if err != nil {
		return nil, fmt.Errorf("the request is not sealed with the secret of this executor: set KALLA_CLUSTER_SECRET to the same text on all nodes")
	}
	var req request
	if err := json.Unmarshal(plain, &req); err != nil {
		return nil, fmt.Errorf("the request is of another version of Kalla: run the same on all nodes")
	}
	if req.Piece.Source, err = source.Restore(req.Source); err == nil {
		req.Piece.Storage, err = source.Restore(req.Storage)
	}
	if err != nil {
		return nil, fmt.Errorf("the request is of another version of Kalla: run the same on all nodes")
	}
	now := time.Now()
	if d := now.Sub(req.Issued); d > skew || d < -skew {
		return nil, fmt.Errorf("the request is from %s, and it is %s: set the clocks of all nodes", req.Issued.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, issued := range e.seen {
		if now.Sub(issued) > skew {
			delete(e.seen, id)
		}
	}
	if _, again := e.seen[req.ID]; again {
		return nil, fmt.Errorf("the request came before")
	}
	e.seen[req.ID] = req.Issued
	return &req, nil
}

// serve reads a piece as long as the scheduler listens, and tells it that it is alive.
func (e *Executor) serve(w http.ResponseWriter, r *http.Request, req *request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	out := http.NewResponseController(w)
	say := func(a answer) {
		plain, err := json.Marshal(a)
		if err == nil {
			_, err = fmt.Fprintf(w, "%s\n", base64.StdEncoding.EncodeToString(e.keys.Seal(plain, answerPlace, req.ID)))
		}
		if err == nil {
			err = out.Flush()
		}
		if err != nil {
			cancel() // nobody listens
		}
	}
	say(answer{})
	var reader Reader // of the piece, once it has a place
	var mu sync.Mutex
	done := make(chan answer, 1)
	go func() {
		rows, err := e.write(ctx, req.Piece, func(r Reader) { mu.Lock(); reader = r; mu.Unlock() })
		a := answer{Done: true, Rows: rows}
		if err != nil {
			a.Error = faultOf(err)
		}
		done <- a
	}()
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case a := <-done:
			say(a)
			return
		case <-tick.C:
			var a answer
			mu.Lock()
			if reader != nil {
				a.Share = max(reader.Progress(), 0)
			}
			mu.Unlock()
			say(a)
		}
	}
}

// write waits for a place and reads the piece there.
func (e *Executor) write(ctx context.Context, p engine.Piece, begun func(Reader)) (int64, error) {
	select {
	case e.free <- struct{}{}:
		defer func() { <-e.free }()
	case <-ctx.Done():
		return 0, &kalla.Error{Code: kalla.CodeCanceled, Op: "waiting for a place", Err: context.Cause(ctx)}
	}
	reader, err := e.reader(ctx)
	if err != nil {
		return 0, err
	}
	begun(reader)
	rows, err := reader.WritePiece(ctx, p)
	begun(nil)
	machine.ReleaseFree()
	if err != nil {
		_ = reader.Close() // the error of the piece is the one that tells
		return 0, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ready = append(e.ready, reader)
	e.sweep.Reset(idleReady)
	return rows, nil
}

// reader returns one that is ready, else a new one.
func (e *Executor) reader(ctx context.Context) (Reader, error) {
	e.mu.Lock()
	if n := len(e.ready); n > 0 {
		r := e.ready[n-1]
		e.ready = e.ready[:n-1]
		e.mu.Unlock()
		return r, nil
	}
	e.mu.Unlock()
	return e.open(ctx)
}
