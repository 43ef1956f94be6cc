package agent

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	attempts = 4
	// longestPause is for how long a person in front of the page is kept waiting
	// without being told; a model that asks for more is given up, with its error.
	longestPause = 20 * time.Second
)

// WithRetries is a model that is asked again when it is not available, as long
// as nothing of its answer has been told: after a pause that grows, or the one it asks for.
func WithRetries(m Model) Model { return patient{m} }

type patient struct{ Model }

func (p patient) Stream(ctx context.Context, req Request, delta func(Delta)) (*Reply, error) {
	pause := 500 * time.Millisecond
	for attempt := 1; ; attempt++ {
		told := false
		reply, err := p.Model.Stream(ctx, req, func(d Delta) {
			told = true
			if delta != nil {
				delta(d)
			}
		})
		var again interface{ RetryAfter() time.Duration }
		if err == nil || told || attempt == attempts || !errors.As(err, &again) {
			return reply, err
		}
		wait := again.RetryAfter()
		if wait == 0 {
			wait = pause/2 + rand.N(pause) // so that many do not come back at once
			pause *= 2
		}
		if wait > longestPause {
			return nil, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, Endpoint{Model: p.Info().Model}.canceled(ctx)
		case <-timer.C:
		}
	}
}
