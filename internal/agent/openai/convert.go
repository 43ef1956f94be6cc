package openai

import (
	"cmp"
	"encoding/json"
	"strings"

	"kalla/internal/agent"
)

type chatRequest struct {
	Model               string        `json:"model"`
	Messages            []chatMessage `json:"messages"`
	Tools               []chatTool    `json:"tools,omitempty"`
	Stream              bool          `json:"stream"`
	StreamOptions       streamOptions `json:"stream_options"`
	MaxTokens           int           `json:"max_tokens,omitempty"`
	MaxCompletionTokens int           `json:"max_completion_tokens,omitempty"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

type chatMessage struct {
	Role       string     `json:"role"`
	Content    *string    `json:"content"` // null beside calls
	ToolCalls  []chatCall `json:"tool_calls,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"`
}

type chatCall struct {
	ID       string       `json:"id"`
	Type     string       `json:"type"`
	Function chatFunction `json:"function"`
}

type chatFunction struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type chatTool struct {
	Type     string `json:"type"`
	Function struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Parameters  json.RawMessage `json:"parameters"`
	} `json:"function"`
}

// request is a conversation as the API takes it, without a limit of tokens.
// What stays the same comes first, for the caches that servers keep by themselves.
func request(model string, req agent.Request) chatRequest {
	r := chatRequest{Model: model, Stream: true, StreamOptions: streamOptions{IncludeUsage: true}}
	if system := strings.Trim(req.System+"\n\n"+req.Context, "\n"); system != "" {
		r.Messages = append(r.Messages, chatMessage{Role: "system", Content: &system})
	}
	for _, t := range req.Tools {
		tool := chatTool{Type: "function"}
		tool.Function.Name, tool.Function.Description, tool.Function.Parameters = t.Name, t.Description, t.Schema
		r.Tools = append(r.Tools, tool)
	}
	for _, turn := range agent.Settled(req.Messages) {
		r.Messages = append(r.Messages, messages(turn)...)
	}
	return r
}

// messages are those of a turn: each result is one of its own, and comes first.
func messages(turn agent.Message) []chatMessage {
	var out []chatMessage
	var said []string
	var calls []chatCall
	for _, p := range turn.Parts {
		switch {
		case p.Result != nil:
			content := cmp.Or(p.Result.Content, "done")
			if p.Result.IsError { // which the API has no field for
				content = "Error: " + content
			}
			out = append(out, chatMessage{Role: "tool", ToolCallID: p.Result.ID, Content: &content})
		case p.Call != nil:
			calls = append(calls, chatCall{ID: p.Call.ID, Type: "function", Function: chatFunction{p.Call.Name, string(p.Call.Input)}})
		case p.Text != "":
			said = append(said, p.Text)
		}
	}
	if len(said) == 0 && len(calls) == 0 {
		return out
	}
	m := chatMessage{Role: string(turn.Role), ToolCalls: calls}
	if text := strings.Join(said, "\n\n"); text != "" {
		m.Content = &text
	}
	return append(out, m)
}
