package callback

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"kalla"
	"kalla/internal/job"
)

const (
	progressEvery   = 250 * time.Millisecond // between two of one stage
	progressBackoff = 10 * time.Second       // at most, after failures
)

var stages = []kalla.Stage{kalla.StageStaging, kalla.StageMatching, kalla.StageEvidence}

// Progress tells a client how one attempt of a run goes: what is newest, as
// often as is useful, one request at a time, and never what is older than what
// was told. What cannot be delivered is left out.
type Progress struct {
	client  *Client
	ctx     context.Context
	url     string
	runID   string
	attempt int

	closing chan struct{}
	once    sync.Once
	done    chan struct{}
	changed chan struct{} // holds one token when next was set

	mu    sync.Mutex
	next  *job.Progress // what is to be told, nil if nothing is new
	last  job.Progress  // the newest that was sent here
	rates map[string]rate
}

// rate is up to where the rows of a source were counted.
type rate struct {
	rows int64
	at   time.Time
}

// Start makes a sender for one attempt of a run, below the client's callback_url.
// It has to be closed. The context ends a request that is under way, and the sender.
func Start(ctx context.Context, client *Client, baseURL, runID string, attempt int) *Progress {
	p := &Progress{
		client: client, ctx: ctx, url: URL(baseURL, "progress"), runID: runID, attempt: attempt,
		closing: make(chan struct{}), done: make(chan struct{}), changed: make(chan struct{}, 1), rates: map[string]rate{},
	}
	go p.run()
	return p
}

// Send takes the newest progress and returns at once. RunID and Attempt, which
// may grow, are filled in, RowsPerSecond too where Rows tells it. Within a stage the fraction
// never goes back; what belongs to an earlier stage is dropped.
func (p *Progress) Send(next job.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stage := slices.Index(stages, next.Stage)
	if stage < 0 || stage < slices.Index(stages, p.last.Stage) {
		return
	}
	floor := 0.0
	if next.Stage == p.last.Stage {
		floor = p.last.Progress
	} else {
		clear(p.rates)
	}
	next.RunID, next.Attempt, next.Progress = p.runID, max(next.Attempt, p.attempt), min(max(next.Progress, floor), 1)
	if _, ok := p.rates[next.Source]; !ok && next.Rows > 0 {
		p.rates[next.Source] = rate{next.Rows, time.Now()}
	}
	p.last, p.next = next, &next
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// Close drops what is not told yet, and returns when no request is under way.
// It may be called again, and Send after it does nothing.
func (p *Progress) Close() {
	p.once.Do(func() { close(p.closing) })
	<-p.done
}

func (p *Progress) run() {
	defer close(p.done)
	var (
		told    kalla.Stage // the stage of the last request
		earlier time.Time   // of the next one
		backoff time.Duration
	)
	// An attempt that was interrupted is made again under its number: its keys are others.
	key := fmt.Sprintf("%s.%d.progress.%d", p.runID, p.attempt, time.Now().UnixMilli())
	for n := 1; p.wait(earlier, told, backoff > 0); n++ {
		next := p.take()
		err := p.client.Post(p.ctx, p.url, fmt.Sprintf("%s.%d", key, n), next)
		told, earlier = next.Stage, time.Now().Add(progressEvery)
		if err == nil {
			backoff = 0
			continue
		}
		p.client.log.Debug("progress not delivered", "run_id", p.runID, "error", err)
		backoff = min(max(2*backoff, progressEvery), progressBackoff)
		if o, ok := errors.AsType[*outcome](err); ok {
			if o.permanent { // or so it says; a receiver that is replaced may
				backoff = progressBackoff
			}
			earlier = time.Now().Add(max(backoff, o.retryAfter))
		}
	}
}

// wait returns true when there is something to tell and it may be told: not
// before a time, or at once if it is a stage that was not told yet and the
// receiver is not failing. It returns false when nothing more is to be told.
func (p *Progress) wait(until time.Time, told kalla.Stage, failing bool) bool {
	for {
		select { // first, since below any of those that are ready is taken
		case <-p.ctx.Done():
			return false
		case <-p.closing:
			return false
		default:
		}
		var due <-chan time.Time
		if stage, ok := p.pending(); ok {
			left := time.Until(until)
			if left <= 0 || stage != told && !failing {
				return true
			}
			due = time.After(left)
		}
		select {
		case <-p.ctx.Done():
			return false
		case <-p.closing:
			return false
		case <-p.changed:
		case <-due:
		}
	}
}

// pending returns the stage of what is to be told, if anything is.
func (p *Progress) pending() (kalla.Stage, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == nil {
		return "", false
	}
	return p.next.Stage, true
}

// take returns what is to be told, with the rows per second since the last
// time that its source was.
func (p *Progress) take() job.Progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	next, now := *p.next, time.Now()
	p.next = nil
	if r, ok := p.rates[next.Source]; ok && next.Rows > 0 {
		if ms := now.Sub(r.at).Milliseconds(); ms > 0 {
			if perSecond := (next.Rows - r.rows) * 1000 / ms; next.RowsPerSecond == nil && perSecond >= 0 {
				next.RowsPerSecond = &perSecond
			}
			p.rates[next.Source] = rate{next.Rows, now}
		}
	}
	return next
}
