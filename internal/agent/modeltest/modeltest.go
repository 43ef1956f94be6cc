// Package modeltest holds what every provider of language models must do.
// Conversations are replayed by a server that checks what it is sent; they are
// the same for all providers.
package modeltest

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kalla"
	"kalla/internal/agent"
	"kalla/internal/testenv"
)

// Open makes a model of a provider that is asked at a server with a key.
type Open func(t *testing.T, server *testenv.ModelServer, key string) agent.Model

// Run holds a provider against all of it.
func Run(t *testing.T, open Open) {
	t.Run("Tools", func(t *testing.T) { testTools(t, open) })
	t.Run("Retries", func(t *testing.T) { testRetries(t, open) })
	t.Run("RateLimit", func(t *testing.T) { testRateLimit(t, open) })
	t.Run("Malformed", func(t *testing.T) { testMalformed(t, open) })
	t.Run("Broken", func(t *testing.T) { testBroken(t, open) })
	t.Run("Ends", func(t *testing.T) { testEnds(t, open) })
	t.Run("Refused", func(t *testing.T) { testRefused(t, open) })
	t.Run("Key", func(t *testing.T) { testKey(t, open) })
	t.Run("Cancel", func(t *testing.T) { testCancel(t, open) })
}

func start(t *testing.T, open Open, conversation string) agent.Model {
	t.Helper()
	s := testenv.Model(t, filepath.Join("..", "modeltest", "testdata", conversation+".json"))
	return open(t, s, s.Key)
}

func say(text string) agent.Message {
	return agent.Message{Role: agent.User, Parts: []agent.Part{{Text: text}}}
}

func results(parts ...agent.ToolResult) agent.Message {
	m := agent.Message{Role: agent.User}
	for _, p := range parts {
		m.Parts = append(m.Parts, agent.Part{Result: &p})
	}
	return m
}

func request(messages ...agent.Message) agent.Request {
	return agent.Request{System: "You draft recipes.", Context: "phase: intent", Messages: messages, Tools: []agent.ToolSpec{
		{Name: "list_sources", Description: "Lists the sources.", Schema: json.RawMessage(`{"type":"object","properties":{"kind":{"type":"string"},"limit":{"type":"integer"}}}`)},
		{Name: "run_full", Description: "Runs a recipe.", Schema: json.RawMessage(`{"type":"object","properties":{"recipe_id":{"type":"string"}},"required":["recipe_id"],"additionalProperties":false}`)},
	}}
}

// told collects what arrives.
type told struct {
	text  string
	tools []string
}

func (x *told) delta(d agent.Delta) {
	x.text += d.Text
	if d.Tool != "" {
		x.tools = append(x.tools, d.Tool)
	}
}

func ask(t *testing.T, m agent.Model, req agent.Request) (*agent.Reply, told) {
	t.Helper()
	var x told
	r, err := m.Stream(t.Context(), req, x.delta)
	if err != nil {
		t.Fatal(err)
	}
	return r, x
}

func texts(m agent.Message) string {
	var b strings.Builder
	for _, p := range m.Parts {
		b.WriteString(p.Text)
	}
	return b.String()
}

func calls(m agent.Message) []*agent.ToolCall {
	var out []*agent.ToolCall
	for _, p := range m.Parts {
		if p.Call != nil {
			out = append(out, p.Call)
		}
	}
	return out
}

// testTools: a turn with two calls, whose results the model is sent, one an error.
func testTools(t *testing.T, open Open) {
	m := start(t, open, "tools")
	first := say("I want to reconcile")
	r, x := ask(t, m, request(first))
	const said = "Let me look at what there is — für alle Quellen."
	if texts(r.Message) != said || x.text != said || strings.Join(x.tools, ",") != "list_sources,list_sources" {
		t.Errorf("it says %q, and told %+v", texts(r.Message), x)
	}
	c := calls(r.Message)
	if r.Stop != agent.StopTools || len(c) != 2 || string(c[0].Input) != "{}" || string(c[1].Input) != `{"kind": "csv", "limit": 10}` || c[0].ID == c[1].ID {
		t.Fatalf("it stops with %s and calls %+v", r.Stop, c)
	}
	if u := r.Usage; u.Input+u.CacheWrite != 420 || u.CacheRead != 2000 || u.Output != 48 {
		t.Errorf("it used %+v", u)
	}
	stored, err := json.Marshal(r.Message) // as a conversation is kept
	if err != nil {
		t.Fatal(err)
	}
	var kept agent.Message
	if err := json.Unmarshal(stored, &kept); err != nil {
		t.Fatal(err)
	}
	r, x = ask(t, m, request(first, kept,
		results(agent.ToolResult{ID: c[0].ID, Content: `[{"alias":"invoices","uri":"invoices.csv"}]`}, agent.ToolResult{ID: c[1].ID, Content: "sources cannot be listed", IsError: true})))
	if r.Stop != agent.StopEnd || texts(r.Message) != "There are invoices and payments." || x.text != texts(r.Message) {
		t.Errorf("it ends with %s: %q", r.Stop, texts(r.Message))
	}
}

// testRetries: overload, a connection that breaks and an overload told in the
// stream are got over while nothing has been told.
func testRetries(t *testing.T, open Open) {
	r, x := ask(t, agent.WithRetries(start(t, open, "overload")), request(say("Are you there?")))
	if texts(r.Message) != "Here I am." || x.text != "Here I am." {
		t.Errorf("it says %q and told %q", texts(r.Message), x.text)
	}
}

