// Package openai asks models behind the chat-completions API, which OpenAI,
// Ollama, vLLM, llama.cpp and many others serve.
package openai

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"kalla"
	"kalla/internal/agent"
)

const defaultMaxTokens = 8_000

// Config says which model is asked, and where.
type Config struct {
	URL   string       // KALLA_MODEL_URL: http://localhost:11434/v1
	Key   string       // KALLA_MODEL_KEY; empty where none is needed
	Model string       // KALLA_MODEL
	HTTP  *http.Client // see agent.NewHTTPClient
}

type model struct {
	url      string
	http     *http.Client
	endpoint agent.Endpoint
	// newer says that the server wants max_completion_tokens, which older ones do not know.
	newer atomic.Bool
}

// New returns a model. Nothing is asked yet. Errors are *kalla.Error of class usage.
func New(cfg Config) (agent.Model, error) {
	const op = "setting up the language model"
	u, err := url.Parse(strings.TrimSuffix(strings.TrimSuffix(cfg.URL, "/"), "/chat/completions"))
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil:
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: "KALLA_MODEL_URL", Why: "it is not an http or https URL", Hint: "write http://localhost:11434/v1"}
	case cfg.Model == "":
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: "KALLA_MODEL", Why: "it is not set", Hint: "set it to the name of a model at " + u.Host + " that can call tools"}
	}
	return &model{url: u.JoinPath("chat/completions").String(), http: cfg.HTTP, endpoint: agent.Endpoint{
		Model: cfg.Model, Host: u.Host, Key: cfg.Key, KeyName: "KALLA_MODEL_KEY", URLName: "KALLA_MODEL_URL",
	}}, nil
}

// Info says which model answers.
func (m *model) Info() agent.ModelInfo {
	return agent.ModelInfo{Provider: "openai", Model: m.endpoint.Model}
}

// Stream sends a conversation and reads the answer as it comes.
func (m *model) Stream(ctx context.Context, req agent.Request, delta func(agent.Delta)) (*agent.Reply, error) {
	if delta == nil {
		delta = func(agent.Delta) {}
	}
	resp, err := m.send(ctx, req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var a answer
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind == "application/json" { // one that does not stream
		err = a.whole(resp.Body, delta)
	} else {
		err = a.stream(resp.Body, delta)
	}
	switch {
	case err == nil:
		return a.reply(), nil
	case a.failure != nil:
		return nil, m.endpoint.Failed(*a.failure)
	case a.garbled:
		return nil, m.endpoint.Garbled(err)
	}
	return nil, m.endpoint.Broken(ctx, err)
}

// send returns an answer of status 200.
func (m *model) send(ctx context.Context, req agent.Request) (*http.Response, error) {
	for {
		newer := m.newer.Load()
		r := request(m.endpoint.Model, req)
		if limit := cmp.Or(req.MaxTokens, defaultMaxTokens); newer {
			r.MaxCompletionTokens = limit
		} else {
			r.MaxTokens = limit
		}
		body, err := json.Marshal(r)
		if err != nil {
			return nil, &kalla.Error{Code: kalla.CodeInternal, Op: agent.Asking, Err: err}
		}
		post, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url, bytes.NewReader(body))
		if err != nil {
			return nil, &kalla.Error{Code: kalla.CodeInternal, Op: agent.Asking, Err: err}
		}
		post.Header.Set("Content-Type", "application/json")
		post.Header.Set("Accept", "text/event-stream, application/json")
		if m.endpoint.Key != "" {
			post.Header.Set("Authorization", "Bearer "+m.endpoint.Key)
		}
		resp, err := m.http.Do(post)
		if err != nil {
			return nil, m.endpoint.Broken(ctx, err)
		}
		if resp.StatusCode == http.StatusOK {
			return resp, nil
		}
		f := failure(resp)
		if f.Status == http.StatusBadRequest && !newer && strings.Contains(f.Message, "max_completion_tokens") {
			m.newer.Store(true)
			continue
		}
		return nil, m.endpoint.Failed(f)
	}
}

// failure reads an answer that is an error. Servers differ: {"error": {"message"}}, {"error": "…"}, {"message"}.
func failure(resp *http.Response) agent.Failure {
	defer resp.Body.Close()
	f := agent.Failure{Status: resp.StatusCode, Header: resp.Header}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	var body problem
	if err == nil && json.Unmarshal(text, &body) == nil {
		f.Kind, f.Message = body.read()
	}
	return f
}

// problem is an answer, or an event, that tells of an error.
type problem struct {
	Error   json.RawMessage `json:"error"`
	Message string          `json:"message"`
}

func (p problem) read() (kind, message string) {
	var e struct {
		Message string `json:"message"`
		Type    string `json:"type"`
		Code    any    `json:"code"` // a name or a number
	}
	if json.Unmarshal(p.Error, &e) == nil && e.Message != "" {
		code, _ := e.Code.(string)
		return cmp.Or(code, e.Type), e.Message
	}
	if json.Unmarshal(p.Error, &message) == nil && message != "" {
		return "", message
	}
	return "", p.Message
}
