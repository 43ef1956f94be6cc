package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"kalla/internal/server/auth"
	"kalla/internal/state"
)

const (
	pollEvery = 500 * time.Millisecond // for what other processes write
	heartbeat = 15 * time.Second
	writeTime = 10 * time.Second // that a follower may take to take an event
	keptNews  = 64               // events of a run that are kept for slow followers
	replayed  = 500              // events that are read at a time
)

func (s *Server) registerEvents(api huma.API) {
	op := operation("runs", http.MethodGet, "/api/runs/{run_id}/events", "follow-run", "Follow a run (server-sent events)", auth.Read)
	op.Description = "Events called state and progress, each a RunEvent whose id is its number. A connection that broke goes on after Last-Event-ID. " +
		"The stream ends after the event of a final state; asked again after that one, the answer is 204."
	schema := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[RunEvent](), true, "RunEvent")
	op.Responses = map[string]*huma.Response{
		"200": {Description: "The events", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString, Description: "data: is a RunEvent", Extensions: map[string]any{"x-event": schema}}}}},
		"204": {Description: "There are no more"},
	}
	huma.Register(api, op, s.followRun)
}

type followInput struct {
	RunPath
	LastEventID string `header:"Last-Event-ID"`
	After       int64  `query:"last_event_id" minimum:"0" doc:"Instead of the header"`
}

// followRun replays what somebody has missed, and then tells what happens.
func (s *Server) followRun(ctx context.Context, in *followInput) (*huma.StreamResponse, error) {
	after := in.After
	if in.LastEventID != "" {
		n, err := strconv.ParseInt(in.LastEventID, 10, 64)
		if err != nil || n < 0 {
			return nil, invalid("header.Last-Event-ID", "is not the number of an event", "send the id of the last event, or nothing")
		}
		after = n
	}
	run, err := s.store.RunState(ctx, in.RunID)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	if run.State.Final() && after >= run.LastEvent {
		return &huma.StreamResponse{Body: func(hc huma.Context) { hc.SetStatus(http.StatusNoContent) }}, nil
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		_, w := humago.Unwrap(hc)
		s.hub.serve(hc.Context(), w, in.RunID, after, run.LastEvent)
	}}, nil
}

// hub tells followers of runs, or of conversations, what happens to them. However many follow one,
// its events are read once. Who is slow misses progress, and nobody waits for it.
type hub struct {
	*Server
	feed
	asked chan struct{} // holds a token when there is something to look at

	mu     sync.Mutex
	topics map[string]*topic
	dirty  map[string]bool // of which there are news, by this process
}

// feed is where the events of a hub are.
type feed struct {
	// events are those of a topic after a number, at most replayed of them.
	events func(ctx context.Context, id string, after int64) ([]news, error)
	// last are the numbers of the latest events.
	last func(ctx context.Context, ids []string) (map[string]int64, error)
}

// topic is what is followed. It is guarded by hub.mu but for a list that is never changed.
type topic struct {
	followers int
	last      int64 // number of the latest event in news
	news      []news
	changed   chan struct{} // closed when there is something new
}

// news is an event as it is sent.
type news struct {
	seq   int64
	final bool
	frame []byte
}

func newHub(s *Server, f feed) *hub {
	return &hub{Server: s, feed: f, asked: make(chan struct{}, 1), topics: map[string]*topic{}, dirty: map[string]bool{}}
}

// poke says that something happened.
func (h *hub) poke(id string) {
	h.mu.Lock()
	followed := h.topics[id] != nil
	if followed {
		h.dirty[id] = true
	}
	h.mu.Unlock()
	if followed {
		notify(h.asked)
	}
}

// run looks for news of what is followed, until ctx ends: at once for
// those of this process, twice a second for those of others.
func (h *hub) run(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		var ids []string
		select {
		case <-ctx.Done():
			return
		case <-h.asked:
			ids = h.take()
		case <-tick.C:
			ids = h.moved(ctx)
		}
		for _, id := range ids {
			h.read(ctx, id)
		}
	}
}

func (h *hub) take() (ids []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id := range h.dirty {
		ids = append(ids, id)
	}
	clear(h.dirty)
	return ids
}

