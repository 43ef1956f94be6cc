package httpapi

import (
	"errors"
	"net/http"
	"time"

	"kalla/internal/compute"
	"kalla/internal/problem"
)

// statusOf is the status for an error of the service.
func statusOf(err error) int {
	switch {
	case errors.Is(err, compute.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, compute.ErrConflict), errors.Is(err, compute.ErrFinal):
		return http.StatusConflict
	case errors.Is(err, compute.ErrStopping):
		return http.StatusServiceUnavailable
	}
	return problem.StatusOf(err)
}

// problemOf is the answer to an error of the service.
func problemOf(err error) error {
	status, retry := statusOf(err), time.Second
	if full, ok := errors.AsType[*compute.QueueFullError](err); ok {
		status, retry = http.StatusTooManyRequests, full.RetryAfter
	}
	p := problem.Of(status, err, "")
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		return problem.RetryAfter(p, retry)
	}
	return p
}
