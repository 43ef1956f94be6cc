package job

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"kalla"
)

// Client speaks to a scheduler. It is safe for concurrent use.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// NewClient is a client of the scheduler at a URL such as
// http://localhost:9090, which asks for the token if it is not empty.
func NewClient(baseURL, token string) (*Client, error) {
	u, err := url.Parse(baseURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "reading scheduler URL", Why: "it is not the http or https URL of a server", Hint: "write http://localhost:9090"}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // the environment is not this package's to read
	transport.ResponseHeaderTimeout = 2 * time.Minute
	return &Client{base: strings.TrimSuffix(u.String(), "/"), token: token, http: &http.Client{
		Transport: transport,
		// A redirect would take the token along to where nobody meant it to go.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close lets go of the connections that are kept for later.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// ErrUnreachable is in the chain of an error that is no answer of a scheduler.
var ErrUnreachable = errors.New("the scheduler cannot be reached")

// StatusError is an answer of a scheduler that is an error. What the client
// returns wraps it in a *kalla.Error; where the request had faults, it wraps those.
type StatusError struct {
	Status     int
	RetryAfter time.Duration // 0 when the scheduler does not say
	Faults     kalla.Faults
}

// Error names the status.
func (e *StatusError) Error() string {
	return fmt.Sprintf("status %d %s", e.Status, http.StatusText(e.Status))
}

// Unwrap returns the faults of the request, if it had some.
func (e *StatusError) Unwrap() error {
	if len(e.Faults) == 0 {
		return nil
	}
	return e.Faults
}

// Submit hands over a job. The same request may be sent again when it is not known whether it arrived.
func (c *Client) Submit(ctx context.Context, req Request) (out Accepted, err error) {
	return out, c.do(ctx, "submitting job", http.MethodPost, "/api/jobs", req, &out)
}

// Get looks at a job.
func (c *Client) Get(ctx context.Context, runID string) (out Job, err error) {
	return out, c.do(ctx, "looking at job", http.MethodGet, "/api/jobs/"+url.PathEscape(runID), nil, &out)
}

// Cancel ends a job and returns it as it then is; its engine may take a second to stop.
func (c *Client) Cancel(ctx context.Context, runID string) (out Job, err error) {
	return out, c.do(ctx, "cancelling job", http.MethodDelete, "/api/jobs/"+url.PathEscape(runID), nil, &out)
}

// Engine says which engine runs the jobs, and how many run.
func (c *Client) Engine(ctx context.Context) (out Engine, err error) {
	return out, c.do(ctx, "asking for the engine", http.MethodGet, "/api/engine", nil, &out)
}

// Preview looks at a source.
func (c *Client) Preview(ctx context.Context, req PreviewRequest) (out Preview, err error) {
	return out, c.do(ctx, "looking at source", http.MethodPost, "/api/preview", req, &out)
}

// Validate finds what is wrong with a recipe, and what it would do.
func (c *Client) Validate(ctx context.Context, req ValidateRequest) (out Validation, err error) {
	return out, c.do(ctx, "checking recipe", http.MethodPost, "/api/validate", req, &out)
}

// Draft proposes a recipe for two sources.
func (c *Client) Draft(ctx context.Context, req DraftRequest) (out Draft, err error) {
	return out, c.do(ctx, "drafting recipe", http.MethodPost, "/api/draft", req, &out)
}

// Trial runs a recipe at once, without evidence.
func (c *Client) Trial(ctx context.Context, req TrialRequest) (out kalla.Summary, err error) {
	return out, c.do(ctx, "trying recipe", http.MethodPost, "/api/trial", req, &out)
}

// Backtest runs a recipe at once and says what it does, and what is different from another.
func (c *Client) Backtest(ctx context.Context, req BacktestRequest) (out Backtest, err error) {
	return out, c.do(ctx, "back-testing recipe", http.MethodPost, "/api/backtest", req, &out)
}

// Wait looks at a job again and again until it has ended, and tells report
// (which may be nil) whatever it sees. It asks often at first and seldom later,
// and bears with a scheduler that is away for up to a minute.
func (c *Client) Wait(ctx context.Context, runID string, report func(Job)) (Job, error) {
	const quickest, slowest, patience = 20 * time.Millisecond, time.Second, time.Minute
	pause, seen := quickest, time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return Job{}, &kalla.Error{Code: kalla.CodeCanceled, Op: "waiting for job", Where: runID, Err: ctx.Err()}
		case <-timer.C:
		}
		j, err := c.Get(ctx, runID)
		switch status, answered := errors.AsType[*StatusError](err); {
		case err == nil:
			seen = time.Now()
			if report != nil {
				report(j)
			}
			if j.State.Final() {
				return j, nil
			}
		case ctx.Err() != nil: // said above
		case answered && status.Status < http.StatusInternalServerError && status.Status != http.StatusTooManyRequests, time.Since(seen) > patience:
			return Job{}, err
		}
		timer.Reset(pause)
		pause = min(pause*3/2, slowest)
	}
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 16 << 20

func (c *Client) do(ctx context.Context, op, method, path string, in, out any) error {
	fail := func(err error) error {
		if ctx.Err() != nil {
			return &kalla.Error{Code: kalla.CodeCanceled, Op: op, Where: c.base, Err: ctx.Err()}
		}
		return &kalla.Error{Code: kalla.CodeSource, Op: op, Where: c.base, Why: ErrUnreachable.Error(), Hint: "see that kallad scheduler runs there: " + err.Error(), Err: errors.Join(ErrUnreachable, err)}
	}
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return &kalla.Error{Code: kalla.CodeInternal, Op: op, Err: err}
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return &kalla.Error{Code: kalla.CodeInternal, Op: op, Err: err}
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err // the URL is said already
		}
		return fail(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fail(err)
	}
	if resp.StatusCode >= 300 {
		return c.refusal(op, resp, data)
	}
	if err := json.Unmarshal(data, out); err != nil {
		return &kalla.Error{Code: kalla.CodeSource, Op: op, Where: c.base, Why: "the answer is not that of a scheduler", Hint: "see that the URL is kallad's", Err: err}
	}
	return nil
}

// refusal makes a problem (RFC 9457) the error that it was at the scheduler.
func (c *Client) refusal(op string, resp *http.Response, data []byte) error {
	status := &StatusError{Status: resp.StatusCode}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		status.RetryAfter = time.Duration(seconds) * time.Second
	}
	var p struct {
		Detail string     `json:"detail"`
		Code   kalla.Code `json:"code"`
		Hint   string     `json:"hint"`
		Errors []struct {
			Location string `json:"location"`
			Message  string `json:"message"`
			Hint     string `json:"hint"`
		} `json:"errors"`
	}
	if json.Unmarshal(data, &p) != nil || p.Detail == "" {
		return &kalla.Error{Code: kalla.CodeSource, Op: op, Where: c.base, Hint: "see that the URL is kallad's", Err: status}
	}
	for _, e := range p.Errors {
		status.Faults = append(status.Faults, kalla.Fault{Path: strings.TrimPrefix(e.Location, "body."), Problem: e.Message, Hint: e.Hint})
	}
	if p.Code == "" {
		p.Code = kalla.CodeUsage
	}
	return &kalla.Error{Code: p.Code, Op: op, Where: c.base, Why: p.Detail, Hint: p.Hint, Err: status}
}
