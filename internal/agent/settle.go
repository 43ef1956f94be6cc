package agent

import (
	"encoding/json"
	"slices"
	"strings"
)

// Settled is a conversation as providers take it: no empty parts, the two sides
// in turn, and each call answered right after it, once. A call without a result,
// because the person stopped or the program ended, is answered as one that was
// not run; a result that answers nothing is left out.
func Settled(messages []Message) []Message {
	var turns []Message
	for _, m := range messages {
		parts := slices.DeleteFunc(slices.Clone(m.Parts), func(p Part) bool {
			return p.Call == nil && p.Result == nil && p.Opaque == nil && strings.TrimSpace(p.Text) == ""
		})
		if last := len(turns) - 1; last >= 0 && turns[last].Role == m.Role {
			turns[last].Parts = append(turns[last].Parts, parts...)
		} else if len(parts) > 0 {
			turns = append(turns, Message{m.Role, parts})
		}
	}
	var out []Message
	var open []string // calls of the turn before
	for _, m := range turns {
		if m.Role == Assistant {
			open = nil
			for _, p := range m.Parts {
				if p.Call != nil {
					open = append(open, p.Call.ID)
				}
			}
			out = append(out, m)
			continue
		}
		var results, said []Part
		for _, p := range m.Parts {
			if p.Result == nil {
				said = append(said, p)
			} else if i := slices.Index(open, p.Result.ID); i >= 0 {
				open = slices.Delete(open, i, i+1)
				results = append(results, p)
			}
		}
		if parts := slices.Concat(results, unanswered(open), said); len(parts) > 0 {
			out = append(out, Message{User, parts})
		}
		open = nil
	}
	if len(open) > 0 {
		out = append(out, Message{User, unanswered(open)})
	}
	return out
}

func unanswered(ids []string) []Part {
	parts := make([]Part, len(ids))
	for i, id := range ids {
		parts[i] = Part{Result: &ToolResult{ID: id, IsError: true, Content: "The call was not run: the conversation was interrupted."}}
	}
	return parts
}

// InputOf is what a model wrote as the input of a call, as JSON: an empty text
// is an empty object, and a text that is no JSON a JSON string, which fits no
// schema of a tool, so that the model is told.
func InputOf(written string) json.RawMessage {
	switch text := strings.TrimSpace(written); {
	case text == "":
		return json.RawMessage("{}")
	case json.Valid([]byte(text)):
		return json.RawMessage(text)
	}
	quoted, _ := json.Marshal(written) // a string always encodes
	return quoted
}
