package testenv

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// chatAPI is the chat-completions API.
type chatAPI struct{}

type chatRequest struct {
	Model    string `json:"model"`
	Stream   bool   `json:"stream"`
	Messages []struct {
		Role      string  `json:"role"`
		Content   *string `json:"content"`
		ToolCalls []struct {
			ID       string `json:"id"`
			Function struct {
				Name      string `json:"name"`
				Arguments string `json:"arguments"`
			} `json:"function"`
		} `json:"tool_calls"`
		ToolCallID string `json:"tool_call_id"`
	} `json:"messages"`
	Tools []struct {
		Type     string `json:"type"`
		Function struct {
			Name       string `json:"name"`
			Parameters struct {
				Type string `json:"type"`
			} `json:"parameters"`
		} `json:"function"`
	} `json:"tools"`
}

func (chatAPI) key(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

func (chatAPI) read(_ *http.Request, body []byte) (asked, error) {
	var q asked
	var c chatRequest
	if err := json.Unmarshal(body, &c); err != nil {
		return q, err
	}
	if c.Model == "" || !c.Stream || len(c.Messages) == 0 {
		return q, errors.New("model, stream or messages is missing")
	}
	for _, t := range c.Tools {
		if t.Type != "function" || t.Function.Name == "" || t.Function.Parameters.Type != "object" {
			return q, fmt.Errorf("tool %q is no function, or has no schema of an object", t.Function.Name)
		}
		q.tools = append(q.tools, t.Function.Name)
	}
	names, open := map[string]string{}, 0
	for i, m := range c.Messages {
		content := ""
		if m.Content != nil {
			content = *m.Content
		}
		if m.Role != "tool" && open > 0 {
			return q, fmt.Errorf("message %d comes before the results of all calls", i)
		}
		switch m.Role {
		case "system":
			q.system += content
		case "user":
			q.said += content
		case "assistant":
			q.said, q.results, q.failed = "", nil, false
			for _, call := range m.ToolCalls {
				names[call.ID] = call.Function.Name
				open++
			}
		case "tool":
			if names[m.ToolCallID] == "" {
				return q, fmt.Errorf("message %d answers no call", i)
			}
			open--
			q.results, q.failed = append(q.results, names[m.ToolCallID]), strings.HasPrefix(content, "Error: ")
		}
	}
	return q, nil
}

func (chatAPI) fail(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"message": message, "type": kind}})
}

func (chatAPI) stream(x Exchange, send func(string, any) bool) {
	type object = map[string]any
	piece := func(delta object) bool {
		return send("", object{"object": "chat.completion.chunk", "choices": []object{{"index": 0, "delta": delta, "finish_reason": nil}}})
	}
	if !piece(object{"role": "assistant", "content": ""}) {
		return
	}
	said := "content"
	if x.Stop == "refusal" {
		said = "refusal"
	}
	for _, p := range pieces(x.Say + x.Why) {
		if p != "" && !piece(object{said: p}) {
			return
		}
	}
	for i, c := range x.Calls {
		if !piece(object{"tool_calls": []object{{"index": i, "id": "call_" + strconv.Itoa(i) + unique(""), "type": "function", "function": object{"name": c.Name, "arguments": ""}}}}) {
			return
		}
		for _, p := range pieces(written(c.Input, c.Raw)) {
			if !piece(object{"tool_calls": []object{{"index": i, "function": object{"arguments": p}}}}) {
				return
			}
		}
	}
	switch {
	case x.Kind != "":
		send("", object{"error": object{"message": x.Message, "type": x.Kind}})
		return
	case x.Cut, x.Hang:
		return
	}
	finish := map[string]string{"max_tokens": "length", "refusal": "stop", "": "stop"}[x.Stop]
	if x.Stop == "" && len(x.Calls) > 0 {
		finish = "tool_calls"
	}
	send("", object{"choices": []object{{"index": 0, "delta": object{}, "finish_reason": finish}}})
	send("", object{"choices": []object{}, "usage": object{
		"prompt_tokens": x.Usage.Input + x.Usage.CacheRead + x.Usage.CacheWrite, "completion_tokens": x.Usage.Output,
		"prompt_tokens_details": object{"cached_tokens": x.Usage.CacheRead},
	}})
	send("", "[DONE]")
}
