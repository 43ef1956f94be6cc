package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"kalla"
)

// Asking is the Op of errors of models.
const Asking = "asking the language model"

// Endpoint is where a model is asked, for what all providers do alike. Names are those of settings.
type Endpoint struct {
	Model   string
	Host    string // for people
	Key     string // never shown; empty where none is needed
	KeyName string // ANTHROPIC_API_KEY
	URLName string // ANTHROPIC_BASE_URL
}

// Failure is what a server answered instead of a message.
type Failure struct {
	Status  int
	Kind    string // as the server names it: overloaded_error, context_length_exceeded
	Message string
	Header  http.Header // may be nil
}

// Failed makes what a server answered an error in the words of whoever set it up.
func (e Endpoint) Failed(f Failure) error {
	said := cmp.Or(e.scrub(f.Message), http.StatusText(f.Status), "without a reason")
	mention := func(texts ...string) bool {
		for _, t := range texts {
			if strings.Contains(strings.ToLower(f.Kind+" "+said), t) {
				return true
			}
		}
		return false
	}
	fail := func(code kalla.Code, why, hint string) *kalla.Error {
		return &kalla.Error{Code: code, Op: Asking, Where: e.Model + " at " + e.Host, Why: why, Hint: hint, Err: fmt.Errorf("status %d: %s", f.Status, said)}
	}
	wait := RetryAfterOf(f.Header, time.Now())
	later := func(why, hint string) error {
		err := fail(kalla.CodeLimit, why, hint)
		err.Err = &Unavailable{After: wait, Err: err.Err}
		return err
	}
	switch {
	case f.Status == http.StatusPaymentRequired, mention("billing_error", "insufficient_quota", "credit balance"):
		return fail(kalla.CodeUsage, "the account has no credit left", "add credit to the account of "+e.KeyName+", or go on without a model")
	case f.Status == http.StatusUnauthorized:
		if e.Key == "" {
			return fail(kalla.CodeUsage, "it wants a key", "set "+e.KeyName)
		}
		return fail(kalla.CodeUsage, "the key is not accepted", "see that "+e.KeyName+" is a key of "+e.Host+" that has not been withdrawn")
	case f.Status == http.StatusForbidden:
		return fail(kalla.CodeUsage, "the key may not use it: "+said, "see what "+e.KeyName+" is allowed, or set KALLA_MODEL to a model that it may use")
	case f.Status == http.StatusNotFound:
		return fail(kalla.CodeUsage, "there is no such model: "+said, "set KALLA_MODEL to one that "+e.Host+" has, and see that "+e.URLName+" is right")
	case f.Status == http.StatusRequestEntityTooLarge, mention("prompt is too long", "context_length", "context length", "maximum context", "request_too_large"):
		return fail(kalla.CodeLimit, "the conversation is longer than the model can take", "begin a new conversation")
	case f.Status == http.StatusTooManyRequests:
		hint := "try again in a minute"
		if wait > 0 {
			hint = "try again in " + wait.Round(time.Second).String()
		}
		return later("the account has asked as much as it may for now", hint)
	case f.Status == 529, f.Status == http.StatusServiceUnavailable, mention("overloaded"):
		return later("the model is overloaded", "try again in a minute")
	case f.Status >= http.StatusInternalServerError, f.Status == http.StatusRequestTimeout, f.Status == http.StatusConflict:
		return later(fmt.Sprintf("its server failed with status %d", f.Status), "try again in a minute")
	}
	return fail(kalla.CodeUsage, "it refuses the request: "+said, "see that KALLA_MODEL names a model that can call tools")
}

