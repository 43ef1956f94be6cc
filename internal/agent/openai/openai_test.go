package openai_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"kalla"
	"kalla/internal/agent"
	"kalla/internal/agent/modeltest"
	"kalla/internal/agent/openai"
	"kalla/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openAt(t *testing.T, url, key string) agent.Model {
	t.Helper()
	client := agent.NewHTTPClient(nil)
	t.Cleanup(client.CloseIdleConnections)
	m, err := openai.New(openai.Config{URL: url, Key: key, Model: "local-8b", HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestModel(t *testing.T) {
	modeltest.Run(t, func(t *testing.T, s *testenv.ModelServer, key string) agent.Model { return openAt(t, s.URL+"/v1", key) })
}

// serve answers every request with a text, and keeps the bodies of all.
func serve(t *testing.T, kind string, answers ...string) (string, *[]map[string]any) {
	t.Helper()
	var bodies []map[string]any
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		text, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(text, &body); err != nil {
			t.Error(err)
		}
		answer := answers[min(len(bodies), len(answers)-1)]
		bodies = append(bodies, body)
		w.Header().Set("Content-Type", kind)
		if strings.Contains(answer, `"error"`) {
			w.WriteHeader(http.StatusBadRequest)
		}
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(s.Close)
	return s.URL, &bodies
}

var hello = agent.Request{Messages: []agent.Message{{Role: agent.User, Parts: []agent.Part{{Text: "hello"}}}}}

// TestDialects: servers differ in what they leave out.
func TestDialects(t *testing.T) {
	for name, x := range map[string]struct{ kind, answer string }{
		"whole calls without index, end without mark": {"text/event-stream", `: comment
data: {"choices":[{"delta":{"tool_calls":[{"function":{"name":"a","arguments":"{\"x\":1}"}}]}}]}

data: {"choices":[{"delta":{"tool_calls":[{"id":"second","function":{"name":"b","arguments":""}}]},"finish_reason":"stop"}]}
`},
		"no stream": {"application/json; charset=utf-8", `{"choices":[{"message":{"tool_calls":[{"id":"first","function":{"name":"a","arguments":"{\"x\":1}"}},{"id":"second","function":{"name":"b"}}]},"finish_reason":"tool_calls"}]}`},
		"fragments that repeat the id": {"text/event-stream", `data:{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"first","function":{"name":"a","arguments":"{\"x\""}}]}}]}
data:{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"first","function":{"arguments":":1}"}},{"index":1,"id":"second","function":{"name":"b"}}]}}]}
data: [DONE]
`},
	} {
		url, _ := serve(t, x.kind, x.answer)
		r, err := openAt(t, url, "").Stream(t.Context(), hello, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, _ := json.Marshal(r.Message.Parts)
		for _, id := range []string{"first", "call_1"} {
			got = []byte(strings.Replace(string(got), `"id":"`+id+`"`, `"id":"1"`, 1))
		}
		if want := `[{"call":{"id":"1","name":"a","input":{"x":1}}},{"call":{"id":"second","name":"b","input":{}}}]`; string(got) != want || r.Stop != agent.StopTools {
			t.Errorf("%s: %s %s", name, r.Stop, got)
		}
	}
}

// TestNewer: a server that wants another name for the limit is asked by it from then on.
func TestNewer(t *testing.T) {
	url, bodies := serve(t, "application/json",
		`{"error":{"message":"Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.","type":"invalid_request_error","code":"unsupported_parameter"}}`,
		`{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}`)
	m := openAt(t, url, "")
	for range 2 {
		if _, err := m.Stream(t.Context(), hello, nil); err != nil {
			t.Fatal(err)
		}
	}
	var limits []string
	for _, b := range *bodies {
		for _, name := range []string{"max_tokens", "max_completion_tokens"} {
			if b[name] != nil {
				limits = append(limits, name)
			}
		}
	}
	if got := strings.Join(limits, " "); got != "max_tokens max_completion_tokens max_completion_tokens" {
		t.Errorf("it was asked with %s", got)
	}
}

func TestGarbled(t *testing.T) {
	for kind, answer := range map[string]string{"text/event-stream": "data: <html>\n", "application/json": `{"hello":1}`} {
		url, _ := serve(t, kind, answer)
		if _, err := openAt(t, url, "").Stream(t.Context(), hello, nil); kalla.CodeOf(err) != kalla.CodeSource || !strings.Contains(err.Error(), "cannot be read") {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if _, err := openAt(t, "http://127.0.0.1:1", "").Stream(t.Context(), hello, nil); kalla.CodeOf(err) != kalla.CodeSource || !strings.Contains(err.Error(), "cannot be reached") {
		t.Errorf("nothing listens: %v", err)
	}
}

func TestNew(t *testing.T) {
	for name, cfg := range map[string]openai.Config{"KALLA_MODEL_URL": {Model: "m"}, "KALLA_MODEL": {URL: "http://localhost:11434/v1"}} {
		if _, err := openai.New(cfg); kalla.CodeOf(err) != kalla.CodeUsage || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
