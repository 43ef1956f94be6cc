package compute

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"kalla"
	"kalla/internal/job"
	"kalla/internal/source"
)

// lookTime is how long a look at sources may take, waiting for its turn included.
const lookTime = time.Minute

// look runs do when there is a turn for it, for at most a minute in all:
// looking must not take from running jobs what they need. What reads sources
// whole takes turns apart from what reads their beginnings.
func (s *Service) look(ctx context.Context, turns chan struct{}, op, hint string, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, lookTime, errDeadline)
	defer cancel()
	select {
	case turns <- struct{}{}:
		defer func() { <-turns }()
	case <-ctx.Done():
	}
	err := ctx.Err()
	if err == nil {
		err = do(ctx)
	}
	if err != nil && errors.Is(context.Cause(ctx), errDeadline) {
		return &kalla.Error{Code: kalla.CodeLimit, Op: op, Why: "it took longer than " + lookTime.String(), Hint: hint, Err: errDeadline}
	}
	return err
}

// Preview shows what a source holds. Errors are *kalla.Error; of class recipe they wrap kalla.Faults.
func (s *Service) Preview(ctx context.Context, req job.PreviewRequest) (*job.Preview, error) {
	const op = "previewing source"
	src, filters, faults := s.scoped("", req.URI, req.Options, req.Filters)
	if len(faults) > 0 {
		return nil, &kalla.Error{Code: kalla.CodeRecipe, Op: op, Err: faults}
	}
	var out *job.Preview
	err := s.look(ctx, s.looks, op, "filter the source, or do without count and profile", func(ctx context.Context) (err error) {
		out, err = s.cfg.Runner.Preview(ctx, req, filters, s.cfg.LookupEnv, s.limits())
		return err
	})
	return out, redacted(err, src)
}

// scoped understands a source and the filters on it, which are at a path of
// their request that ends in a dot or is empty. The source is one that may be read.
func (s *Service) scoped(path, uri string, options map[string]string, filters []job.Filter) (source.Source, []kalla.Filter, kalla.Faults) {
	var faults kalla.Faults
	src, err := locate(uri, options, s.cfg.LookupEnv)
	if err == nil {
		err = s.cfg.Policy.Source(src)
	}
	if err != nil {
		faults = append(faults, faultAt(path+"uri", err))
	}
	var read []kalla.Filter
	for i, f := range filters {
		filter, wrong := f.Read(fmt.Sprintf("%sfilters[%d]", path, i))
		read, faults = append(read, filter), append(faults, wrong...)
	}
	return src, read, faults
}

// Draft proposes a recipe from the data of two sources. Errors are *kalla.Error; of class recipe they may wrap kalla.Faults.
func (s *Service) Draft(ctx context.Context, req job.DraftRequest) (*job.Draft, error) {
	const op = "drafting recipe"
	left, leftFilters, faults := s.scoped("left.", req.Left.URI, req.Left.Options, req.Left.Filters)
	right, rightFilters, more := s.scoped("right.", req.Right.URI, req.Right.Options, req.Right.Filters)
	if faults = append(faults, more...); len(faults) > 0 {
		return nil, &kalla.Error{Code: kalla.CodeRecipe, Op: op, Err: faults}
	}
	var out *job.Draft
	err := s.look(ctx, s.trials, op, "filter the sources, so that there is less to read", func(ctx context.Context) (err error) {
		out, err = s.cfg.Runner.Draft(ctx, req, [2][]kalla.Filter{leftFilters, rightFilters}, s.cfg.LookupEnv, s.limits())
		return err
	})
	return out, redacted(redacted(err, left), right)
}

// Trial runs a recipe at once and leaves nothing behind but the summary.
// Errors are *kalla.Error; of class recipe they wrap kalla.Faults with all that is wrong.
func (s *Service) Trial(ctx context.Context, req job.TrialRequest) (*kalla.Summary, error) {
	const op = "trying recipe"
	t, faults := s.tried(req.Recipe, req.Parameters)
	if len(faults) > 0 {
		return nil, &kalla.Error{Code: kalla.CodeRecipe, Op: op, Err: faults}
	}
	var out *kalla.Summary
	err := s.look(ctx, s.trials, op, "filter the sources, or run the recipe", func(ctx context.Context) (err error) {
		out, err = s.cfg.Runner.Run(ctx, s.trial(t))
		return err
	})
	return out, t.failed(op, err)
}

