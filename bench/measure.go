package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"time"

	"kalla/internal/demo"
)

// sample is what one process took.
type sample struct {
	Wall float64 `json:"wall_s"`
	CPU  float64 `json:"cpu_s"`
	RSS  int64   `json:"peak_rss_bytes"` // 0 where the system does not say
}

func (s sample) of(m measure) float64 {
	switch m {
	case cpu:
		return s.CPU
	case rss:
		return float64(s.RSS)
	}
	return s.Wall
}

// measure runs the contenders of a workload in turn, A B A B, after a round
// that warms the page cache and whose results are checked.
func (b *bench) measure(ctx context.Context, w workload) (workloadReport, error) {
	truths := map[string]demo.Truth{}
	for _, c := range w.contenders {
		truth, err := b.data(ctx, c.data)
		if err != nil {
			return workloadReport{}, err
		}
		truths[c.data.name] = truth
		if c.postgres {
			if err := b.load(ctx, c.data); err != nil {
				return workloadReport{}, err
			}
		}
	}
	r := workloadReport{Name: w.name, What: w.what, Bars: w.bars, LoadBefore: loadAverage()}
	for _, c := range w.contenders {
		if c.job && b.scheduler == nil {
			var env []string
			if c.postgres {
				var err error
				if env, err = b.postgresEnv(c.data); err != nil {
					return workloadReport{}, err
				}
			}
			if err := b.startService(ctx, c, env); err != nil {
				return workloadReport{}, err
			}
			defer func() { b.scheduler.stop(); b.scheduler = nil }()
		}
		for range c.warmUps() {
			b.logf("%s: %s: warming up", w.name, c.name)
			if _, err := b.runOnce(ctx, c, truths[c.data.name]); err != nil {
				return workloadReport{}, err
			}
		}
		if err := b.verify(ctx, c); err != nil {
			return workloadReport{}, err
		}
		t := truths[c.data.name]
		r.Contenders = append(r.Contenders, contenderReport{Name: c.name, Rows: t.Left.Total + t.Right.Total, Matches: t.Matches})
	}
	for n := range b.pairs {
		for i, c := range w.contenders {
			s, err := b.runOnce(ctx, c, truths[c.data.name])
			if err != nil {
				return workloadReport{}, err
			}
			b.logf("%s: %d/%d %s: %.2f s, %.2f s CPU, %d MB", w.name, n+1, b.pairs, c.name, s.Wall, s.CPU, s.RSS>>20)
			r.Contenders[i].Samples = append(r.Contenders[i].Samples, s)
		}
	}
	r.LoadAfter = loadAverage()
	return r, nil
}

// data generates a data set, unless it is there from an earlier run.
func (b *bench) data(ctx context.Context, d dataset) (demo.Truth, error) {
	type stamp struct {
		Config demo.Config
		Truth  demo.Truth
	}
	dir := filepath.Join(b.dir, d.name)
	file := filepath.Join(dir, "generated.json")
	if text, err := os.ReadFile(file); err == nil {
		var s stamp
		if json.Unmarshal(text, &s) == nil && reflect.DeepEqual(s.Config, d.cfg) {
			return s.Truth, nil
		}
	}
	b.logf("generating %s", d.name)
	if err := os.RemoveAll(dir); err != nil {
		return demo.Truth{}, err
	}
	truth, err := demo.Generate(ctx, d.cfg, dir)
	if err != nil {
		return demo.Truth{}, err
	}
	text, err := json.Marshal(stamp{d.cfg, truth})
	if err != nil {
		return demo.Truth{}, err
	}
	return truth, os.WriteFile(file, text, 0o644)
}

// out is the folder that a contender writes its results to.
func (b *bench) out(c contender) string { return filepath.Join(b.dir, "out", c.name) }

// command returns the process of a contender.
func (b *bench) command(ctx context.Context, c contender) (*exec.Cmd, error) {
	data, out := filepath.Join(b.dir, c.data.name), b.out(c)
	var cmd *exec.Cmd
	env := os.Environ()
	if c.script != "" {
		cmd = exec.CommandContext(ctx, b.self, "plain", c.script)
		env = append(env, "LEFT="+filepath.Join(data, demo.InvoicesFile), "RIGHT="+filepath.Join(data, demo.PaymentsFile), "OUT="+out)
	} else {
		args := []string{"run", filepath.Join(data, demo.RecipeFile), "--out", out, "--format", "json", "--quiet"}
		if c.postgres {
			args = append(args, "--left", "${KALLA_BENCH_LEFT}", "--right", "${KALLA_BENCH_RIGHT}")
		}
		cmd = exec.CommandContext(ctx, b.kalla, append(args, c.flags...)...)
	}
	if c.postgres {
		more, err := b.postgresEnv(c.data)
		if err != nil {
			return nil, err
		}
		env = append(env, more...)
	}
	cmd.Env = env
	cmd.Dir = filepath.Join(b.dir, "out")
	return cmd, nil
}

// runOnce runs a contender into an empty folder. What Kalla says it found is
// compared with the truth every time.
func (b *bench) runOnce(ctx context.Context, c contender, truth demo.Truth) (sample, error) {
	if c.job {
		return b.submit(ctx, b.scheduler, c, truth)
	}
	out := b.out(c)
	if err := os.RemoveAll(out); err != nil {
		return sample{}, err
	}
	made := filepath.Dir(out)
	if c.script != "" { // Kalla makes its folder itself
		made = out
	}
	if err := os.MkdirAll(made, 0o755); err != nil {
		return sample{}, err
	}
	cmd, err := b.command(ctx, c)
	if err != nil {
		return sample{}, err
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err = cmd.Run()
	took := time.Since(start)
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w\n%s", c.name, err, stderr.String())
	}
	if c.script == "" {
		var found struct{ Matches, Pairs int64 }
		if err := json.Unmarshal(stdout.Bytes(), &found); err != nil {
			return sample{}, fmt.Errorf("%s: reading its summary: %w", c.name, err)
		}
		if found.Matches != truth.Matches || found.Pairs != truth.Pairs {
			return sample{}, fmt.Errorf("%s: found %d matches and %d pairs, there are %d and %d",
				c.name, found.Matches, found.Pairs, truth.Matches, truth.Pairs)
		}
	}
	state := cmd.ProcessState
	return sample{
		Wall: took.Seconds(), CPU: (state.UserTime() + state.SystemTime()).Seconds(), RSS: peakRSS(state),
	}, nil
}

// verify compares the files that a contender wrote with the truth, record by record.
func (b *bench) verify(ctx context.Context, c contender) error {
	left, right := "left_invoice_id", "right_payment_id"
	if c.script != "" {
		left, right = "invoice_id", "payment_id"
	}
	cmd := exec.CommandContext(ctx, b.self, "check", filepath.Join(b.dir, c.data.name, demo.TruthFile), b.out(c), left, right)
	if text, err := cmd.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("%s: its results are not the truth", c.name), errors.New(string(bytes.TrimSpace(text))))
	}
	return nil
}
