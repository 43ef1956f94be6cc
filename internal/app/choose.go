package app

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"time"

	"kalla"
	"kalla/internal/machine"
)

// What one machine does well, in multiples of what a job may use of it. The
// embedded engine spills, so it is not memory that ends it, but time and disk.
const (
	memoryShare = 4 // sources of so many times the memory
	diskShare   = 3 // spilling and evidence take so many times the sources
)

// choice is the engine of a run.
type choice struct {
	cluster bool
	why     string // empty where there was none to make
}

// choose picks the engine. One machine does all but the largest jobs sooner than
// a cluster; a cluster is for what does not fit it. Its executors are waited for:
// they may be starting, as after the scheduler was.
func (r *run) choose(ctx context.Context, patience time.Duration) (choice, error) {
	switch {
	case r.Cluster == nil && r.Engine == "trino":
		return choice{}, &kalla.Error{Code: kalla.CodeUsage, Op: "choosing engine", Where: "engine", Why: "the recipe's run asks for trino, and there is no cluster",
			Hint: "start kallad scheduler with --trino-home or --trino-url, or write engine: auto"}
	case r.Cluster == nil:
		return choice{}, nil
	case r.Engine == "duckdb":
		return choice{why: "asked for"}, nil
	}
	why := "asked for"
	if r.Engine != "trino" {
		var size int64
		for _, in := range r.inputs[:2] {
			size += r.embedded.Weigh(ctx, in)
		}
		if why = r.tooLarge(size); why == "" {
			workers, err := r.Cluster.workers(ctx)
			if err != nil {
				return choice{why: "the cluster does not answer"}, nil //nolint:nilerr // one machine serves as well
			}
			return choice{why: fmt.Sprintf("the sources, about %d MB, fit one machine; %s idle", size>>20, count(workers, "executor"))}, nil
		}
	}
	workers, err := r.awaitWorkers(ctx, patience)
	missing := "no executor is there"
	if err != nil {
		missing = "the cluster does not answer"
	}
	switch {
	case ctx.Err() != nil:
		return choice{}, ctx.Err()
	case workers > 0:
		return choice{cluster: true, why: why + "; " + count(workers, "executor")}, nil
	case r.Engine == "trino":
		return choice{}, &kalla.Error{Code: kalla.CodeEngine, Op: "choosing engine", Where: "engine", Why: "the run asks for trino, and " + missing,
			Hint: "start kallad executor, see that it reaches the scheduler, or write engine: auto", Err: err}
	}
	return choice{why: why + ", but " + missing}, nil
}

// awaitWorkers is how many workers take work, once there is one or patience is over.
func (r *run) awaitWorkers(ctx context.Context, patience time.Duration) (int, error) {
	for deadline := time.Now().Add(patience); ; {
		workers, err := r.Cluster.workers(ctx)
		if workers > 0 || !time.Now().Before(deadline) {
			return workers, err
		}
		r.report(kalla.Progress{Stage: kalla.StageStaging, Step: "waiting for executors"})
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// tooLarge says why sources of that many bytes are too much for this machine, or nothing.
func (r *run) tooLarge(size int64) string {
	memory := r.Limits.Memory
	if memory <= 0 {
		memory = machine.Memory() / 2
	}
	if memory > 0 && size > memory*memoryShare {
		return fmt.Sprintf("the sources, about %d MB, are more than %d times the %d MB that a run may use here", size>>20, memoryShare, memory>>20)
	}
	dir := r.Limits.TempDir
	if dir == "" {
		dir = os.TempDir()
	}
	if free, err := machine.DiskFree(dir); err == nil && size*diskShare > free {
		return fmt.Sprintf("the sources, about %d MB, need more than the %d MB that are free on this disk", size>>20, free>>20)
	}
	return ""
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// open starts the engine that the run is for.
func (r *run) open(ctx context.Context) error {
	var patience time.Duration
	if r.Cluster != nil {
		patience = cmp.Or(r.Cluster.Patience, defaultPatience)
	}
	chosen, err := r.choose(ctx, patience)
	if err != nil {
		return err
	}
	r.session = r.embedded
	if chosen.cluster {
		if r.session, err = r.Cluster.session(ctx, r.RunID, r.embedded); err != nil {
			r.session = nil
			return err
		}
	}
	r.summary.Engine = r.session.Info()
	r.summary.Engine.Why = chosen.why
	return nil
}
