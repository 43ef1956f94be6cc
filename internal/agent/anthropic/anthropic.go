// Package anthropic asks models of Anthropic, or of whatever speaks its Messages API.
package anthropic

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	sdk "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/anthropics/anthropic-sdk-go/packages/ssestream"

	"kalla"
	"kalla/internal/agent"
)

const (
	// DefaultModel is asked where none is named.
	DefaultModel = sdk.ModelClaudeSonnet5_5
	defaultURL   = "https://api.anthropic.com"
	// defaultMaxTokens leaves room for what a model thinks before it answers, which counts.
	defaultMaxTokens = 16_000
)

// Config says which model is asked, and where.
type Config struct {
	Key   string       // ANTHROPIC_API_KEY
	URL   string       // ANTHROPIC_BASE_URL; empty means Anthropic's own
	Model string       // empty means DefaultModel
	HTTP  *http.Client // see agent.NewHTTPClient
}

type model struct {
	messages sdk.MessageService
	endpoint agent.Endpoint
}

// New returns a model. Nothing is asked yet: whether the key holds shows at the
// first Stream. Errors are *kalla.Error of class usage.
func New(cfg Config) (agent.Model, error) {
	const op = "setting up the language model"
	base := cmp.Or(strings.TrimSuffix(cfg.URL, "/"), defaultURL)
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil:
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: "ANTHROPIC_BASE_URL", Why: "it is not an http or https URL", Hint: "leave it out, or write " + defaultURL}
	case cfg.Key == "":
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: "ANTHROPIC_API_KEY", Why: "it is not set", Hint: "set it to a key of your account"}
	}
	m := &model{endpoint: agent.Endpoint{
		Model: cmp.Or(cfg.Model, DefaultModel), Host: u.Host, Key: cfg.Key, KeyName: "ANTHROPIC_API_KEY", URLName: "ANTHROPIC_BASE_URL",
	}}
	m.messages = sdk.NewClient(
		option.WithoutEnvironmentDefaults(), // what is in the environment comes in by Config
		option.WithAPIKey(cfg.Key), option.WithBaseURL(base+"/"), option.WithHTTPClient(cfg.HTTP),
		option.WithMaxRetries(0), // see agent.WithRetries, which never tells an answer twice
	).Messages
	return m, nil
}

// Info says which model answers.
func (m *model) Info() agent.ModelInfo {
	info := agent.ModelInfo{Provider: "anthropic", Model: m.endpoint.Model}
	if p, ok := prices[m.endpoint.Model]; ok {
		info.InputPrice, info.OutputPrice, info.CacheReadPrice, info.CacheWritePrice = p[0], p[1], p[2], p[3]
	}
	return info
}

// Stream sends a conversation and reads the answer as it comes.
func (m *model) Stream(ctx context.Context, req agent.Request, delta func(agent.Delta)) (*agent.Reply, error) {
	if delta == nil {
		delta = func(agent.Delta) {}
	}
	reply, err := m.stream(ctx, m.params(req, true), delta)
	if api, ok := errors.AsType[*sdk.Error](err); ok && api.StatusCode == http.StatusBadRequest && strings.Contains(api.RawJSON(), "thinking") {
		// Reasoning is bound to all that stood before it, which may have been
		// edited, or masked in another way, since. The model can do without.
		reply, err = m.stream(ctx, m.params(req, false), delta)
	}
	if err != nil {
		return nil, m.failed(ctx, err)
	}
	return reply, nil
}

func (m *model) stream(ctx context.Context, params sdk.MessageNewParams, delta func(agent.Delta)) (*agent.Reply, error) {
	stream := m.messages.NewStreaming(ctx, params)
	defer stream.Close()
	message, inputs, err := receive(stream, delta)
	if err != nil {
		return nil, err
	}
	return m.reply(message, inputs, delta), nil
}

// receive puts a message together from its events, and the inputs of calls by the
// index of their block: the SDK empties those that are no JSON.
func receive(stream *ssestream.Stream[sdk.MessageStreamEventUnion], delta func(agent.Delta)) (*sdk.Message, map[int]string, error) {
	var message sdk.Message
	inputs := map[int]string{}
	for stream.Next() {
		event := stream.Current()
		if err := message.Accumulate(event); err != nil {
			return nil, nil, &garbled{err}
		}
		switch {
		case event.Type == "content_block_start" && event.ContentBlock.Type == "tool_use":
			delta(agent.Delta{Tool: event.ContentBlock.Name})
		case event.Type == "content_block_delta" && event.Delta.Type == "text_delta" && event.Delta.Text != "":
			delta(agent.Delta{Text: event.Delta.Text})
		case event.Type == "content_block_delta" && event.Delta.Type == "input_json_delta":
			inputs[int(event.Index)] += event.Delta.PartialJSON
		case event.Type == "message_stop":
			return &message, inputs, nil
		}
	}
	return nil, nil, cmp.Or(stream.Err(), io.ErrUnexpectedEOF)
}

// garbled says that the events of a stream are not those of a message.
type garbled struct{ error }

func (m *model) failed(ctx context.Context, err error) error {
	if api, ok := errors.AsType[*sdk.Error](err); ok {
		f := agent.Failure{Status: api.StatusCode, Kind: string(api.Type())}
		if api.Response != nil {
			f.Header = api.Response.Header
		}
		var body struct {
			Error struct {
				Message string `json:"message"`
			} `json:"error"`
		}
		if json.Unmarshal([]byte(api.RawJSON()), &body) == nil { // else it is a page of some proxy
			f.Message = body.Error.Message
		}
		if status, ok := statuses[f.Kind]; ok && f.Status < http.StatusBadRequest { // said in the middle of a stream
			f.Status = status
		}
		return m.endpoint.Failed(f)
	}
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return m.endpoint.Garbled(err)
	}
	if g, ok := errors.AsType[*garbled](err); ok {
		return m.endpoint.Garbled(g.error)
	}
	return m.endpoint.Broken(ctx, err)
}

// statuses are those that errors would have if they came instead of a stream.
var statuses = map[string]int{
	"overloaded_error": 529, "rate_limit_error": http.StatusTooManyRequests, "api_error": http.StatusInternalServerError,
	"timeout_error": http.StatusGatewayTimeout, "authentication_error": http.StatusUnauthorized, "permission_error": http.StatusForbidden,
	"billing_error": http.StatusPaymentRequired, "not_found_error": http.StatusNotFound, "invalid_request_error": http.StatusBadRequest,
}
