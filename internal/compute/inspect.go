package compute

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kalla"
	"kalla/internal/job"
	"kalla/internal/source"
)

// lookTime is how long a preview or validation may take, waiting for its turn included.
const lookTime = time.Minute

// look runs do when fewer than two others look at sources, for at most a
// minute: looking must not take from running jobs what they need.
func (s *Service) look(ctx context.Context, op string, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, lookTime, errDeadline)
	defer cancel()
	select {
	case s.looks <- struct{}{}:
		defer func() { <-s.looks }()
	case <-ctx.Done():
	}
	err := ctx.Err()
	if err == nil {
		err = do(ctx)
	}
	if err != nil && errors.Is(context.Cause(ctx), errDeadline) {
		return &kalla.Error{Code: kalla.CodeLimit, Op: op, Why: "it took longer than " + lookTime.String(), Hint: "filter the source, or do without count and profile", Err: errDeadline}
	}
	return err
}

// Preview shows what a source holds. Errors are *kalla.Error; of class recipe they wrap kalla.Faults.
func (s *Service) Preview(ctx context.Context, req job.PreviewRequest) (*job.Preview, error) {
	const op = "previewing source"
	var faults kalla.Faults
	src, err := locate(req.URI, req.Options, s.cfg.LookupEnv)
	if err == nil {
		err = s.cfg.Policy.Source(src)
	}
	if err != nil {
		faults = append(faults, faultAt("uri", err))
	}
	var filters []kalla.Filter
	for i, f := range req.Filters {
		filter, wrong := f.Read(fmt.Sprintf("filters[%d]", i))
		filters, faults = append(filters, filter), append(faults, wrong...)
	}
	if len(faults) > 0 {
		return nil, &kalla.Error{Code: kalla.CodeRecipe, Op: op, Err: faults}
	}
	var out *job.Preview
	err = s.look(ctx, op, func(ctx context.Context) (err error) {
		out, err = s.cfg.Runner.Preview(ctx, req, filters, s.cfg.LookupEnv, s.limits())
		return err
	})
	return out, redacted(err, src)
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
	err := s.look(ctx, op, func(ctx context.Context) (err error) {
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