// moved finds what another process has moved on.
func (h *hub) moved(ctx context.Context) (ids []string) {
	h.mu.Lock()
	known := make(map[string]int64, len(h.topics))
	for id, t := range h.topics {
		known[id] = t.last
		ids = append(ids, id)
	}
	h.mu.Unlock()
	if len(ids) == 0 {
		return nil
	}
	last, err := h.last(ctx, ids)
	if err != nil {
		if ctx.Err() == nil {
			h.log.Debug("news could not be looked for", "error", err)
		}
		return nil
	}
	ids = ids[:0]
	for id, n := range last {
		if n > known[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

// read reads the news of a topic and tells its followers.
func (h *hub) read(ctx context.Context, id string) {
	for {
		h.mu.Lock()
		t := h.topics[id]
		var after int64
		if t != nil {
			after = t.last
		}
		h.mu.Unlock()
		if t == nil {
			return
		}
		fresh, err := h.events(ctx, id, after)
		if err != nil || len(fresh) == 0 {
			return // the next look finds them
		}
		h.mu.Lock()
		t.news = append(t.news[:len(t.news):len(t.news)], fresh...)
		t.news = t.news[max(0, len(t.news)-keptNews):]
		t.last = fresh[len(fresh)-1].seq
		close(t.changed)
		t.changed = make(chan struct{})
		h.mu.Unlock()
	}
}

// runNews is the feed of the events of runs.
func (s *Server) runNews() feed {
	return feed{last: s.store.LastEvents, events: func(ctx context.Context, id string, after int64) ([]news, error) {
		events, err := s.store.Events(ctx, id, after, replayed)
		return framesOf(events), err
	}}
}

func framesOf(events []state.Event) []news {
	out := make([]news, len(events))
	for i := range events {
		e := &events[i]
		text, err := json.Marshal(eventOf(e))
		if err != nil { // it is made of numbers and texts
			panic(err)
		}
		out[i] = news{e.Seq, e.State.Final(), fmt.Appendf(nil, "id: %d\nevent: %s\ndata: %s\n\n", e.Seq, e.Kind, text)}
	}
	return out
}

// follow joins the followers of a topic whose latest event was last a moment ago.
func (h *hub) follow(id string, last int64) (t *topic, leave func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t = h.topics[id]
	if t == nil {
		t = &topic{last: last, changed: make(chan struct{})}
		h.topics[id] = t
	}
	t.followers++
	h.metrics.followers.Inc()
	return t, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.metrics.followers.Dec()
		if t.followers--; t.followers == 0 {
			delete(h.topics, id)
		}
	}
}

// next returns the news after a number, and what is closed when there are more.
// Whoever is behind what is kept goes on with what is.
func (h *hub) next(t *topic, after int64) ([]news, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := len(t.news)
	for i > 0 && t.news[i-1].seq > after {
		i--
	}
	return t.news[i:], t.changed
}

// serve writes the events of a topic after a number until its last, or until the
// follower goes.
func (h *hub) serve(ctx context.Context, w http.ResponseWriter, id string, after, last int64) {
	t, leave := h.follow(id, last) // first, so that nothing falls between
	defer leave()
	out := &stream{w: w, conn: http.NewResponseController(w)}
	head := w.Header()
	head.Set("Content-Type", "text/event-stream")
	head.Set("Cache-Control", "no-store")
	head.Set("X-Accel-Buffering", "no") // or nginx keeps the events to itself
	// A browser that lost the connection comes back after two seconds.
	if !out.write([]byte("retry: 2000\n\n")) {
		return
	}
	for {
		events, err := h.events(ctx, id, after)
		if err != nil {
			return // the follower comes back
		}
		for _, n := range events {
			if after = n.seq; !out.write(n.frame) || n.final {
				return
			}
		}
		if len(events) < replayed {
			break
		}
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		fresh, changed := h.next(t, after)
		if len(fresh) > 0 {
			var frames strings.Builder
			for _, n := range fresh {
				frames.Write(n.frame)
			}
			after = fresh[len(fresh)-1].seq
			if !out.write([]byte(frames.String())) || fresh[len(fresh)-1].final {
				return
			}
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-h.ending:
			return
		case <-changed:
		case <-beat.C:
			if !out.write([]byte(": still here\n\n")) {
				return
			}
		}
	}
}

// stream writes to a client that has to take what is written in time.
type stream struct {
	w    http.ResponseWriter
	conn *http.ResponseController
}

func (s *stream) write(b []byte) bool {
	_ = s.conn.SetWriteDeadline(time.Now().Add(writeTime)) // a recorder in tests has none
	if _, err := s.w.Write(b); err != nil {
		return false
	}
	return s.conn.Flush() == nil
}
