package kalla

import (
	"errors"
	"strings"
)

// Code is the class of an error; it decides the exit code of the command line
// and the status of the APIs.
type Code string

// The error classes.
const (
	CodeUsage    Code = "usage"     // a wrong flag or argument; exit 2
	CodeRecipe   Code = "recipe"    // the recipe is invalid; exit 2
	CodeSource   Code = "source"    // a source cannot be reached or read; exit 4
	CodeEngine   Code = "engine"    // the engine failed; exit 1
	CodeLimit    Code = "limit"     // a bound (memory, disk, pairs) was hit; exit 1
	CodeEvidence Code = "evidence"  // evidence cannot be written, or does not verify; exit 1
	CodeBadKey   Code = "bad_key"   // on_bad_key: fail; exit 1
	CodeProof    Code = "proof"     // conservation does not hold; exit 1
	CodeTarget   Code = "target"    // ran, but under --fail-under; exit 3
	CodeCanceled Code = "cancelled" // exit 130
	CodeInternal Code = "internal"  // a fault of Kalla's own; exit 1
)

// ExitCode returns the exit code of the command line for the class.
func (c Code) ExitCode() int {
	switch c {
	case CodeUsage, CodeRecipe:
		return 2
	case CodeTarget:
		return 3
	case CodeSource:
		return 4
	case CodeCanceled:
		return 130
	}
	return 1
}

// Error says what failed, where, why, and what to do. It is returned once and
// logged once; no field ever holds a credential.
type Error struct {
	Code  Code
	Op    string // what was being done, in the gerund: "staging left source"
	Where string // file, line, column or field path: "payments.csv line 4711"
	Why   string // the cause in plain words; Err's text is used when empty
	Hint  string // what to do about it
	Err   error  // the underlying error, if any
}

// Error returns "op: where: why" in one line, without the hint.
func (e *Error) Error() string {
	var parts []string
	why := e.Why
	if why == "" && e.Err != nil {
		why = e.Err.Error()
	}
	for _, p := range []string{e.Op, e.Where, why} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns the underlying error.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the class of err: that of the first Error in its chain, else CodeInternal.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

// Fault is one thing wrong with a recipe. Path is the field ("match[0].when[1].within").
type Fault struct {
	Path    string `json:"path"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Problem string `json:"problem"`
	Hint    string `json:"hint,omitempty"` // what to write instead
}

// Faults are all the things wrong with a recipe, in the order of the document.
type Faults []Fault

// Error lists the faults, one a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, x := range f {
		lines[i] = x.String()
	}
	return strings.Join(lines, "\n")
}
