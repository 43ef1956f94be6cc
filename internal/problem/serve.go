package problem

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"time"
)

// Recorder remembers the status of an answer.
type Recorder struct {
	http.ResponseWriter
	Status int // 0 until the answer has begun
}

// WriteHeader begins the answer.
func (r *Recorder) WriteHeader(status int) {
	if r.Status == 0 {
		r.Status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write writes a part of the body.
func (r *Recorder) Write(b []byte) (int, error) {
	if r.Status == 0 {
		r.Status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController find the connection.
func (r *Recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Panicked logs what a handler panicked with and answers for it. It is given
// what recover returned; detail says whose fault it is, id names the request in the log.
func Panicked(fault any, log *slog.Logger, answer *Recorder, r *http.Request, detail, id string) {
	if err, ok := fault.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(fault)
	}
	log.Error("request panicked", "method", r.Method, "path", r.URL.Path, "panic", fault, "stack", string(debug.Stack()))
	if answer.Status != 0 {
		panic(http.ErrAbortHandler) // half an answer must not look like a whole one
	}
	New(http.StatusInternalServerError, detail, "its log says more, under request_id "+id).Write(answer)
}

// MaxBody is the most that a body may hold, in bytes: a recipe is 1 MiB at most, and JSON escapes it.
const MaxBody = 2 << 20

// ReadBody reads the body of a request, of at most MaxBody and within a time,
// so that no handler waits for a slow client. It returns nil, or why not.
func ReadBody(w http.ResponseWriter, r *http.Request, within time.Duration) *Problem {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	conn := http.NewResponseController(w) // a recorder in tests has no deadlines
	_ = conn.SetReadDeadline(time.Now().Add(within))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return New(http.StatusRequestEntityTooLarge, "the body is longer than 2 MiB", "put reference data in a file and name it as a source")
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return New(http.StatusRequestTimeout, "the body did not arrive within "+within.String(), "send it again")
		}
		return New(http.StatusBadRequest, "the body cannot be read: "+err.Error(), "")
	}
	// Past it the server would take a handler's client for gone.
	_ = conn.SetReadDeadline(time.Time{})
	r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}
