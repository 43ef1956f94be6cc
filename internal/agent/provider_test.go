package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kalla"
	"kalla/internal/agent"
)

// TestSettled: what providers refuse is mended, and nothing else is changed.
func TestSettled(t *testing.T) {
	text := func(r agent.Role, s string) agent.Message {
		return agent.Message{Role: r, Parts: []agent.Part{{Text: s}}}
	}
	call := func(ids ...string) agent.Message {
		m := agent.Message{Role: agent.Assistant}
		for _, id := range ids {
			m.Parts = append(m.Parts, agent.Part{Call: &agent.ToolCall{ID: id, Name: "profile", Input: json.RawMessage("{}")}})
		}
		return m
	}
	result := func(id string) agent.Message {
		return agent.Message{Role: agent.User, Parts: []agent.Part{{Result: &agent.ToolResult{ID: id, Content: "ok"}}}}
	}
	for name, x := range map[string]struct {
		in   []agent.Message
		want string // user: u, assistant: a; text, <call>, [result], [!result of a call that was not run]
	}{
		"as it should be":     {[]agent.Message{text("user", "hi"), call("1", "2"), {Role: agent.User, Parts: append(result("1").Parts, result("2").Parts...)}, text("assistant", "done")}, "u hi a <1><2> u [1][2] a done"},
		"results one by one":  {[]agent.Message{text("user", "hi"), call("1", "2"), result("2"), result("1")}, "u hi a <1><2> u [2][1]"},
		"never answered":      {[]agent.Message{text("user", "hi"), call("1", "2"), result("1"), text("user", "stop")}, "u hi a <1><2> u [1][!2]stop"},
		"ended meanwhile":     {[]agent.Message{text("user", "hi"), call("1")}, "u hi a <1> u [!1]"},
		"text before results": {[]agent.Message{text("user", "hi"), call("1"), text("user", "and"), result("1")}, "u hi a <1> u [1]and"},
		"answers nothing":     {[]agent.Message{text("user", "hi"), result("9"), text("assistant", "yes"), result("8")}, "u hi a yes"},
		"empty":               {[]agent.Message{text("user", " \n"), text("user", "hi"), text("assistant", ""), text("user", "you")}, "u hi\x00you"},
	} {
		var got strings.Builder
		for i, m := range agent.Settled(x.in) {
			if i > 0 {
				got.WriteByte(' ')
			}
			got.WriteString(string(m.Role[0]) + " ")
			for j, p := range m.Parts {
				switch {
				case p.Call != nil:
					got.WriteString("<" + p.Call.ID + ">")
				case p.Result != nil && p.Result.IsError:
					got.WriteString("[!" + p.Result.ID + "]")
				case p.Result != nil:
					got.WriteString("[" + p.Result.ID + "]")
				default:
					if j > 0 && m.Parts[j-1].Text != "" {
						got.WriteByte(0)
					}
					got.WriteString(p.Text)
				}
			}
		}
		if got.String() != x.want {
			t.Errorf("%s: %q, want %q", name, got.String(), x.want)
		}
	}
}

func TestInputOf(t *testing.T) {
	for written, want := range map[string]string{"": "{}", " ": "{}", `{"a":1}`: `{"a":1}`, "null": "null", `{"a":`: `"{\"a\":"`} {
		if got := string(agent.InputOf(written)); got != want {
			t.Errorf("%q: %s", written, got)
		}
	}
}

// TestWatch: a body that goes on, however slowly, is read to its end; one that falls silent is not waited for.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		go func() {
			for range 5 {
				time.Sleep(50 * time.Second)
				_, _ = w.Write([]byte("."))
			}
		}()
		body := agent.Watch(r, time.Minute)
		began := time.Now()
		text, err := io.ReadAll(body)
		if string(text) != "....." || !errors.Is(err, agent.ErrSilent) || time.Since(began) != 310*time.Second {
			t.Errorf("after %v: %q, %v", time.Since(began), text, err)
		}
		if err := body.Close(); err != nil {
			t.Error(err)
		}
	})
}

// scripted is a model that fails as it is told to, then answers.
type scripted struct {
	errs  []error
	asked int
	tells bool
}

func (s *scripted) Info() agent.ModelInfo { return agent.ModelInfo{Model: "scripted"} }

func (s *scripted) Stream(_ context.Context, _ agent.Request, delta func(agent.Delta)) (*agent.Reply, error) {
	s.asked++
	if s.tells {
		delta(agent.Delta{Text: "a"})
	}
	if s.asked <= len(s.errs) {
		return nil, s.errs[s.asked-1]
	}
	return &agent.Reply{Stop: agent.StopEnd}, nil
}

func TestWithRetries(t *testing.T) {
	busy := func(after time.Duration) error {
		return &kalla.Error{Code: kalla.CodeLimit, Err: &agent.Unavailable{After: after, Err: errors.New("busy")}}
	}
	wrong := &kalla.Error{Code: kalla.CodeUsage, Why: "wrong key"}
	for name, x := range map[string]struct {
		model       scripted
		asked       int
		ok          bool
		least, most time.Duration
	}{
		"at once":           {scripted{}, 1, true, 0, 0},
		"soon":              {scripted{errs: []error{busy(0), busy(0)}}, 3, true, 750 * time.Millisecond, 2250 * time.Millisecond},
		"when it says":      {scripted{errs: []error{busy(7 * time.Second)}}, 2, true, 7 * time.Second, 7 * time.Second},
		"too late":          {scripted{errs: []error{busy(time.Minute)}}, 1, false, 0, 0},
		"too often":         {scripted{errs: []error{busy(0), busy(0), busy(0), busy(0), busy(0)}}, 4, false, time.Second, 6 * time.Second},
		"for ever":          {scripted{errs: []error{wrong}}, 1, false, 0, 0},
		"what was told":     {scripted{errs: []error{busy(0)}, tells: true}, 1, false, 0, 0},
		"told and complete": {scripted{tells: true}, 1, true, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			_, err := agent.WithRetries(&x.model).Stream(t.Context(), agent.Request{}, nil)
			if took := time.Since(began); (err == nil) != x.ok || x.model.asked != x.asked || took < x.least || took > x.most {
				t.Errorf("%s: asked %d times in %v: %v", name, x.model.asked, took, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		m := scripted{errs: []error{busy(15 * time.Second)}}
		began := time.Now()
		if _, err := agent.WithRetries(&m).Stream(ctx, agent.Request{}, nil); kalla.CodeOf(err) != kalla.CodeCanceled || time.Since(began) != time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	for v, want := range map[string]time.Duration{"": 0, "12": 12 * time.Second, "-1": 0, "soon": 0, "Wed, 25 Nov 2026 10:00:30 GMT": 30 * time.Second, "Wed, 25 Nov 2026 09:00:00 GMT": 0} {
		if got := agent.RetryAfterOf(http.Header{"Retry-After": {v}}, now); got != want {
			t.Errorf("%q: %v", v, got)
		}
	}
}
