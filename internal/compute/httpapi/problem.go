package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"kalla"
	"kalla/internal/compute"
)

// Problem is the body of every answer that is an error: RFC 9457, with the
// code and the hint of Kalla's errors.
type Problem struct {
	Type   string         `json:"type" doc:"about:blank: the status says what kind of problem it is"`
	Title  string         `json:"title" doc:"The name of the status"`
	Status int            `json:"status"`
	Detail string         `json:"detail" doc:"What failed, where and why"`
	Code   kalla.Code     `json:"code,omitempty" doc:"Class of the error: usage, recipe, source, engine, limit, evidence, cancelled, internal"`
	Hint   string         `json:"hint,omitempty" doc:"What to do about it"`
	Errors []ProblemError `json:"errors,omitempty" doc:"Everything that is wrong with the request"`
}

// ProblemError is one thing wrong with a request.
type ProblemError struct {
	Location string `json:"location" doc:"The field: body.sources[1].filters[0].op, query.limit"`
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty" doc:"What to write instead"`
}

const problemType = "application/problem+json"

func problem(status int, detail, hint string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Hint: hint}
}

// Error returns the detail.
func (p *Problem) Error() string { return p.Detail }

// GetStatus returns the status to answer with.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType says that the body is a problem.
func (p *Problem) ContentType(string) string { return problemType }

// write answers with the problem where huma does not.
func (p *Problem) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(p) // fails when the client has gone, who then needs no answer
}

// statusOf is the status for an error of the service. A source that cannot be
// read is the request's fault as much as a wrong name in it: who asked can mend
// it, the scheduler cannot.
func statusOf(err error) int {
	switch {
	case errors.Is(err, compute.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, compute.ErrConflict), errors.Is(err, compute.ErrFinal):
		return http.StatusConflict
	case errors.Is(err, compute.ErrStopping):
		return http.StatusServiceUnavailable
	}
	switch kalla.CodeOf(err) {
	case kalla.CodeUsage, kalla.CodeRecipe, kalla.CodeSource, kalla.CodeBadKey, kalla.CodeLimit, kalla.CodeEvidence:
		return http.StatusUnprocessableEntity
	case kalla.CodeCanceled:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// problemOf is the answer to an error of the service.
func problemOf(err error) error {
	status, retry := statusOf(err), time.Second
	if full, ok := errors.AsType[*compute.QueueFullError](err); ok {
		status, retry = http.StatusTooManyRequests, full.RetryAfter
	}
	p := problem(status, err.Error(), "")
	if e, ok := errors.AsType[*kalla.Error](err); ok {
		p.Code, p.Hint = e.Code, e.Hint
	}
	if faults, ok := errors.AsType[kalla.Faults](err); ok {
		p.Detail = "the request has 1 fault"
		if len(faults) != 1 {
			p.Detail = "the request has " + strconv.Itoa(len(faults)) + " faults"
		}
		for _, f := range faults {
			p.Errors = append(p.Errors, ProblemError{Location: at(f.Path), Message: f.Problem, Hint: f.Hint})
		}
	}
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		seconds := int64(max(1, (retry+time.Second-1)/time.Second))
		return huma.ErrorWithHeaders(p, http.Header{"Retry-After": {strconv.FormatInt(seconds, 10)}})
	}
	return p
}

func at(path string) string {
	if path == "" {
		return "body"
	}
	return "body." + path
}

// unvalued turns huma's own problems into ours. They carry the values that
// are wrong: a URI holds a password, and problems end in logs.
func unvalued(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := problem(m.Status, m.Detail, "")
	p.Code = kalla.CodeUsage
	switch {
	case m.Status == http.StatusUnsupportedMediaType:
		p.Detail, p.Hint = "the body is not JSON", "send Content-Type: application/json"
		return p, nil
	case m.Status == http.StatusBadRequest && len(m.Errors) > 0:
		p.Detail = "the body cannot be read: " + m.Errors[0].Message
		return p, nil
	case m.Status >= http.StatusInternalServerError:
		p.Code, p.Detail = kalla.CodeInternal, "a fault of the scheduler's own"
		return p, nil
	case len(m.Errors) == 1:
		p.Detail = "the request has 1 fault"
	case len(m.Errors) > 1:
		p.Detail = "the request has " + strconv.Itoa(len(m.Errors)) + " faults"
	}
	for _, e := range m.Errors {
		x := ProblemError{Location: e.Location, Message: e.Message}
		if name, ok := strings.CutPrefix(e.Message, "expected required property "); ok {
			x.Location, x.Message = e.Location+"."+strings.TrimSuffix(name, " to be present"), "is missing"
		}
		if e.Message == "unexpected property" {
			x.Message, x.Hint = "there is no such field", "leave it out, or see /openapi.json for the name that is meant"
		}
		p.Errors = append(p.Errors, x)
	}
	return p, nil
}
