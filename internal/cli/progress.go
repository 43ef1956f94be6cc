package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"kalla"
)

// progress shows the events of a run on stderr.
type progress interface {
	report(kalla.Progress)
	// end leaves the screen as it should stay; ok tells whether the run went well.
	end(ok bool)
}

// newProgress chooses bars for a terminal, lines elsewhere, nothing when quiet.
func (c *command) newProgress(quiet bool) progress {
	switch {
	case quiet:
		return silent{}
	case c.env.StderrTerminal:
		return newBars(c.env.Stderr, c.env.Now, c.palette(true), c.env.Width)
	}
	return &stageLines{w: c.env.Stderr}
}

type silent struct{}

func (silent) report(kalla.Progress) {}
func (silent) end(bool)              {}

// stageLines prints one plain line when a stage begins.
type stageLines struct {
	mu    sync.Mutex
	w     io.Writer
	stage kalla.Stage
}

func (l *stageLines) report(e kalla.Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Stage == l.stage {
		return
	}
	l.stage = e.Stage
	fmt.Fprintf(l.w, "kalla: %s\n", e.Stage)
}

func (*stageLines) end(bool) {}

// logged passes events on and writes them to the log.
type logged struct {
	progress
	log *slog.Logger
}

func (l logged) report(e kalla.Progress) {
	l.log.LogAttrs(context.Background(), slog.LevelDebug, "progress",
		slog.String("stage", string(e.Stage)), slog.String("step", e.Step), slog.Float64("fraction", e.Fraction),
		slog.String("source", e.Source), slog.Int64("rows", e.Rows))
	l.progress.report(e)
}

// barScale is the total of a bar: mpb counts integers, stages count shares.
const barScale = 1000

// bars draws one bar a stage.
type bars struct {
	mu      sync.Mutex
	out     *mpb.Progress
	w       io.Writer
	now     func() time.Time
	palette palette
	current *stageBar
	done    bool
}

// stageBar is the bar of one stage; its decorators run on mpb's goroutine.
type stageBar struct {
	bar     *mpb.Bar
	stage   kalla.Stage
	started time.Time

	mu       sync.Mutex
	step     string
	rows     int64
	since    time.Time // when this step began, for the rate
	fraction float64
	took     time.Duration // set when the stage is over
}

func newBars(w io.Writer, now func() time.Time, p palette, termWidth int) *bars {
	cells := 28
	if termWidth > 0 && termWidth < 110 {
		cells = 16
	}
	return &bars{w: w, now: now, palette: p, out: mpb.New(mpb.WithOutput(w), mpb.WithWidth(cells), mpb.WithRefreshRate(100*time.Millisecond), mpb.WithAutoRefresh())}
}

func (b *bars) report(e kalla.Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return
	}
	if b.current == nil || b.current.stage != e.Stage {
		b.finish()
		b.current = b.add(e.Stage)
	}
	b.current.update(e, b.now())
	// The last step is for finish: a full bar would vanish from mpb's refresh.
	b.current.bar.SetCurrent(int64(min(e.Fraction, 0.999) * barScale))
}

func (b *bars) add(stage kalla.Stage) *stageBar {
	s := &stageBar{stage: stage, started: b.now(), since: b.now()}
	s.bar = b.out.New(barScale,
		mpb.BarStyle().Lbound("").Filler("█").Tip("█").Padding("·").Rbound(""),
		mpb.PrependDecorators(decor.Name("  "+string(stage), decor.WC{W: 12, C: decor.DindentRight})),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return s.note(b.now(), b.palette) })),
	)
	return s
}

func (b *bars) finish() {
	if s := b.current; s != nil {
		s.mu.Lock()
		s.took = b.now().Sub(s.started)
		s.mu.Unlock()
		s.bar.SetCurrent(barScale)
	}
}

func (b *bars) end(ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return
	}
	b.done = true
	if ok {
		b.finish()
	} else if b.current != nil {
		b.current.bar.Abort(false)
	}
	b.out.Wait()
	if b.current != nil {
		fmt.Fprintln(b.w)
	}
}

func (s *stageBar) update(e kalla.Progress, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	step := e.Step
	if step == "" && e.Source != "" {
		step = "reading " + e.Source
	}
	if step != s.step {
		s.step, s.since = step, now
	}
	s.rows, s.fraction = e.Rows, e.Fraction
}

// note is what stands behind a bar: share, step, rows a second, time left.
func (s *stageBar) note(now time.Time, p palette) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.took > 0 {
		return "  " + p.good("✓") + " " + duration(s.took.Milliseconds())
	}
	text := fmt.Sprintf(" %3d %%  %s", int(s.fraction*100), name(s.step))
	if seconds := now.Sub(s.since).Seconds(); s.rows > 0 && seconds > 0.2 {
		text += "  " + number(int64(float64(s.rows)/seconds)) + " rows/s"
	}
	if spent := now.Sub(s.started); s.fraction > 0.02 && spent > time.Second {
		left := time.Duration(float64(spent) * (1 - s.fraction) / s.fraction)
		text += "  " + duration(max(time.Second, left.Round(time.Second)).Milliseconds()) + " left"
	}
	return text
}
