package staging

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/objects"
	"kalla/internal/source"
)

const (
	greeting = 3 * time.Second  // that an executor has to say what it can do
	silence  = 15 * time.Second // after which an executor is taken for lost
	strikes  = 3                // failures in a row that an executor may have
	attempts = 4                // to read one piece
	pause    = 300 * time.Millisecond
)

// crew is the executors that answered when a run began to stage. It implements engine.Dealer.
type crew struct {
	stager  *Stager
	storage source.Source
	places  int
	memory  int64 // of a place, where it is least
	tasks   chan task
	lanes   sync.WaitGroup
	cancel  context.CancelFunc

	gone chan struct{} // closed when the last executor is lost
	mu   sync.Mutex
	left int   // executors
	last error // of the executor that was lost last
}

// task is one attempt to read a piece.
type task struct {
	ctx   context.Context
	n     int // of the piece
	piece engine.Piece
	share func(float64)
	ended chan<- ended // never blocks
}

type ended struct {
	n    int
	rows int64
	err  error
	lost bool // the executor, and with it the knowledge of what it wrote
}

// assemble asks the executors how many pieces each reads at once. It returns nil where there are none.
func (s *Stager) assemble(ctx context.Context, storage source.Source) (*crew, error) {
	urls, err := s.Executors(ctx)
	if err != nil {
		return nil, err
	}
	able := make([]capacity, len(urls))
	var asking sync.WaitGroup
	for i, url := range urls {
		asking.Go(func() { able[i] = s.ask(ctx, url) })
	}
	asking.Wait()
	ctx, cancel := context.WithCancel(ctx)
	c := &crew{stager: s, storage: storage, tasks: make(chan task), gone: make(chan struct{}), cancel: cancel}
	for i, url := range urls {
		if places := able[i].Places; places > 0 {
			c.left++
			c.places += places
			if c.memory == 0 || able[i].Memory < c.memory {
				c.memory = able[i].Memory
			}
			c.hire(ctx, url, places)
		}
	}
	if c.left == 0 {
		cancel()
		return nil, nil
	}
	return c, nil
}

// ask returns how many pieces an executor reads at once, none if it does not say so.
func (s *Stager) ask(ctx context.Context, url string) (c capacity) {
	ctx, cancel := context.WithTimeout(ctx, greeting)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+Path, nil)
	if err != nil {
		return capacity{}
	}
	res, err := s.Client.Do(req)
	if err != nil {
		return capacity{}
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || json.NewDecoder(io.LimitReader(res.Body, 1<<10)).Decode(&c) != nil {
		return capacity{}
	}
	return c
}

// Parts implements engine.Dealer.
func (c *crew) Parts() int {
	if c.stager.Partitions > 0 {
		return c.stager.Partitions
	}
	return 2 * c.places
}

// close ends what executors still do.
func (c *crew) close() {
	c.cancel()
	c.lanes.Wait()
}

// hire gives tasks to an executor, as many at once as it has places, until it
// failed too often in a row.
func (c *crew) hire(ctx context.Context, url string, places int) {
	var mu sync.Mutex
	failed := 0
	fired := make(chan struct{})
	strike := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if failed++; failed == strikes {
			close(fired)
			c.lose(err)
		}
	}
	for range places {
		c.lanes.Go(func() {
			for {
				var t task
				select {
				case <-ctx.Done():
					return
				case <-fired:
					return
				case t = <-c.tasks:
				}
				rows, lost, err := c.send(ctx, url, t)
				t.ended <- ended{n: t.n, rows: rows, err: err, lost: lost}
				if !lost {
					mu.Lock()
					if failed < strikes {
						failed = 0
					}
					mu.Unlock()
					continue
				}
				strike(err)
				select {
				case <-ctx.Done():
				case <-time.After(pause): // it may be starting again
				}
			}
		})
	}
}

// lose counts an executor out.
func (c *crew) lose(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = err
	if c.left--; c.left == 0 {
		close(c.gone)
	}
}

