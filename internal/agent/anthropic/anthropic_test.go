package anthropic_test

import (
	"encoding/json"
	"maps"
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

// TestThinking: what a model thought is sent back to it as it came, and not to another.
func TestThinking(t *testing.T) {
	s := testenv.Model(t, "../modeltest/testdata/tools.json")
	m := open(t, s, s.Key)
	said := agent.Message{Role: agent.User, Parts: []agent.Part{{Text: "reconcile"}}}
	tools := []agent.ToolSpec{{Name: "list_sources", Description: "Lists.", Schema: []byte(`{"type":"object"}`)}, {Name: "run_full", Description: "Runs.", Schema: []byte(`{"type":"object"}`)}}
	r, err := m.Stream(t.Context(), agent.Request{System: "You draft recipes.", Context: "phase: intent", Messages: []agent.Message{said}, Tools: tools}, nil)
	if err != nil {
		t.Fatal(err)
	}
	answered := agent.Message{Role: agent.User}
	for _, p := range r.Message.Parts {
		if p.Opaque != nil && (p.Text != "" || p.Opaque.Model != anthropic.DefaultModel) {
			t.Errorf("what it thought is %+v", p)
		}
		if p.Call != nil {
			answered.Parts = append(answered.Parts, agent.Part{Result: &agent.ToolResult{ID: p.Call.ID, Content: "invoices.csv, but the other sources cannot be listed", IsError: true}})
		}
	}
	foreign := agent.Part{Opaque: &agent.Opaque{Model: "another", Data: json.RawMessage(`{"type":"thinking","thinking":"?","signature":"foreign"}`)}}
	r.Message.Parts = slices.Insert(r.Message.Parts, 1, foreign)
	if _, err := m.Stream(t.Context(), agent.Request{System: "s", Messages: []agent.Message{said, r.Message, answered}, Tools: tools}, nil); err != nil {
		t.Fatal(err)
	}
	var sent struct {
		Messages []struct{ Content []map[string]any }
	}
	if err := json.Unmarshal(s.Requests()[1], &sent); err != nil {
		t.Fatal(err)
	}
	if got, want := sent.Messages[1].Content[0], (map[string]any{"type": "thinking", "thinking": "They have not said which sources.", "signature": "signed"}); !maps.Equal(got, want) {
		t.Errorf("it was sent %v", got)
	}
	if got := sent.Messages[1].Content[1]["type"]; got != "text" {
		t.Errorf("behind it comes %v: what another model thought was sent too", got)
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
