package openai

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"

	"kalla/internal/agent"
)

const (
	maxLine   = 4 << 20  // bytes of one event
	maxAnswer = 32 << 20 // bytes of one that is not streamed
)

// chunk is an event of a stream, or a whole answer, whose choices have a message instead of a delta.
type chunk struct {
	problem
	Choices []struct {
		Delta        piece  `json:"delta"`
		Message      piece  `json:"message"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
	Usage *struct {
		Prompt     int64 `json:"prompt_tokens"`
		Completion int64 `json:"completion_tokens"`
		Details    struct {
			Cached int64 `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	} `json:"usage"`
}

type piece struct {
	Content   string `json:"content"`
	Refusal   string `json:"refusal"`
	ToolCalls []struct {
		Index    *int         `json:"index"` // some servers leave it out and send each call whole
		ID       string       `json:"id"`
		Function chatFunction `json:"function"`
	} `json:"tool_calls"`
}

// answer is put together from chunks.
type answer struct {
	text    strings.Builder
	calls   []*call
	finish  string
	refused bool
	usage   agent.Usage

	failure *agent.Failure // told in the middle of the stream
	garbled bool
}

type call struct {
	index     int
	id, name  string
	arguments strings.Builder
}

// stream reads server-sent events until the end that the API marks.
func (a *answer) stream(body io.Reader, delta func(agent.Delta)) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data:"))
		if !ok {
			continue // a comment, or a field that the API does not use
		}
		data = bytes.TrimSpace(data)
		if string(data) == "[DONE]" {
			return nil
		}
		if err := a.chunk(data, delta); err != nil {
			return err
		}
	}
	switch {
	case errors.Is(lines.Err(), bufio.ErrTooLong):
		a.garbled = true
		return lines.Err()
	case lines.Err() != nil:
		return lines.Err()
	case a.finish != "": // servers that end without the mark
		return nil
	}
	return io.ErrUnexpectedEOF
}

// whole reads an answer that is not streamed.
func (a *answer) whole(body io.Reader, delta func(agent.Delta)) error {
	data, err := io.ReadAll(io.LimitReader(body, maxAnswer))
	if err != nil {
		return err
	}
	if err := a.chunk(data, delta); err != nil {
		return err
	}
	if a.finish == "" {
		a.garbled = true
		return errors.New("it has no choices")
	}
	return nil
}

func (a *answer) chunk(data []byte, delta func(agent.Delta)) error {
	var c chunk
	if err := json.Unmarshal(data, &c); err != nil {
		a.garbled = true
		return err
	}
	if kind, message := c.read(); message != "" {
		a.failure = &agent.Failure{Status: 500, Kind: kind, Message: message}
		return errors.New(message)
	}
	if c.Usage != nil {
		a.usage = agent.Usage{Input: c.Usage.Prompt - c.Usage.Details.Cached, CacheRead: c.Usage.Details.Cached, Output: c.Usage.Completion}
	}
	if len(c.Choices) == 0 {
		return nil
	}
	choice := c.Choices[0]
	if choice.FinishReason != "" {
		a.finish = choice.FinishReason
	}
	for _, p := range []piece{choice.Delta, choice.Message} {
		a.refused = a.refused || p.Refusal != ""
		if text := p.Content + p.Refusal; text != "" {
			a.text.WriteString(text)
			delta(agent.Delta{Text: text})
		}
		for _, t := range p.ToolCalls {
			at := a.call(t.Index, t.ID)
			if at.name == "" && t.Function.Name != "" {
				at.name = t.Function.Name
				delta(agent.Delta{Tool: at.name})
			}
			at.arguments.WriteString(t.Function.Arguments)
		}
	}
	return nil
}

// call finds the call that a fragment is of, or begins it.
func (a *answer) call(index *int, id string) *call {
	for _, c := range a.calls {
		if index != nil && c.index == *index && (id == "" || c.id == id) {
			return c
		}
	}
	if index == nil && id == "" && len(a.calls) > 0 {
		return a.calls[len(a.calls)-1]
	}
	c := &call{index: len(a.calls), id: id}
	if index != nil {
		c.index = *index
	}
	if id == "" { // results are told apart by it
		c.id = "call_" + strconv.Itoa(len(a.calls)+1)
	}
	a.calls = append(a.calls, c)
	return c
}

func (a *answer) reply() *agent.Reply {
	r := &agent.Reply{Message: agent.Message{Role: agent.Assistant}, Stop: agent.StopEnd, Usage: a.usage}
	if a.text.Len() > 0 {
		r.Message.Parts = append(r.Message.Parts, agent.Part{Text: a.text.String()})
	}
	for _, c := range a.calls {
		r.Message.Parts = append(r.Message.Parts, agent.Part{Call: &agent.ToolCall{ID: c.id, Name: c.name, Input: agent.InputOf(c.arguments.String())}})
	}
	switch {
	case a.refused, a.finish == "content_filter":
		r.Stop = agent.StopRefused
	case a.finish == "length":
		r.Stop = agent.StopLength
	case len(a.calls) > 0: // whatever the server calls it
		r.Stop = agent.StopTools
	}
	return r
}