// send has an executor read a piece. lost says that it did not tell what came of that.
func (c *crew) send(ctx context.Context, url string, t task) (rows int64, lost bool, err error) {
	// It ends with the executor's time, and with the task's.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(t.ctx, func() { cancel(context.Cause(t.ctx)) })()
	quiet := time.AfterFunc(silence, func() { cancel(fmt.Errorf("it says nothing for %s", silence)) })
	defer quiet.Stop()
	lose := func(err error) (int64, bool, error) {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return 0, t.ctx.Err() == nil, &kalla.Error{Code: kalla.CodeEngine, Op: "reading on an executor", Where: url, Why: err.Error(),
			Hint: "check the executor's log and the network", Err: err}
	}
	req := request{ID: rand.Text(), Issued: time.Now(), Piece: t.piece}
	if req.Source, err = t.piece.Source.Disclose(); err != nil {
		return 0, false, err
	}
	if req.Storage, err = t.piece.Storage.Disclose(); err != nil {
		return 0, false, err
	}
	plain, err := json.Marshal(req)
	if err != nil {
		return 0, false, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+Path, bytes.NewReader(c.stager.Keys.Seal(plain, requestPlace)))
	if err != nil {
		return 0, false, err
	}
	r.Header.Set("Content-Type", "application/octet-stream")
	res, err := c.stager.Client.Do(r)
	if err != nil {
		return lose(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10))
		err := fmt.Errorf("%s: %s", res.Status, strings.TrimSpace(string(why)))
		if res.StatusCode == http.StatusForbidden {
			_, _, refused := lose(err)
			return 0, false, refused
		}
		return lose(err)
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		quiet.Reset(silence)
		a, err := c.open(lines.Bytes(), req.ID)
		switch {
		case err != nil:
			return lose(err)
		case !a.Done:
			t.share(a.Share)
		case a.Error != nil:
			return 0, a.Error.Code == kalla.CodeCanceled && ctx.Err() == nil, a.Error.err() // it shuts down
		default:
			return a.Rows, false, nil
		}
	}
	return lose(errors.Join(errors.New("the connection broke off"), lines.Err()))
}

// open reads one line of an answer.
func (c *crew) open(line []byte, id string) (answer, error) {
	var a answer
	sealed, err := base64.StdEncoding.DecodeString(string(line))
	if err == nil {
		var plain []byte
		if plain, err = c.stager.Keys.Open(sealed, answerPlace, id); err == nil {
			err = json.Unmarshal(plain, &a)
		}
	}
	return a, err
}

// Deal implements engine.Dealer. An executor that is lost may still write what it
// was given: whatever is read again, and all that was read before, ends up in
// another folder.
func (c *crew) Deal(ctx context.Context, pieces []engine.Piece, folder string, report func(share float64, rows int64)) (string, []int64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b := batch{folder: folder, report: report, shares: make([]float64, len(pieces))}
	endings := make(chan ended, len(pieces)) // at most one attempt of a piece is under way
	pending := make([]int, len(pieces))
	for n := range pending {
		pending[n] = n
	}
	at := make([]string, len(pieces)) // the folder that a piece was written to last
	tries := make([]int, len(pieces))
	rows := make([]int64, len(pieces))
	for left := len(pieces); left > 0; {
		var next task
		var tasks chan task
		if len(pending) > 0 {
			n := pending[0]
			next, tasks = task{ctx: ctx, n: n, piece: pieces[n], share: func(s float64) { b.progress(n, s, 0) }, ended: endings}, c.tasks
			next.piece.Object = b.folder + "/" + object(n)
		}
		select {
		case tasks <- next:
			n := pending[0]
			pending, at[n] = pending[1:], b.folder
			tries[n]++
		case e := <-endings:
			switch {
			case !e.lost && e.err != nil:
				return "", nil, e.err
			case e.lost && tries[e.n] == attempts:
				return "", nil, lost(e.err)
			case e.lost:
				b.losses++
				b.folder = fmt.Sprintf("%s-%d", folder, b.losses)
				pending = append(pending, e.n)
			default:
				b.progress(e.n, 1, e.rows)
				rows[e.n] = e.rows
				left--
			}
		case <-c.gone:
			c.mu.Lock()
			defer c.mu.Unlock()
			return "", nil, lost(c.last)
		case <-ctx.Done():
			return "", nil, ctx.Err()
		}
	}
	return b.folder, rows, c.gather(ctx, at, b.folder)
}

// lost marks what the last executor ended with: it is no fault of the source.
func lost(err error) error {
	e, ok := errors.AsType[*kalla.Error](err)
	if !ok {
		return fmt.Errorf("%w: %w", engine.ErrLost, err)
	}
	out := *e
	out.Err = fmt.Errorf("%w: %w", engine.ErrLost, err)
	return &out
}

// batch is the pieces of one source.
type batch struct {
	folder string
	losses int

	mu     sync.Mutex
	report func(share float64, rows int64)
	shares []float64
	rows   int64
}

func (b *batch) progress(n int, share float64, rows int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows += rows
	b.shares[n] = share
	var sum float64
	for _, s := range b.shares {
		sum += s
	}
	b.report(sum/float64(len(b.shares)), b.rows)
}

// object is the name of a piece.
func object(n int) string { return fmt.Sprintf("%05d.parquet", n) }

// copies is how many objects are copied side by side.
const copies = 8

// gather has the storage copy what was written before an executor was lost.
func (c *crew) gather(ctx context.Context, at []string, folder string) error {
	if !slices.ContainsFunc(at, func(from string) bool { return from != folder }) {
		return nil
	}
	p, err := objects.At(c.storage)
	if err != nil {
		return err
	}
	defer p.Close()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(copies)
	for n, from := range at {
		if from == folder {
			continue
		}
		g.Go(func() error {
			source, _ := p.Name(from + "/" + object(n))
			name, _ := p.Name(folder + "/" + object(n))
			return p.Copy(ctx, name, p, source, "staging")
		})
	}
	return g.Wait()
}
