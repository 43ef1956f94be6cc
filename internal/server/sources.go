package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"kalla"
	"kalla/internal/job"
	"kalla/internal/problem"
	"kalla/internal/server/auth"
	"kalla/internal/state"
)

func (s *Server) registerSources(api huma.API) {
	const sources = "sources"
	huma.Register(api, operation(sources, http.MethodGet, "/api/source-types", "list-source-types", "What sources can be, and what a form has to ask for", auth.Read), s.listSourceTypes)
	huma.Register(api, operation(sources, http.MethodGet, "/api/sources", "list-sources", "Registered sources, newest first", auth.Read), s.listSources)
	huma.Register(api, operation(sources, http.MethodPost, "/api/sources", "register-source", "Register a source, or change the one of that alias", auth.SourcesWrite), s.registerSource)
	huma.Register(api, operation(sources, http.MethodGet, "/api/sources/{alias}", "get-source", "A source; its ETag counts its changes", auth.Read), s.getSource)
	huma.Register(api, operation(sources, http.MethodPut, "/api/sources/{alias}", "put-source", "Register a source, or change it", auth.SourcesWrite), s.putSource)
	huma.Register(api, operation(sources, http.MethodDelete, "/api/sources/{alias}", "delete-source", "Forget a source that no recipe uses, or that is forced", auth.SourcesWrite), s.deleteSource)
	huma.Register(api, operation(sources, http.MethodPost, "/api/sources/test", "try-source", "Find out whether a source could be read, before it is registered or changed", auth.SourcesWrite), s.tryUnsaved)
	huma.Register(api, operation(sources, http.MethodPost, "/api/sources/{alias}/test", "test-source", "Find out whether a source can be read", auth.SourcesWrite), s.testSource)
	huma.Register(api, operation(sources, http.MethodGet, "/api/sources/{alias}/preview", "preview-source", "Columns and first rows of a source", auth.Read), s.previewSource)
	scoped := operation(sources, http.MethodPost, "/api/sources/{alias}/load-scoped", "load-scoped", "Rows of a source that pass filters", auth.Read)
	scoped.SkipValidateBody = true // faults in conditions are 400 here, as in the product's predecessor
	huma.Register(api, scoped, s.loadScoped)
}

// SourcePath names a source.
type SourcePath struct {
	Alias string `path:"alias" minLength:"1" maxLength:"63"`
}

func sourceOf(src *state.Source, users []string) Source {
	return Source{
		Alias: src.Alias, URI: src.URI, SourceType: string(src.Type), Status: string(src.Status), Options: src.Options, Types: src.Types,
		Columns: src.Columns, Rows: src.Rows, Error: src.Error, Checked: src.CheckedAt, UploadID: src.UploadID, UsedBy: users,
		Created: src.CreatedAt, Updated: src.UpdatedAt,
	}
}

func (s *Server) listSources(ctx context.Context, in *struct{ Paging }) (*list[Source], error) {
	found, err := s.store.Sources(ctx, in.page())
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	aliases := make([]string, len(found.Items))
	for i, src := range found.Items {
		aliases[i] = src.Alias
	}
	users, err := s.store.SourceUsers(ctx, aliases...)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	items := make([]Source, len(found.Items))
	for i := range found.Items {
		items[i] = sourceOf(&found.Items[i], users[found.Items[i].Alias])
	}
	return pageOf(&in.Paging, items, found.Next), nil
}

// tagged is an answer with the version that it is of.
type tagged[T any] struct {
	ETag string `header:"ETag"`
	Body T
}

func (s *Server) getSource(ctx context.Context, in *SourcePath) (*tagged[Source], error) {
	src, err := s.store.Source(ctx, in.Alias)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	users, err := s.store.SourceUsers(ctx, in.Alias)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	return &tagged[Source]{etag(int(src.Revision)), sourceOf(src, users[in.Alias])}, nil
}

func (s *Server) registerSource(ctx context.Context, in *body[SourceInput]) (*tagged[Done], error) {
	src, err := s.saveSource(ctx, in.Body, nil)
	if err != nil {
		return nil, err
	}
	return &tagged[Done]{etag(int(src.Revision)), Done{true, "source " + src.Alias + " registered"}}, nil
}

type sourcePut struct {
	SourcePath
	Conditions
	Body SourceInput
}

func (s *Server) putSource(ctx context.Context, in *sourcePut) (*tagged[Source], error) {
	if in.Body.Alias != in.Alias {
		return nil, invalid("body.alias", "differs from the alias in the path", "a source is not renamed: register it anew, and delete this one")
	}
	expect, err := in.expected()
	if err != nil {
		return nil, err
	}
	if _, err := s.saveSource(ctx, in.Body, expect); err != nil {
		return nil, err
	}
	return s.getSource(ctx, &in.SourcePath)
}

type sourceDelete struct {
	SourcePath
	Force bool `query:"force" doc:"Delete it although recipes use it: they fail until it is there again"`
}

func (s *Server) deleteSource(ctx context.Context, in *sourceDelete) (*body[Done], error) {
	src, err := s.store.Source(ctx, in.Alias)
	if err == nil {
		err = s.store.DeleteSource(ctx, in.Alias, in.Force)
	}
	if err == nil && src.UploadID != "" {
		err = s.releaseUpload(ctx, src.UploadID, in.Alias)
	}
	return answer(ctx, s, Done{true, "source " + in.Alias + " deleted"}, err)
}

