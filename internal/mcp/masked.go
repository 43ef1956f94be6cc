package mcp

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"

	"kalla/internal/agent"
)

// Masked is what a client adds to the address of the server (?values=masked)
// so that its model sees tokens in the place of the values of records.
const (
	maskedParam = "values"
	maskedValue = "masked"
)

// mostCallers bounds for how many callers tokens are kept at once.
const mostCallers = 256

type maskedKey struct{}

// asked notes in the context of a request whether its client asked for masked values.
func asked(r *http.Request) context.Context {
	return context.WithValue(r.Context(), maskedKey{}, r.URL.Query().Get(maskedParam) == maskedValue)
}

// veils are the tokens that callers have seen. They live as long as the process:
// a token that another process made is looked up in vain, and the tool says that
// there is no such record.
type veils struct {
	mu sync.Mutex
	of map[string]agent.Masks
}

// call calls a tool for a model that sees no values: what it gives may hold tokens, what it gets holds no others.
func (v *veils) call(ctx context.Context, caller string, t agent.Tool, input json.RawMessage) (any, error) {
	v.mu.Lock()
	masks := v.of[caller]
	if masks == nil {
		if len(v.of) >= mostCallers {
			clear(v.of)
		}
		masks = agent.Masks{}
		v.of[caller] = masks
	}
	input = masks.Unmask(input)
	v.mu.Unlock()
	out, err := t.Call(ctx, input)
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		return nil, agent.MaskError(err, masks)
	}
	return agent.Mask(out, masks, func(string) bool { return false }), nil
}
