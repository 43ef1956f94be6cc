package duckdb

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/source"
)

// patience is how long a cancelled call waits for the engine to stop.
const patience = 700 * time.Millisecond

// outside runs do, which reads the inputs, as abandoning does where that takes a network.
func (s *Session) outside(ctx context.Context, inputs []engine.Input, do func() error) error {
	if !reachesOut(inputs) {
		return do()
	}
	return s.abandoning(ctx, do)
}

// abandoning runs do and leaves it behind where it does not end soon after ctx:
// the engine cannot interrupt a library that waits for a server. The session is
// of no more use then; it closes when the library gives up, which its own
// timeouts see to.
func (s *Session) abandoning(ctx context.Context, do func() error) error {
	ended := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				ended <- &kalla.Error{Code: kalla.CodeInternal, Op: "reading sources", Why: fmt.Sprint(p), Err: fmt.Errorf("%s", debug.Stack())}
			}
		}()
		ended <- do()
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
		s.left = ended
		return canceled(ctx, ctx.Err())
	}
}

// reachesOut reports whether an input is read over a network.
func reachesOut(inputs []engine.Input) bool {
	for _, in := range inputs {
		if t := in.Source.Type; t != source.File && t != source.SQLite {
			return true
		}
	}
	return false
}

// untilDone passes events on until ctx is done, and none after that: a call that
// was left behind has nobody to tell.
func untilDone(ctx context.Context, report func(kalla.Progress)) func(kalla.Progress) {
	var mu sync.Mutex
	return func(p kalla.Progress) {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() == nil {
			report(p)
		}
	}
}