func testRateLimit(t *testing.T, open Open) {
	m := agent.WithRetries(start(t, open, "ratelimit"))
	began := time.Now()
	_, err := m.Stream(t.Context(), request(say("Hello")), nil)
	var again interface{ RetryAfter() time.Duration }
	if !errors.As(err, &again) || again.RetryAfter() != time.Hour || kalla.CodeOf(err) != kalla.CodeLimit {
		t.Errorf("it fails with %v", err)
	}
	if e, ok := errors.AsType[*kalla.Error](err); !ok || !strings.Contains(e.Hint, "1h0m0s") {
		t.Errorf("its hint is %+v", e)
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("it asked again after %v of the second that it was told to wait", took)
	}
}

// testMalformed: an input that is no JSON is told back to the model; a call that was never answered is.
func testMalformed(t *testing.T, open Open) {
	m := start(t, open, "malformed")
	messages := []agent.Message{say("List the sources")}
	r, _ := ask(t, m, request(messages...))
	c := calls(r.Message)
	if len(c) != 1 || string(c[0].Input) != `"{\"kind\": \"csv"` {
		t.Fatalf("it calls %+v", c)
	}
	messages = append(messages, r.Message, results(agent.ToolResult{ID: c[0].ID, Content: "the input is no JSON", IsError: true}))
	r, _ = ask(t, m, request(messages...))
	if c = calls(r.Message); len(c) != 1 || string(c[0].Input) != `{"kind": "csv"}` {
		t.Fatalf("it calls %+v", c)
	}
	r, _ = ask(t, m, request(append(messages, r.Message, say("stop"))...))
	if texts(r.Message) != "I have stopped." {
		t.Errorf("it says %q", texts(r.Message))
	}
}

// testBroken: an answer that breaks off after some of it was told is an error, and not asked for again.
func testBroken(t *testing.T, open Open) {
	var x told
	_, err := agent.WithRetries(start(t, open, "broken")).Stream(t.Context(), request(say("Explain")), x.delta)
	if kalla.CodeOf(err) != kalla.CodeSource || !strings.Contains(err.Error(), "broke off") || x.text != "The two files share" {
		t.Errorf("it told %q and fails with %v", x.text, err)
	}
	if _, ok := errors.AsType[*agent.Unavailable](err); !ok {
		t.Errorf("nobody is told that it may be asked again: %v", err)
	}
}

func testEnds(t *testing.T, open Open) {
	m := start(t, open, "ends")
	for said, want := range map[string]struct {
		stop agent.Stop
		text string
	}{
		"long": {agent.StopLength, "First, second,"}, "bad": {agent.StopRefused, "That is not something to help with."}, "plain": {agent.StopEnd, "Yes."},
	} {
		r, x := ask(t, m, request(say(said)))
		if r.Stop != want.stop || texts(r.Message) != want.text || x.text != want.text {
			t.Errorf("%s: it stops with %s and says %q, told %q", said, r.Stop, texts(r.Message), x.text)
		}
	}
}

func testRefused(t *testing.T, open Open) {
	m := start(t, open, "refused")
	for said, want := range map[string]struct {
		code kalla.Code
		why  string
	}{
		"credit": {kalla.CodeUsage, "no credit left"}, "model": {kalla.CodeUsage, "no such model"}, "length": {kalla.CodeLimit, "longer than the model can take"},
		"size": {kalla.CodeLimit, "longer than the model can take"}, "allowed": {kalla.CodeUsage, "not for this workspace"},
		"schema": {kalla.CodeUsage, "does not support tools"}, "server": {kalla.CodeLimit, "failed with status 500"},
	} {
		_, err := m.Stream(t.Context(), request(say(said)), nil)
		e, ok := errors.AsType[*kalla.Error](err)
		if !ok || e.Code != want.code || !strings.Contains(e.Why, want.why) || e.Hint == "" || !strings.Contains(e.Where, m.Info().Model) {
			t.Errorf("%s: %v", said, err)
		}
		if _, again := errors.AsType[*agent.Unavailable](err); again != (said == "server") {
			t.Errorf("%s: that it may be asked again is %v", said, again)
		}
	}
}

// testKey: a key that is wrong is said without saying it, though the server does.
func testKey(t *testing.T, open Open) {
	s := testenv.Model(t, filepath.Join("..", "modeltest", "testdata", "ends.json"))
	_, err := open(t, s, "sk-wrong-one").Stream(t.Context(), request(say("plain")), nil)
	e, ok := errors.AsType[*kalla.Error](err)
	if !ok || e.Code != kalla.CodeUsage || !strings.Contains(e.Why, "key is not accepted") || !strings.Contains(e.Hint, "_KEY") {
		t.Fatalf("it fails with %v", err)
	}
	for err := error(e); err != nil; err = errors.Unwrap(err) {
		if strings.Contains(err.Error(), "sk-wrong-one") {
			t.Errorf("it shows the key: %v", err)
		}
	}
	m := open(t, s, s.Key)
	for _, said := range []string{"long", "bad", "plain"} { // all that the conversation has
		ask(t, m, request(say(said)))
	}
}

func testCancel(t *testing.T, open Open) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stopped time.Time
	_, err := agent.WithRetries(start(t, open, "silent")).Stream(ctx, request(say("Think")), func(agent.Delta) {
		if stopped.IsZero() {
			stopped = time.Now()
			cancel()
		}
	})
	if kalla.CodeOf(err) != kalla.CodeCanceled || !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
	if took := time.Since(stopped); took > 5*time.Second {
		t.Errorf("it takes %v to stop", took)
	}
}
