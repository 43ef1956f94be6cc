package testenv

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// messagesAPI is Anthropic's Messages API.
type messagesAPI struct{}

type messagesRequest struct {
	Model     string           `json:"model"`
	MaxTokens int              `json:"max_tokens"`
	Stream    bool             `json:"stream"`
	System    []messagesBlock  `json:"system"`
	Messages  []messagesTurn   `json:"messages"`
	Tools     []messagesTool   `json:"tools"`
	Sampling  *json.RawMessage `json:"temperature"`
}

type messagesTurn struct {
	Role    string          `json:"role"`
	Content []messagesBlock `json:"content"`
}

type messagesBlock struct {
	Type      string          `json:"type"`
	Text      string          `json:"text"`
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Input     json.RawMessage `json:"input"`
	ToolUseID string          `json:"tool_use_id"`
	IsError   bool            `json:"is_error"`
	Thinking  *string         `json:"thinking"`
	Signature string          `json:"signature"`
	Cache     *struct {
		Type string `json:"type"`
	} `json:"cache_control"`
}

type messagesTool struct {
	messagesBlock
	Description string `json:"description"`
	InputSchema struct {
		Type string `json:"type"`
	} `json:"input_schema"`
}

func (messagesAPI) key(r *http.Request) string { return r.Header.Get("X-Api-Key") }

func (messagesAPI) read(r *http.Request, body []byte) (asked, error) {
	var q asked
	var m messagesRequest
	if err := json.Unmarshal(body, &m); err != nil {
		return q, err
	}
	switch {
	case r.Header.Get("Anthropic-Version") == "":
		return q, errors.New("anthropic-version is missing")
	case m.Model == "" || m.MaxTokens <= 0 || !m.Stream:
		return q, errors.New("model, max_tokens or stream is missing")
	case m.Sampling != nil:
		return q, errors.New("the model takes no temperature")
	case len(m.Messages) == 0 || m.Messages[0].Role != "user" || m.Messages[len(m.Messages)-1].Role != "user":
		return q, errors.New("the conversation does not begin and end with the person")
	case len(m.System) > 0 && m.System[0].Cache == nil:
		return q, errors.New("the system prompt is not marked for the cache")
	case len(m.System) > 1 && m.System[1].Cache != nil:
		return q, errors.New("what changes is marked for the cache")
	case len(m.Tools) > 0 && m.Tools[len(m.Tools)-1].Cache == nil:
		return q, errors.New("the tools are not marked for the cache")
	}
	for _, b := range m.System {
		q.system += b.Text + "\n"
	}
	for _, t := range m.Tools {
		if t.Name == "" || t.Description == "" || t.InputSchema.Type != "object" {
			return q, fmt.Errorf("tool %q has no description, or no schema of an object", t.Name)
		}
		q.tools = append(q.tools, t.Name)
	}
	last := m.Messages[len(m.Messages)-1].Content
	if len(last) == 0 || last[len(last)-1].Cache == nil {
		return q, errors.New("the last message is not marked for the cache")
	}
	return q, q.readTurns(m.Messages)
}

// readTurns holds a conversation against the rules of the API.
func (q *asked) readTurns(turns []messagesTurn) error {
	names := map[string]string{} // of calls, by id
	open := map[string]bool{}
	for i, turn := range turns {
		if i > 0 && turns[i-1].Role == turn.Role {
			return fmt.Errorf("messages %d and %d are both of the %s", i-1, i, turn.Role)
		}
		if turn.Role == "user" {
			q.said, q.results, q.failed = "", nil, false
		}
		for _, b := range turn.Content {
			switch b.Type {
			case "text":
				if b.Text == "" {
					return fmt.Errorf("message %d has an empty text", i)
				}
				if turn.Role == "user" {
					q.said += b.Text
				}
			case "thinking":
				if b.Signature == "" || b.Thinking == nil {
					return fmt.Errorf("message %d: the thinking is not as it was given", i)
				}
			case "tool_use":
				var object map[string]any
				if json.Unmarshal(b.Input, &object) != nil || object == nil {
					return fmt.Errorf("message %d: the input of %s is no object", i, b.Name)
				}
				names[b.ID], open[b.ID] = b.Name, true
			case "tool_result":
				if !open[b.ToolUseID] || q.said != "" {
					return fmt.Errorf("message %d: result %s answers no call, or comes after text", i, b.ToolUseID)
				}
				delete(open, b.ToolUseID)
				q.results, q.failed = append(q.results, names[b.ToolUseID]), b.IsError
			}
		}
		if turn.Role == "user" && len(open) > 0 {
			return fmt.Errorf("message %d leaves calls without results", i)
		}
	}
	return nil
}

func (messagesAPI) fail(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(messagesError(kind, message))
}

func messagesError(kind, message string) map[string]any {
	return map[string]any{"type": "error", "error": map[string]any{"type": kind, "message": message}}
}

func (messagesAPI) stream(x Exchange, send func(string, any) bool) {
	type object = map[string]any
	if !send("message_start", object{"type": "message_start", "message": object{
		"id": "msg_" + unique(""), "type": "message", "role": "assistant", "model": "replayed", "content": []any{}, "stop_reason": nil,
		"usage": object{"input_tokens": x.Usage.Input, "cache_read_input_tokens": x.Usage.CacheRead, "cache_creation_input_tokens": x.Usage.CacheWrite, "output_tokens": 1},
	}}) || !send("ping", object{"type": "ping"}) {
		return
	}
	index := 0
	block := func(start object, deltas ...object) bool {
		if !send("content_block_start", object{"type": "content_block_start", "index": index, "content_block": start}) {
			return false
		}
		for _, d := range deltas {
			if !send("content_block_delta", object{"type": "content_block_delta", "index": index, "delta": d}) {
				return false
			}
		}
		index++
		return x.Cut && index == 1 || send("content_block_stop", object{"type": "content_block_stop", "index": index - 1})
	}
	if x.Think != "" && !block(object{"type": "thinking", "thinking": "", "signature": ""},
		object{"type": "thinking_delta", "thinking": x.Think}, object{"type": "signature_delta", "signature": "signed"}) {
		return
	}
	if x.Say != "" {
		var deltas []object
		for _, p := range pieces(x.Say) {
			deltas = append(deltas, object{"type": "text_delta", "text": p})
		}
		if !block(object{"type": "text", "text": ""}, deltas...) {
			return
		}
	}
	for i, c := range x.Calls {
		var deltas []object
		for _, p := range pieces(written(c.Input, c.Raw)) {
			deltas = append(deltas, object{"type": "input_json_delta", "partial_json": p})
		}
		if !block(object{"type": "tool_use", "id": "toolu_" + unique("") + strconv.Itoa(i), "name": c.Name, "input": object{}}, deltas...) {
			return
		}
	}
	switch {
	case x.Kind != "":
		send("error", messagesError(x.Kind, x.Message))
		return
	case x.Cut, x.Hang:
		return
	}
	stop := x.Stop
	if stop == "" {
		if stop = "end_turn"; len(x.Calls) > 0 {
			stop = "tool_use"
		}
	}
	end := object{"stop_reason": stop, "stop_sequence": nil}
	if x.Why != "" {
		end["stop_details"] = object{"type": "refusal", "category": "general_harms", "explanation": x.Why}
	}
	if send("message_delta", object{"type": "message_delta", "delta": end, "usage": object{"output_tokens": x.Usage.Output}}) {
		send("message_stop", object{"type": "message_stop"})
	}
}
