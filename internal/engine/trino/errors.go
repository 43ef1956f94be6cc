package trino

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	driver "github.com/trinodb/trino-go-client/trino"

	"kalla"
	"kalla/internal/engine"
)

// attempts is how often a statement is run that a lost worker ends.
const attempts = 4

// lost are Trino's names of errors that say nothing about the statement: a
// worker or the network went away while it ran.
var lost = []string{
	"NO_NODES_AVAILABLE", "PAGE_TRANSPORT_ERROR", "PAGE_TRANSPORT_TIMEOUT", "REMOTE_TASK_ERROR", "REMOTE_TASK_MISMATCH", "REMOTE_TASK_FAILED",
	"REMOTE_HOST_GONE", "REMOTE_BUFFER_CLOSE_FAILED", "TOO_MANY_REQUESTS_FAILED", "SERVER_SHUTTING_DOWN", "SERVER_STARTING_UP", "ABANDONED_TASK",
	"HIVE_WRITER_CLOSE_ERROR", "HIVE_FILESYSTEM_ERROR", "HIVE_CANNOT_OPEN_SPLIT",
}

// attempt runs a statement, again after a while where the cluster lost it. It returns a *kalla.Error.
func (s *Session) attempt(ctx context.Context, run func(n int) error) error {
	for n := 0; ; n++ {
		err := run(n)
		if err == nil {
			return nil
		}
		if n+1 == attempts || ctx.Err() != nil || !isLost(err) {
			return s.failure(ctx, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second << n):
		}
	}
}

func isLost(err error) bool {
	var t *driver.ErrTrino
	if errors.As(err, &t) {
		return slices.Contains(lost, t.ErrorName) || noWorkers(t)
	}
	var f *driver.ErrQueryFailed
	// A coordinator that was started anew knows nothing of the query.
	return errors.As(err, &f) && (f.StatusCode == 404 || f.StatusCode == 410)
}

func noWorkers(t *driver.ErrTrino) bool {
	return t.ErrorName == "GENERIC_INSUFFICIENT_RESOURCES" && strings.HasPrefix(t.Message, "Insufficient active worker nodes")
}

// failure says in the user's words what a statement ended with.
func (s *Session) failure(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var known *kalla.Error
	if errors.As(err, &known) {
		return err
	}
	if ctx.Err() != nil || errors.Is(err, context.Canceled) {
		cause := context.Cause(ctx)
		if cause == nil {
			cause = err
		}
		return &kalla.Error{Code: kalla.CodeCanceled, Op: "running SQL", Why: "the run was cancelled", Err: cause}
	}
	out := &kalla.Error{Code: kalla.CodeEngine, Op: "running SQL on the cluster", Err: err}
	var t *driver.ErrTrino
	var f *driver.ErrQueryFailed
	switch {
	case errors.Is(err, driver.ErrQueryCancelled):
		out.Why, out.Hint = "somebody cancelled the query on the cluster", "run again, or ask the cluster's administrator"
	case errors.As(err, &t):
		out.Why = plain(t.Message)
		if isLost(t) {
			out.Err = fmt.Errorf("%w: %w", engine.ErrLost, err)
		}
		switch {
		case noWorkers(t) || t.ErrorName == "NO_NODES_AVAILABLE":
			out.Why, out.Hint = "the cluster has no executors", "start executors, and see that they reach the scheduler"
		case slices.Contains(lost, t.ErrorName):
			out.Why, out.Hint = "executors were lost, again and again: "+out.Why, "look into the logs of the executors: they may lack memory"
		case t.ErrorType == "INSUFFICIENT_RESOURCES":
			out.Code, out.Why, out.Hint = kalla.CodeLimit, "the cluster's limits do not suffice: "+out.Why, "give the executors more memory, or add executors"
		}
	case errors.As(err, &f) && (f.StatusCode == 401 || f.StatusCode == 403):
		out.Why, out.Hint = "the cluster does not let the run in", "see to the user and the password or token of the cluster"
	case errors.As(err, &f):
		out.Why, out.Hint = "the cluster's coordinator cannot be reached: "+plain(f.Reason.Error()), "see that it runs and that its address is right"
		out.Err = fmt.Errorf("%w: %w", engine.ErrLost, err)
	default:
		out.Why = plain(err.Error())
	}
	return out
}

var position = regexp.MustCompile(`^line \d+:\d+: `)

// plain is the first line of a message without the position in a text that people never see.
func plain(message string) string {
	line, _, _ := strings.Cut(message, "\n")
	return position.ReplaceAllString(strings.TrimPrefix(line, "trino: "), "")
}
