package testenv

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Conversation is a recorded conversation with a language model, which a
// ModelServer replays. A request gets the first exchange that fits it and has
// not been used; those without When fit in their order. One for which there is
// none, or that is not as the API wants it, is refused and noted as a fault.
//
//	{"absent": ["DE89370400440532013000"],
//	 "exchanges": [
//	   {"say": "Which two files?"},
//	   {"when": {"said": "invoices"}, "calls": [{"name": "list_sources", "input": {}}]},
//	   {"when": {"result": "list_sources"}, "status": 529, "kind": "overloaded_error", "message": "Overloaded"},
//	   {"when": {"result": "list_sources"}, "say": "You have invoices and payments."}]}
type Conversation struct {
	Absent    []string   `json:"absent"` // texts that no request may hold, such as masked values
	Exchanges []Exchange `json:"exchanges"`
}

// Exchange is what a request gets.
type Exchange struct {
	When  When  `json:"when"`
	Wants Wants `json:"wants"`
	Again bool  `json:"again"` // it may be used more than once

	// A status other than 200 is an error, with Header, Kind and Message. So is a
	// Kind with status 200 (or none), in the middle of the stream.
	Status  int               `json:"status"`
	Header  map[string]string `json:"header"`
	Kind    string            `json:"kind"`
	Message string            `json:"message"`

	Think string `json:"think"` // reasoning, which only the Messages API has
	Say   string `json:"say"`
	Calls []struct {
		Name  string          `json:"name"`
		Input json.RawMessage `json:"input"`
		Raw   string          `json:"raw"` // instead of Input, for what is no JSON
	} `json:"calls"`
	Stop  string `json:"stop"` // as the Messages API says it; follows from the rest where it is empty
	Why   string `json:"why"`  // of a refusal
	Usage struct {
		Input      int64 `json:"input"`
		CacheRead  int64 `json:"cache_read"`
		CacheWrite int64 `json:"cache_write"`
		Output     int64 `json:"output"`
	} `json:"usage"`

	Cut   bool `json:"cut"`      // the connection breaks before the answer is complete
	Hang  bool `json:"hang"`     // the answer is never completed
	Pause int  `json:"pause_ms"` // between pieces, for who wants to see them come
}

// When says which requests an exchange is for.
type When struct {
	Said   string `json:"said"`   // part of what the person said last
	Result string `json:"result"` // a tool whose result the request brings
}

// Wants is what a request must hold.
type Wants struct {
	System []string `json:"system"` // parts of the system prompt
	Tools  []string `json:"tools"`  // names of tools, among others
	Text   []string `json:"text"`   // anywhere in the request
	Failed bool     `json:"failed"` // the last result is an error
}

// ModelServer speaks the Messages API at URL and the chat-completions API at
// URL + "/v1", and replays a conversation.
type ModelServer struct {
	URL string
	Key string // the only one that is taken

	mu       sync.Mutex
	script   Conversation
	used     []bool
	faults   []string
	requests []json.RawMessage
}

// Model starts a server that replays a file of testdata. Its faults, and
// exchanges that nobody asked for, fail the test.
func Model(t testing.TB, file string) *ModelServer {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewModelServer(text)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	s.URL = server.URL
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		for _, f := range s.Faults() {
			t.Error(f)
		}
		if left := s.Left(); left > 0 {
			t.Errorf("%d exchanges of %s were not asked for", left, file)
		}
	})
	return s
}

// NewModelServer reads a Conversation in JSON. It is an http.Handler; whoever serves it sets URL.
func NewModelServer(conversation []byte) (*ModelServer, error) {
	s := &ModelServer{Key: secret()}
	return s, s.Replay(conversation)
}

// Replay begins another conversation.
func (s *ModelServer) Replay(conversation []byte) error {
	var c Conversation
	decode := json.NewDecoder(strings.NewReader(string(conversation)))
	decode.DisallowUnknownFields()
	if err := decode.Decode(&c); err != nil {
		return fmt.Errorf("reading conversation: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script, s.used, s.faults, s.requests = c, make([]bool, len(c.Exchanges)), nil, nil
	return nil
}

// Faults are what was wrong with requests.
func (s *ModelServer) Faults() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.faults)
}

// Left is how many exchanges nobody has asked for.
func (s *ModelServer) Left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for i, used := range s.used {
		if !used && !s.script.Exchanges[i].Again {
			n++
		}
	}
	return n
}