// testSource finds out whether a source can be read, and notes it.
func (s *Server) testSource(ctx context.Context, in *SourcePath) (*body[SourceTest], error) {
	return s.tested(ctx, func() (job.Preview, error) {
		count := false
		return s.look(ctx, in.Alias, job.PreviewRequest{Limit: testedRows, Count: &count})
	})
}

// tryUnsaved does the same for a source that is not registered as it comes, and notes nothing.
func (s *Server) tryUnsaved(ctx context.Context, in *body[SourceInput]) (*body[SourceTest], error) {
	src, _, err := s.readSource(ctx, in.Body)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	return s.tested(ctx, func() (job.Preview, error) {
		uri, options, err := s.located(ctx, src.Secret.URI, src.Secret.Options)
		if err != nil {
			return job.Preview{}, err
		}
		count := false
		return s.cfg.Scheduler.Preview(ctx, job.PreviewRequest{URI: uri, Options: options, Types: src.Types, Limit: testedRows, Count: &count})
	})
}

func (s *Server) tested(ctx context.Context, preview func() (job.Preview, error)) (*body[SourceTest], error) {
	start := time.Now()
	found, err := preview()
	test := SourceTest{OK: err == nil, Columns: found.Columns, Rows: found.Rows, MS: time.Since(start).Milliseconds()}
	if err != nil {
		refusal, answered := errors.AsType[*job.StatusError](err)
		if !answered || refusal.Status != http.StatusUnprocessableEntity {
			return nil, s.problem(ctx, err)
		}
		test.Error, test.Hint = said(err)
	}
	return &body[SourceTest]{test}, nil
}

// said is what an error of the scheduler about one source says, for people.
func said(err error) (message, hint string) {
	known, ok := errors.AsType[*kalla.Error](err)
	if !ok {
		return err.Error(), ""
	}
	if faults, ok := errors.AsType[kalla.Faults](err); ok && len(faults) > 0 {
		return faults[0].Problem, faults[0].Hint
	}
	return known.Why, known.Hint
}

type previewQuery struct {
	SourcePath
	Limit   int  `query:"limit" minimum:"1" default:"10" doc:"100 at most are shown"`
	Profile bool `query:"profile" doc:"Look at the values of every column, which reads the whole source"`
}

func (s *Server) previewSource(ctx context.Context, in *previewQuery) (*body[SourcePreview], error) {
	found, err := s.look(ctx, in.Alias, job.PreviewRequest{Limit: min(in.Limit, 100), Profile: in.Profile})
	return answer(ctx, s, SourcePreview{in.Alias, found}, err)
}

type scopedInput struct {
	SourcePath
	Body ScopedInput
}

const (
	scopedRows    = 200
	testedRows    = 10
	maxScopedRows = 1000
	maxConditions = 1000
)

func (s *Server) loadScoped(ctx context.Context, in *scopedInput) (*body[SourcePreview], error) {
	var faults kalla.Faults
	if n := len(in.Body.Conditions); n > maxConditions {
		faults = append(faults, kalla.Fault{Path: "conditions", Problem: fmt.Sprintf("%d conditions; the limit is %d", n, maxConditions), Hint: "use in with a list of values"})
	} else {
		for i, f := range in.Body.Conditions {
			_, wrong := f.Read(fmt.Sprintf("conditions[%d]", i))
			faults = append(faults, wrong...)
		}
	}
	limit := in.Body.Limit
	if limit < 0 || limit > maxScopedRows {
		faults = append(faults, kalla.Fault{Path: "limit", Problem: "is not between 0 and 1000", Hint: "leave it out for 200 rows"})
	}
	if len(faults) > 0 {
		return nil, badRequest(faults)
	}
	if limit == 0 {
		limit = scopedRows
	}
	found, err := s.look(ctx, in.Alias, job.PreviewRequest{Limit: limit, Filters: in.Body.Conditions, Profile: in.Body.Profile})
	if err != nil && len(in.Body.Conditions) > 0 && kalla.CodeOf(err) == kalla.CodeRecipe {
		known, ok := errors.AsType[kalla.Faults](err)
		if !ok {
			message, hint := said(err)
			known = kalla.Faults{{Path: "conditions", Problem: message, Hint: hint}}
		}
		return nil, badRequest(known)
	}
	return answer(ctx, s, SourcePreview{in.Alias, found}, err)
}

func badRequest(faults kalla.Faults) error {
	return problem.Of(http.StatusBadRequest, &kalla.Error{Code: kalla.CodeUsage, Op: "reading conditions", Err: faults}, "")
}

// look asks the scheduler what a source holds, and notes what became of it.
func (s *Server) look(ctx context.Context, alias string, req job.PreviewRequest) (job.Preview, error) {
	o, err := s.open(ctx, alias)
	if err != nil {
		return job.Preview{}, err
	}
	req.URI, req.Options, req.Types = o.uri, o.options, o.types
	found, err := s.cfg.Scheduler.Preview(ctx, req)
	check := state.SourceCheck{Status: state.SourceConnected, Columns: found.Columns}
	switch refusal, answered := errors.AsType[*job.StatusError](err); {
	case err == nil && len(req.Filters) == 0:
		check.Rows = found.TotalRows
	case err == nil:
	case answered && refusal.Status == http.StatusUnprocessableEntity && kalla.CodeOf(err) != kalla.CodeLimit && len(req.Filters) == 0:
		check.Status = state.SourceFailed
		check.Error, _ = said(err)
	default: // it says nothing about the source
		return found, err
	}
	if err := s.store.CheckedSource(ctx, alias, check); err != nil && ctx.Err() == nil {
		s.logOf(ctx).Warn("the state of a source could not be noted", "source", alias, "error", err)
	}
	return found, err
}
