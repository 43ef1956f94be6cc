package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"kalla"
)

// Unavailable says that a model may well answer the same request later: it is
// overloaded, the account has used up its share of the minute, or the network failed.
type Unavailable struct {
	After time.Duration // when it asks to be tried again; 0 where it does not say
	Err   error
}

// Error is that of the cause.
func (u *Unavailable) Error() string { return u.Err.Error() }

// Unwrap returns the cause.
func (u *Unavailable) Unwrap() error { return u.Err }

// RetryAfter is when it asks to be tried again; 0 means soon.
func (u *Unavailable) RetryAfter() time.Duration { return u.After }

// RetryAfterOf reads when a server asks to be tried again, 0 where it does not say.
func RetryAfterOf(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(v); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// ErrSilent is why a stream ends that neither goes on nor closes.
var ErrSilent = errors.New("nothing has come for too long")

// Watch makes a body fail with ErrSilent when a read waits longer than the
// patience. A model may think for minutes, but its server says that it is there.
func Watch(body io.ReadCloser, patience time.Duration) io.ReadCloser {
	w := &watched{body: body, patience: patience}
	w.timer = time.AfterFunc(patience, func() {
		w.silent.Store(true)
		body.Close() // ends the read
	})
	return w
}

type watched struct {
	body     io.ReadCloser
	patience time.Duration
	timer    *time.Timer
	silent   atomic.Bool
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.body.Read(p)
	switch {
	case err == nil:
		w.timer.Reset(w.patience)
	case w.silent.Load():
		err = ErrSilent
	}
	return n, err
}

func (w *watched) Close() error {
	w.timer.Stop()
	return w.body.Close()
}

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

// Canceled is the error of a conversation with a model that was given up.
func Canceled(ctx context.Context, m ModelInfo) error {
	return &kalla.Error{Code: kalla.CodeCanceled, Op: Asking, Where: m.Model, Why: "cancelled", Err: ctx.Err()}
}

// Asking is the Op of errors of models.
const Asking = "asking the language model"
