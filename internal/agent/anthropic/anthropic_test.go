package anthropic_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"kalla"
	"kalla/internal/agent"
	"kalla/internal/agent/anthropic"
	"kalla/internal/agent/modeltest"
	"kalla/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, s *testenv.ModelServer, key string) agent.Model {
	t.Helper()
	client := agent.NewHTTPClient(nil)
	t.Cleanup(client.CloseIdleConnections)
	m, err := anthropic.New(anthropic.Config{URL: s.URL, Key: key, HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestModel(t *testing.T) {
	modeltest.Run(t, open)
}

// TestThinking: what a model thought since the person spoke goes back to it as
// it came, not to another model, and not where the API refuses it.
func TestThinking(t *testing.T) {
	s := testenv.Model(t, "../modeltest/testdata/thinking.json")
	m := open(t, s, s.Key)
	say := func(text string) agent.Message {
		return agent.Message{Role: agent.User, Parts: []agent.Part{{Text: text}}}
	}
	ask := func(messages ...agent.Message) agent.Message {
		t.Helper()
		r, err := m.Stream(t.Context(), agent.Request{System: "You draft recipes.", Messages: messages}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r.Message
	}
	called := ask(say("look"))
	if p := called.Parts[0]; p.Opaque == nil || p.Text != "" || p.Opaque.Model != anthropic.DefaultModel {
		t.Errorf("what it thought is %+v", p)
	}
	called.Parts = slices.Insert(called.Parts, 1, agent.Part{Opaque: &agent.Opaque{Model: "another", Data: json.RawMessage(`{"type":"thinking","thinking":"?","signature":"foreign"}`)}})
	answered := agent.Message{Role: agent.User, Parts: []agent.Part{{Result: &agent.ToolResult{ID: called.Parts[2].Call.ID, Content: "[]"}}}}
	looked := ask(say("look"), called, answered) // refused, then asked without
	ask(say("look"), called, answered, looked, say("go on"))

	thoughts := func(request int) (out []any) {
		var sent struct {
			Messages []struct{ Content []map[string]any }
		}
		if err := json.Unmarshal(s.Requests()[request], &sent); err != nil {
			t.Fatal(err)
		}
		for _, m := range sent.Messages {
			for _, b := range m.Content {
				if b["type"] == "thinking" {
					out = append(out, b["thinking"], b["signature"])
				}
			}
		}
		return out
	}
	for request, want := range [][]any{nil, {"Which sources?", "signed"}, nil, nil} {
		if got := thoughts(request); !slices.Equal(got, want) {
			t.Errorf("request %d holds %v", request, got)
		}
	}
}

func TestNew(t *testing.T) {
	for name, cfg := range map[string]anthropic.Config{
		"ANTHROPIC_API_KEY":  {},
		"ANTHROPIC_BASE_URL": {Key: "k", URL: "ftp://example.com"},
	} {
		cfg.HTTP = http.DefaultClient
		if _, err := anthropic.New(cfg); kalla.CodeOf(err) != kalla.CodeUsage || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