// Broken makes an error of the network, or of a stream that broke off, one for people.
func (e Endpoint) Broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return e.canceled(ctx)
	}
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err // the URL is said already
	}
	if _, ok := errors.AsType[net.Error](err); ok || !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrSilent) {
		return &kalla.Error{Code: kalla.CodeSource, Op: Asking, Where: e.Model + " at " + e.Host, Why: "it cannot be reached: " + e.scrub(err.Error()),
			Hint: "see that this machine may connect to " + e.Host + ", and " + e.URLName, Err: &Unavailable{Err: errors.New(e.scrub(err.Error()))}}
	}
	why := "the answer broke off"
	if errors.Is(err, ErrSilent) {
		why = "the answer does not go on"
	}
	return &kalla.Error{Code: kalla.CodeSource, Op: Asking, Where: e.Model + " at " + e.Host, Why: why, Hint: "try again", Err: &Unavailable{Err: err}}
}

// Garbled is the error of an answer that is none.
func (e Endpoint) Garbled(err error) error {
	return &kalla.Error{Code: kalla.CodeSource, Op: Asking, Where: e.Model + " at " + e.Host, Why: "the answer cannot be read", Err: err,
		Hint: "see that " + e.URLName + " is right"}
}

func (e Endpoint) canceled(ctx context.Context) error {
	return &kalla.Error{Code: kalla.CodeCanceled, Op: Asking, Where: e.Model, Why: "cancelled", Err: ctx.Err()}
}

// scrub removes the key from what a server said, which may quote it.
func (e Endpoint) scrub(text string) string {
	if e.Key == "" {
		return text
	}
	return strings.ReplaceAll(text, e.Key, "***")
}

// Unavailable says that a model may well answer the same request later: it is
// overloaded, the account has used up its share of the minute, or the network failed.
type Unavailable struct {
	After time.Duration // when it asks to be tried again; 0 where it does not say
	Err   error
}

// Error is that of the cause.
func (u *Unavailable) Error() string { return u.Err.Error() }

// Unwrap returns the cause.
func (u *Unavailable) Unwrap() error { return u.Err }

// RetryAfter is when it asks to be tried again; 0 means soon.
func (u *Unavailable) RetryAfter() time.Duration { return u.After }

// RetryAfterOf reads when a server asks to be tried again, 0 where it does not say.
func RetryAfterOf(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(v); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// ErrSilent is why a stream ends that neither goes on nor closes.
var ErrSilent = errors.New("nothing has come for too long")

// Watch makes a body fail with ErrSilent when a read waits longer than the
// patience. A model may think for minutes, but its server says that it is there.
func Watch(body io.ReadCloser, patience time.Duration) io.ReadCloser {
	w := &watched{body: body, patience: patience}
	w.timer = time.AfterFunc(patience, func() {
		w.silent.Store(true)
		body.Close() // ends the read
	})
	return w
}

type watched struct {
	body     io.ReadCloser
	patience time.Duration
	timer    *time.Timer
	silent   atomic.Bool
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.body.Read(p)
	switch {
	case err == nil:
		w.timer.Reset(w.patience)
	case w.silent.Load():
		err = ErrSilent
	}
	return n, err
}

func (w *watched) Close() error {
	w.timer.Stop()
	return w.body.Close()
}

const (
	// patience is how long a stream may be silent. Servers send signs of life
	// while a model thinks; one on a small machine may read a long prompt for minutes before its first word.
	patience       = 3 * time.Minute
	connectTimeout = 10 * time.Second
)

// NewHTTPClient is a client for streams of models, by way of a proxy if proxy is not nil.
func NewHTTPClient(proxy func(*http.Request) (*url.URL, error)) *http.Client {
	dialer := &net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}
	return &http.Client{
		Transport: watching{&http.Transport{
			Proxy: proxy, DialContext: dialer.DialContext, ForceAttemptHTTP2: true,
			TLSHandshakeTimeout: connectTimeout, ResponseHeaderTimeout: patience, IdleConnTimeout: time.Minute,
		}},
		// A redirect would take the key along to where nobody meant it to go.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// watching does not wait for ever for a server that has fallen silent.
type watching struct{ *http.Transport }

func (w watching) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.Transport.RoundTrip(r)
	if err == nil {
		resp.Body = Watch(resp.Body, patience)
	}
	return resp, err
}
