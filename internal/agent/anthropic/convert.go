package anthropic

import (
	"cmp"
	"encoding/json"
	"slices"

	sdk "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/packages/param"

	"kalla/internal/agent"
)

// params is a request as the API takes it. What stays the same comes first and
// is marked for the cache: the tools, the system prompt, and the conversation so far.
// Sampling, thinking and effort are left to the model: each refuses other settings of them.
// What it has reasoned since the person spoke last goes back to it, if that is wanted;
// what it reasoned before has served its purpose.
func (m *model) params(req agent.Request, reasoned bool) sdk.MessageNewParams {
	p := sdk.MessageNewParams{
		Model: m.endpoint.Model, MaxTokens: cmp.Or(int64(req.MaxTokens), defaultMaxTokens),
	}
	if req.System != "" {
		p.System = append(p.System, sdk.TextBlockParam{Text: req.System, CacheControl: sdk.NewCacheControlEphemeralParam()})
	}
	if req.Context != "" {
		p.System = append(p.System, sdk.TextBlockParam{Text: req.Context})
	}
	for _, t := range req.Tools {
		p.Tools = append(p.Tools, sdk.ToolUnionParam{OfTool: &sdk.ToolParam{
			Name: t.Name, Description: sdk.String(t.Description), InputSchema: param.Override[sdk.ToolInputSchemaParam](t.Schema),
		}})
	}
	if n := len(p.Tools); n > 0 {
		p.Tools[n-1].OfTool.CacheControl = sdk.NewCacheControlEphemeralParam()
	}
	turns := agent.Settled(req.Messages)
	spoke := len(turns) - 1
	for spoke >= 0 && !(turns[spoke].Role == agent.User && slices.ContainsFunc(turns[spoke].Parts, func(p agent.Part) bool { return p.Text != "" })) {
		spoke--
	}
	for i, turn := range turns {
		message := sdk.MessageParam{Role: sdk.MessageParamRole(turn.Role)}
		for _, part := range turn.Parts {
			if part.Opaque != nil && (!reasoned || i < spoke || part.Opaque.Model != m.endpoint.Model) {
				continue
			}
			message.Content = append(message.Content, block(part))
		}
		if len(message.Content) > 0 { // one may have been all reasoning
			p.Messages = append(p.Messages, message)
		}
	}
	if n := len(p.Messages); n > 0 {
		blocks := p.Messages[n-1].Content
		if mark := blocks[len(blocks)-1].GetCacheControl(); mark != nil {
			*mark = sdk.NewCacheControlEphemeralParam()
		}
	}
	return p
}

func block(p agent.Part) sdk.ContentBlockParamUnion {
	switch {
	case p.Call != nil:
		return sdk.NewToolUseBlock(p.Call.ID, input(p.Call.Input), p.Call.Name)
	case p.Result != nil:
		return sdk.NewToolResultBlock(p.Result.ID, cmp.Or(p.Result.Content, "done"), p.Result.IsError)
	case p.Opaque != nil:
		return param.Override[sdk.ContentBlockParamUnion](p.Opaque.Data)
	}
	return sdk.NewTextBlock(p.Text)
}

// input is that of a call, which the API takes back as an object only.
func input(written json.RawMessage) json.RawMessage {
	var object map[string]json.RawMessage
	if json.Unmarshal(written, &object) == nil && object != nil {
		return written
	}
	if !json.Valid(written) {
		written = agent.InputOf(string(written))
	}
	wrapped, _ := json.Marshal(map[string]json.RawMessage{"input": written}) // both parts encode
	return wrapped
}

// reply is a message as the API gave it.
func (m *model) reply(message *sdk.Message, inputs map[int]string, delta func(agent.Delta)) *agent.Reply {
	r := &agent.Reply{Message: agent.Message{Role: agent.Assistant}, Stop: agent.StopEnd, Usage: agent.Usage{
		Input: message.Usage.InputTokens, Output: message.Usage.OutputTokens,
		CacheRead: message.Usage.CacheReadInputTokens, CacheWrite: message.Usage.CacheCreationInputTokens,
	}}
	switch message.StopReason {
	case sdk.StopReasonToolUse:
		r.Stop = agent.StopTools
	case sdk.StopReasonMaxTokens, sdk.StopReasonModelContextWindowExceeded:
		r.Stop = agent.StopLength
	case sdk.StopReasonRefusal:
		r.Stop = agent.StopRefused
	}
	add := func(p agent.Part) { r.Message.Parts = append(r.Message.Parts, p) }
	for i, block := range message.Content {
		switch block.Type {
		case "text":
			if block.Text != "" {
				add(agent.Part{Text: block.Text})
			}
		case "tool_use":
			add(agent.Part{Call: &agent.ToolCall{ID: block.ID, Name: block.Name, Input: agent.InputOf(inputs[i])}})
		case "thinking", "redacted_thinking":
			add(agent.Part{Opaque: &agent.Opaque{Model: m.endpoint.Model, Data: json.RawMessage(block.RawJSON())}})
		}
	}
	if why := message.StopDetails.Explanation; r.Stop == agent.StopRefused && len(r.Message.Parts) == 0 && why != "" {
		add(agent.Part{Text: why})
		delta(agent.Delta{Text: why})
	}
	return r
}