// Requests are the bodies of all requests.
func (s *ModelServer) Requests() []json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ServeHTTP answers requests of both APIs. GET /replay tells faults and what is
// left, PUT /replay begins another conversation: for tests in another process.
func (s *ModelServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "POST /v1/messages":
		s.answer(w, r, body, messagesAPI{})
	case "POST /v1/chat/completions":
		s.answer(w, r, body, chatAPI{})
	case "GET /replay":
		_ = json.NewEncoder(w).Encode(map[string]any{"faults": s.Faults(), "left": s.Left(), "requests": len(s.Requests())})
	case "PUT /replay":
		if err := s.Replay(body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	default:
		s.fault("%s %s is no operation", r.Method, r.URL.Path)
		http.NotFound(w, r)
	}
}

func (s *ModelServer) fault(format string, args ...any) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	s.faults = append(s.faults, text)
	return text
}

// api is one of the two ways to ask a model.
type api interface {
	key(r *http.Request) string
	// read checks a request, and returns what exchanges are chosen by.
	read(r *http.Request, body []byte) (asked, error)
	fail(w http.ResponseWriter, status int, kind, message string)
	// stream sends an answer piece by piece, and stops early where send returns false.
	stream(x Exchange, send func(event string, data any) bool)
}

// asked is a request in the terms of both APIs.
type asked struct {
	system  string
	said    string   // by the person, since the model's last words
	results []string // names of the tools whose results came with it
	failed  bool     // the last of them is an error
	tools   []string
}

func (s *ModelServer) answer(w http.ResponseWriter, r *http.Request, body []byte, a api) {
	if key := a.key(r); key != s.Key { // as a real server would: tests of wrong keys want it
		a.fail(w, http.StatusUnauthorized, "authentication_error", "invalid key "+key)
		return
	}
	s.mu.Lock()
	s.requests = append(s.requests, body)
	n := len(s.requests)
	s.mu.Unlock()
	q, err := a.read(r, body)
	if err != nil {
		a.fail(w, http.StatusBadRequest, "invalid_request_error", s.fault("request %d: %v", n, err))
		return
	}
	x, ok := s.choose(q)
	if !ok {
		a.fail(w, http.StatusBadRequest, "invalid_request_error", s.fault("request %d: the conversation has no answer to %q with results of %v", n, q.said, q.results))
		return
	}
	s.check(n, x.Wants, q, string(body))
	for k, v := range x.Header {
		w.Header().Set(k, v)
	}
	if x.Status != 0 && x.Status != http.StatusOK {
		a.fail(w, x.Status, x.Kind, x.Message)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	a.stream(x, func(event string, data any) bool {
		text, err := json.Marshal(data)
		if raw, ok := data.(string); ok {
			text, err = []byte(raw), nil
		}
		if err != nil {
			panic(err)
		}
		if event != "" {
			event = "event: " + event + "\n"
		}
		if _, err := fmt.Fprintf(w, "%sdata: %s\n\n", event, text); err != nil {
			return false
		}
		_ = control.Flush()
		if x.Pause > 0 {
			select {
			case <-r.Context().Done():
				return false
			case <-time.After(time.Duration(x.Pause) * time.Millisecond):
			}
		}
		return r.Context().Err() == nil
	})
	if x.Hang {
		<-r.Context().Done()
	}
	if x.Cut {
		panic(http.ErrAbortHandler)
	}
}

func (s *ModelServer) choose(q asked) (Exchange, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, x := range s.script.Exchanges {
		if s.used[i] && !x.Again || !strings.Contains(q.said, x.When.Said) || x.When.Result != "" && !slices.Contains(q.results, x.When.Result) {
			continue
		}
		s.used[i] = true
		return x, true
	}
	return Exchange{}, false
}

func (s *ModelServer) check(n int, want Wants, q asked, body string) {
	for _, text := range want.System {
		if !strings.Contains(q.system, text) {
			s.fault("request %d: the system prompt does not say %q", n, text)
		}
	}
	for _, name := range want.Tools {
		if !slices.Contains(q.tools, name) {
			s.fault("request %d: there is no tool %s", n, name)
		}
	}
	for _, text := range want.Text {
		if !strings.Contains(body, text) {
			s.fault("request %d does not hold %q", n, text)
		}
	}
	if want.Failed != q.failed {
		s.fault("request %d: that the last result is an error is %v", n, q.failed)
	}
	s.mu.Lock()
	absent := s.script.Absent
	s.mu.Unlock()
	for _, text := range absent {
		if strings.Contains(body, text) {
			s.fault("request %d holds %q, which the model must not see", n, text)
		}
	}
}

// pieces cuts a text as a stream does: anywhere between characters.
func pieces(text string) []string {
	var out []string
	const size = 7
	runes := []rune(text)
	for len(runes) > size {
		out = append(out, string(runes[:size]))
		runes = runes[size:]
	}
	return append(out, string(runes))
}

// written is the input of a call as the model wrote it.
func written(input json.RawMessage, raw string) string {
	if raw != "" {
		return raw
	}
	return string(input)
}
