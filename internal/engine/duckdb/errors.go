package duckdb

import (
	"context"
	"errors"
	"regexp"
	"strings"

	driver "github.com/duckdb/duckdb-go/v2"

	"kalla"
)

// engineError classifies an error of a statement: cancellation and limits
// have classes of their own.
func engineError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var known *kalla.Error
	if errors.As(err, &known) {
		return err
	}
	if cause := canceled(ctx, err); cause != nil {
		return cause
	}
	out := &kalla.Error{Code: kalla.CodeEngine, Op: "running SQL", Why: plainMessage(err), Err: err}
	var d *driver.Error
	if errors.As(err, &d) {
		switch {
		case d.Type == driver.ErrorTypeOutOfMemory && strings.Contains(err.Error(), "failed to offload"):
			out.Code, out.Why = kalla.CodeLimit, "the memory limit does not suffice, and the disk for temporary files is full: "+plainMessage(err)
			out.Hint = "free space in the temporary folder, name another with --temp-dir, or raise --memory"
		case d.Type == driver.ErrorTypeOutOfMemory:
			out.Code, out.Why = kalla.CodeLimit, "the memory limit does not suffice: "+plainMessage(err)
			out.Hint = "raise --memory, or lower --threads"
		case d.Type == driver.ErrorTypeIO && strings.Contains(err.Error(), "No space left"):
			out.Code, out.Hint = kalla.CodeLimit, "free space in the temporary folder, or name another with --temp-dir"
		}
	}
	return out
}

// canceled returns the error of a cancelled or expired context, or nil.
func canceled(ctx context.Context, err error) error {
	if ctx.Err() == nil && !errors.Is(err, context.Canceled) {
		return nil
	}
	cause := context.Cause(ctx)
	if cause == nil {
		cause = err
	}
	return &kalla.Error{Code: kalla.CodeCanceled, Op: "running SQL", Why: "the run was cancelled", Err: cause}
}

var errorPrefix = regexp.MustCompile(`^(?:[A-Z][A-Za-z]*(?: [A-Za-z]+)* Error: )+`)

// plainMessage returns what DuckDB says without its prefix and the advice below it.
func plainMessage(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return errorPrefix.ReplaceAllString(line, "")
}

// shorten makes a value fit into an error message.
func shorten(v string) string {
	const most = 60
	r := []rune(v)
	if len(r) > most {
		return string(r[:most]) + "…"
	}
	return v
}

// closest returns the candidate that is spelt most like name, or "".
func closest(name string, candidates []string) string {
	best, least := "", len(name)/2+1
	for _, c := range candidates {
		if d := distance(strings.ToLower(name), strings.ToLower(c)); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		prev := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			prev, row[j] = row[j], min(row[j]+1, row[j-1]+1, prev+cost)
		}
	}
	return row[len(b)]
}
