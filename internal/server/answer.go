package server

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/danielgtaylor/huma/v2"

	"kalla"
	"kalla/internal/job"
	"kalla/internal/problem"
	"kalla/internal/state"
)

// body is a request or an answer that is all body.
type body[T any] struct{ Body T }

type none struct{}

// list is a page of a list. Link names the next page.
type list[T any] struct {
	Link string `header:"Link" doc:"<…>; rel=\"next\", where there is more"`
	Body []T
}

// Paging is what the query of a list may hold.
type Paging struct {
	Cursor string `query:"cursor" maxLength:"1000" doc:"Of the page before: see Link"`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`

	at url.URL
}

// Resolve keeps the URL that the next page's is made of.
func (p *Paging) Resolve(ctx huma.Context) []error {
	p.at = ctx.URL()
	return nil
}

func (p *Paging) page() state.Page { return state.Page{Cursor: p.Cursor, Limit: p.Limit} }

// pageOf is the answer with these items, and a link if there is a next page.
func pageOf[T any](p *Paging, items []T, next string) *list[T] {
	l := &list[T]{Body: items}
	if items == nil {
		l.Body = []T{}
	}
	if next != "" {
		q := p.at.Query()
		q.Set("cursor", next)
		l.Link = "<" + p.at.Path + "?" + q.Encode() + `>; rel="next"`
	}
	return l
}

// answer makes what was found or done an answer.
func answer[T any](ctx context.Context, s *Server, v T, err error) (*body[T], error) {
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	return &body[T]{v}, nil
}

// problem is the answer to an error of a store, of the scheduler or of the app's own.
func (s *Server) problem(ctx context.Context, err error) error { return s.problemAt(ctx, err, "") }

// problemAt is the same for an error whose faults are those of one field of the body.
func (s *Server) problemAt(ctx context.Context, err error, field string) error {
	if known, ok := errors.AsType[huma.StatusError](err); ok { // made by a handler already
		return known
	}
	status := problem.StatusOf(err)
	retry := time.Duration(0)
	switch {
	case errors.Is(err, state.ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, state.ErrExists), errors.Is(err, state.ErrStale), errors.Is(err, state.ErrInUse), errors.Is(err, state.ErrBusy), errors.Is(err, state.ErrConstraint):
		status = http.StatusConflict
	case errors.Is(err, state.ErrUnavailable):
		status, retry = http.StatusServiceUnavailable, time.Second
	case errors.Is(err, job.ErrUnreachable):
		status, retry = http.StatusServiceUnavailable, 5*time.Second
	case ctx.Err() != nil: // nobody waits for the answer
		status, retry = http.StatusServiceUnavailable, time.Second
	}
	if refusal, ok := errors.AsType[*job.StatusError](err); ok && status == http.StatusInternalServerError {
		status, retry = http.StatusBadGateway, refusal.RetryAfter
	} else if ok && refusal.Status == http.StatusTooManyRequests {
		status, retry = http.StatusServiceUnavailable, max(refusal.RetryAfter, time.Second)
	}
	if status >= http.StatusInternalServerError && ctx.Err() == nil {
		s.logOf(ctx).Error("request failed", "error", err)
	}
	p := problem.Of(status, err, field)
	if status == http.StatusInternalServerError {
		// What failed inside is for the log: it may name paths and tables.
		p.Detail, p.Code, p.Hint = "a fault of Kalla's own", kalla.CodeInternal, "its log says what happened, under the X-Request-Id of this answer"
	}
	if retry > 0 {
		return problem.RetryAfter(p, retry)
	}
	return p
}

// invalid is the problem of one thing in a request, at a location such as body.recipe or query.filter.
func invalid(location, message, hint string) error {
	p := problem.New(http.StatusUnprocessableEntity, "the request has 1 fault", "")
	p.Code, p.Errors = kalla.CodeUsage, []problem.Field{{Location: location, Message: message, Hint: hint}}
	return p
}

// schemaName names a type in the OpenAPI document: as it is called here, and
// behind the name of its package elsewhere.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	switch pkg := path.Base(t.PkgPath()); pkg {
	case "", ".", "server", "kalla", "problem", "auth":
		return name
	default:
		r := []rune(pkg)
		pkg = string(unicode.ToUpper(r[0])) + string(r[1:])
		return pkg + strings.TrimPrefix(name, pkg)
	}
}

// etag writes a version as an entity tag, and ifMatch reads it.
func etag(version int) string { return `"` + strconv.Itoa(version) + `"` }
