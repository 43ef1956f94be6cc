// Package problem is the body of every answer of Kalla's HTTP APIs that is an
// error: RFC 9457, with the code and the hint of Kalla's errors, and everything
// that is wrong with the request.
package problem

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"kalla"
)

// Problem is an answer that is an error. As a Go error it holds no credential.
type Problem struct {
	Type   string     `json:"type" doc:"about:blank: the status says what kind of problem it is"`
	Title  string     `json:"title" doc:"The name of the status"`
	Status int        `json:"status"`
	Detail string     `json:"detail" doc:"What failed, where and why"`
	Code   kalla.Code `json:"code,omitempty" doc:"Class of the error: usage, recipe, source, engine, limit, evidence, cancelled, internal"`
	Hint   string     `json:"hint,omitempty" doc:"What to do about it"`
	Errors []Field    `json:"errors,omitempty" doc:"Everything that is wrong with the request"`
}

// Field is one thing wrong with a request.
type Field struct {
	Location string `json:"location" doc:"The field: body.sources[1].filters[0].op, query.limit"`
	Message  string `json:"message"`
	Line     int    `json:"line,omitempty" doc:"Of a document that is a text"`
	Column   int    `json:"column,omitempty"`
	Hint     string `json:"hint,omitempty" doc:"What to write instead"`
}

// ContentType is the media type of a Problem.
const ContentType = "application/problem+json"

// New makes a problem. The hint may be empty.
func New(status int, detail, hint string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Hint: hint}
}

// Of makes a problem of an error. That of a fault of Kalla's own should be
// logged as well. The faults of a recipe are at the field of the body that
// holds the recipe, or, where that is empty, the body itself.
func Of(status int, err error, field string) *Problem {
	p := New(status, err.Error(), "")
	if e, ok := errors.AsType[*kalla.Error](err); ok {
		p.Code, p.Hint = e.Code, e.Hint
	}
	if faults, ok := errors.AsType[kalla.Faults](err); ok {
		p.Detail = count(len(faults))
		for _, f := range faults {
			p.Errors = append(p.Errors, Field{Location: At("body", field, f.Path), Message: f.Problem, Line: f.Line, Column: f.Column, Hint: f.Hint})
		}
	}
	return p
}

// At joins the parts of a location, of which any may be empty.
func At(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ".")
}

// StatusOf is the status for a class of errors. What cannot be read is the
// request's fault as much as a wrong name in it: who asked can mend it, the
// server cannot.
func StatusOf(err error) int {
	switch kalla.CodeOf(err) {
	case kalla.CodeUsage, kalla.CodeRecipe, kalla.CodeSource, kalla.CodeBadKey, kalla.CodeLimit, kalla.CodeEvidence:
		return http.StatusUnprocessableEntity
	case kalla.CodeCanceled:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// RetryAfter says when to try again, in whole seconds, of which one is the least.
func RetryAfter(p *Problem, wait time.Duration) error {
	seconds := int64(max(1, (wait+time.Second-1)/time.Second))
	return huma.ErrorWithHeaders(p, http.Header{"Retry-After": {strconv.FormatInt(seconds, 10)}})
}

// Error is the detail. With GetStatus and ContentType it is what huma asks of an answer that is an error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus is the status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is that of all problems.
func (p *Problem) ContentType(string) string { return ContentType }

// Write answers with the problem where huma does not.
func (p *Problem) Write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", ContentType)
	w.WriteHeader(p.Status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(p) // fails when the client has gone, who then needs no answer
}

// Transform turns huma's own problems into ours. They carry the values that are
// wrong: a URI holds a password, and problems end in logs.
func Transform(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := New(m.Status, m.Detail, "")
	p.Code = kalla.CodeUsage
	switch {
	case m.Status == http.StatusUnsupportedMediaType:
		p.Detail, p.Hint = "the body is not JSON", "send Content-Type: application/json"
		return p, nil
	case m.Status == http.StatusBadRequest && len(m.Errors) > 0:
		p.Detail = "the body cannot be read: " + m.Errors[0].Message
		return p, nil
	case m.Status >= http.StatusInternalServerError:
		p.Code = kalla.CodeInternal
		if len(m.Errors) > 0 { // an error that is no problem: what it says is for the log
			p.Detail = "a fault of Kalla's own"
		}
		return p, nil
	case len(m.Errors) > 0 && m.Detail == "validation failed":
		p.Detail = count(len(m.Errors))
	}
	for _, e := range m.Errors {
		x := Field{Location: e.Location, Message: e.Message}
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

func count(n int) string {
	if n == 1 {
		return "the request has 1 fault"
	}
	return "the request has " + strconv.Itoa(n) + " faults"
}

// Describe says in the document of an API that whatever is not a success is a
// Problem. It comes after the last operation is registered.
func Describe(api huma.API) {
	doc := api.OpenAPI()
	schema := doc.Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	for _, path := range doc.Paths {
		for _, op := range []*huma.Operation{path.Get, path.Put, path.Post, path.Patch, path.Delete} {
			if op == nil {
				continue
			}
			for status, r := range op.Responses {
				if status >= "400" {
					r.Content = map[string]*huma.MediaType{ContentType: {Schema: schema}}
				}
			}
			op.Responses["default"] = &huma.Response{Description: "A problem", Content: map[string]*huma.MediaType{ContentType: {Schema: schema}}}
		}
	}
	// huma describes problems of its own, which Transform turns into ours.
	delete(doc.Components.Schemas.Map(), "ErrorModel")
	delete(doc.Components.Schemas.Map(), "ErrorDetail")
}

// FromError is the problem in an error's chain, and that of a fault of Kalla's own without one.
func FromError(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	return New(http.StatusInternalServerError, "a fault of Kalla's own", "")
}