// Backtest runs a recipe at once, and another to compare it with, and leaves
// nothing behind. Errors are those of Trial; faults of the other recipe are below base.
func (s *Service) Backtest(ctx context.Context, req job.BacktestRequest) (*job.Backtest, error) {
	const op = "back-testing recipe"
	t, faults := s.tried(req.Recipe, nil)
	var before *Work
	if len(req.Base) > 0 {
		base, wrong := s.tried(req.Base, nil)
		for _, f := range wrong {
			f.Path = "base." + f.Path
			faults = append(faults, f)
		}
		if base != nil {
			w := s.trial(base)
			before = &w
		}
	}
	if len(faults) > 0 {
		return nil, &kalla.Error{Code: kalla.CodeRecipe, Op: op, Err: faults}
	}
	var out *job.Backtest
	err := s.look(ctx, s.trials, op, "filter the sources, or run the recipe", func(ctx context.Context) (err error) {
		out, err = s.cfg.Runner.Backtest(ctx, s.trial(t), before, req.Examples, req.Samples)
		return err
	})
	return out, t.failed(op, err)
}

// tried reads a recipe that is run at once.
func (s *Service) tried(text json.RawMessage, params map[string]string) (*task, kalla.Faults) {
	r := reader{env: s.cfg.LookupEnv}
	t := r.document(&job.Request{Recipe: text, Parameters: params})
	if t != nil {
		r.sources(t)
	}
	return t, append(r.faults, s.allowed(&job.Request{}, t)...)
}

// trial is the work of running a recipe that leaves nothing.
func (s *Service) trial(t *task) Work {
	return Work{RunID: "trial", Recipe: t.recipe, Document: t.document, Evidence: "none",
		Limits: s.limits(), Env: s.cfg.LookupEnv, Check: s.cfg.Policy.Source, Report: func(kalla.Progress) {}}
}

// failed is the error of a trial as its caller may see it.
func (t *task) failed(op string, err error) error {
	if faults, ok := errors.AsType[kalla.Faults](err); ok { // those that only the columns tell
		return &kalla.Error{Code: kalla.CodeRecipe, Op: op, Err: relocate(faults, t.where, t.isText)}
	}
	for _, src := range t.sources {
		err = redacted(err, src.source)
	}
	return err
}

// redacted takes the secrets of a source out of an error that has come from far.
func redacted(err error, src source.Source) error {
	known, ok := errors.AsType[*kalla.Error](err)
	if !ok {
		return err
	}
	clean := *known
	clean.Where, clean.Why, clean.Hint = src.Redact(known.Where), src.Redact(known.Why), src.Redact(known.Hint)
	if _, faults := errors.AsType[kalla.Faults](clean.Err); clean.Why == "" && clean.Err != nil && !faults {
		clean.Why = src.Redact(clean.Err.Error())
	}
	return &clean
}

// Validate says what is wrong with a recipe and what it would do. An error means that this could not be found out.
func (s *Service) Validate(ctx context.Context, req job.ValidateRequest) (*job.Validation, error) {
	const op = "validating recipe"
	sources := req.Sources == nil || *req.Sources
	doc, isText, faults := parseRecipe(req.Recipe)
	same := func(path string) string { return path }
	if len(faults) == 0 && sources {
		if bound, err := doc.Bind(req.Parameters); err == nil {
			r := reader{env: s.cfg.LookupEnv}
			t := &task{recipe: bound, where: same}
			r.sources(t)
			faults = append(r.faults, s.allowed(&job.Request{}, t)...)
		}
	}
	if len(faults) > 0 {
		return &job.Validation{Faults: relocate(faults, same, isText)}, nil
	}
	var out *job.Validation
	err := s.look(ctx, s.looks, op, "filter the sources, or validate without them", func(ctx context.Context) (err error) {
		out, err = s.cfg.Runner.Validate(ctx, doc, req.Parameters, sources, s.cfg.LookupEnv, s.limits())
		return err
	})
	if err != nil {
		return nil, err
	}
	out.Faults = relocate(out.Faults, same, isText)
	return out, nil
}

// Engine says what runs the jobs, and how busy it is.
func (s *Service) Engine(ctx context.Context) (job.Engine, error) {
	info, nodes, err := s.cfg.Runner.Engine(ctx)
	if err != nil {
		return job.Engine{}, err
	}
	stats, err := s.Stats(ctx)
	if err != nil {
		return job.Engine{}, err
	}
	if nodes == nil {
		nodes = []job.Node{}
	}
	return job.Engine{Name: info.Name, Version: info.Version, Memory: s.cfg.Memory, Threads: s.cfg.Threads, MaxJobs: s.cfg.MaxJobs,
		Running: stats.Jobs[job.Running], Queued: stats.Jobs[job.Queued], Workers: nodes}, nil
}
