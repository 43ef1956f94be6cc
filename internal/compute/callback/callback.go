// Package callback tells the clients of a scheduler how their jobs go, over
// HTTP. A callback goes to a host that the policy allows, at an address that
// it allows, and nowhere else: no redirect is followed and no proxy is used.
package callback

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"kalla"
)

const op = "calling back"

// keyHeader names a callback, so that its receiver can tell a repetition.
const keyHeader = "Idempotency-Key"

// Policy says where callbacks may go. Its errors are *kalla.Error.
type Policy interface {
	Callback(rawURL string) error      // asked of the URL, before its host is looked up
	Address(addr netip.AddrPort) error // asked of each address that is dialled
}

// Config is how callbacks are made.
type Config struct {
	Policy     Policy
	Token      string        // sent as Authorization: Bearer; empty for none
	SigningKey string        // Standard Webhooks: "whsec_" and 24 to 64 bytes in base64; empty for no signature
	Timeout    time.Duration // of one request with its answer; default 10 s
	UserAgent  string        // default "kallad"
	Log        *slog.Logger  // may be nil
	Resolver   *net.Resolver // of the hosts' names; nil for the system's
}

// Client makes callbacks. It is safe for concurrent use.
type Client struct {
	http    *http.Client
	policy  Policy
	token   string
	webhook *standardwebhooks.Webhook // nil without a signing key
	timeout time.Duration
	agent   string
	log     *slog.Logger
}

// New makes a client. Errors are *kalla.Error with CodeUsage: the token cannot
// be sent, or the signing key is none.
func New(cfg Config) (*Client, error) {
	webhook, err := checkSecrets(cfg.Token, cfg.SigningKey)
	if err != nil {
		return nil, err
	}
	c := &Client{policy: cfg.Policy, token: cfg.Token, webhook: webhook, timeout: cfg.Timeout, agent: cfg.UserAgent, log: cfg.Log}
	if c.timeout == 0 {
		c.timeout = 10 * time.Second
	}
	if c.agent == "" {
		c.agent = "kallad"
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	dialer := &net.Dialer{
		Resolver: cfg.Resolver,
		// The address is final here: a name that changed since it was asked about changes nothing.
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			addr, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			return cfg.Policy.Address(addr)
		},
	}
	c.http = &http.Client{
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			ForceAttemptHTTP2:      true, // TLS is 1.2 or later by default
			DisableCompression:     true,
			MaxIdleConns:           64,
			MaxIdleConnsPerHost:    8,
			IdleConnTimeout:        30 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// Close closes the connections that are kept for further callbacks.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Post makes one callback: it POSTs body as JSON and succeeds when a 2xx answers.
// The key is the same for each repetition of a callback and no other one's.
//
// Errors are *kalla.Error that hold neither the token nor the user or query of
// the URL. In their chain is one with Permanent() bool, whether a repetition is
// in vain (a URL that is refused, a 4xx other than 408, 425 and 429), and
// RetryAfter() time.Duration, what the receiver asked to wait, 0 if it did not.
func (c *Client) Post(ctx context.Context, rawURL, key string, body any) error {
	if err := c.policy.Callback(rawURL); err != nil {
		return refusal(err)
	}
	data, err := json.Marshal(body)
	if err != nil {
		return &kalla.Error{Code: kalla.CodeInternal, Op: op, Why: "the body cannot be written as JSON", Err: &outcome{permanent: true, err: err}}
	}
	timed, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(timed, http.MethodPost, rawURL, bytes.NewReader(data))
	if err != nil { // it would show the URL
		return failure("", "callback_url is not a URL", "", &outcome{permanent: true})
	}
	where := (&url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: req.URL.Path}).String()
	if err := c.head(req.Header, headerText(key), data); err != nil {
		return &kalla.Error{Code: kalla.CodeInternal, Op: op, Where: where, Err: err}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unanswered(ctx, where, err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // so that the connection can be used again
	return answered(where, resp)
}

func (c *Client) head(h http.Header, key string, data []byte) error {
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", c.agent)
	h.Set(keyHeader, key)
	if c.token != "" {
		h.Set("Authorization", "Bearer "+c.token)
	}
	if c.webhook == nil {
		return nil
	}
	now := time.Now()
	signature, err := c.webhook.Sign(key, now, data)
	if err != nil {
		return err
	}
	h.Set(standardwebhooks.HeaderWebhookID, key)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, signature)
	return nil
}

// headerText writes a key so that a header can hold it: the id of a run may hold anything.
func headerText(key string) string {
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' || key[i] == '%' {
			return url.PathEscape(key)
		}
	}
	return key
}

// unanswered says why no answer came.
func (c *Client) unanswered(ctx context.Context, where string, err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok { // which shows the query
		err = e.Err
	}
	if _, ok := errors.AsType[*kalla.Error](err); ok { // the policy's, of the address
		return refusal(err)
	}
	switch {
	case ctx.Err() != nil:
		return &kalla.Error{Code: kalla.CodeCanceled, Op: op, Where: where, Why: "cancelled", Err: &outcome{err: ctx.Err()}}
	case errors.Is(err, context.DeadlineExceeded):
		return failure(where, "no answer within "+c.timeout.String(), "is the receiver overloaded?", &outcome{err: err})
	}
	return failure(where, "", "is the receiver up, and reachable from the scheduler?", &outcome{err: err})
}

// answered says what an answer means.
func answered(where string, resp *http.Response) error {
	status := resp.StatusCode
	why, hint := "the receiver answered "+strconv.Itoa(status)+" "+http.StatusText(status), ""
	o := &outcome{retryAfter: retryAfter(resp.Header.Get("Retry-After"))}
	switch {
	case status/100 == 2:
		return nil
	case status/100 == 3:
		why = "the receiver redirects (" + strconv.Itoa(status) + "), which is not followed"
		hint = "give the address that it redirects to as callback_url"
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		o.permanent, hint = true, "do the scheduler and the receiver have the same token?"
	case status == http.StatusRequestTimeout || status == http.StatusTooEarly || status == http.StatusTooManyRequests:
	case status/100 == 4:
		o.permanent, hint = true, "is callback_url the address that /progress, /complete and /error are below?"
	}
	return failure(where, why, hint, o)
}

// retryAfter reads the header: seconds or a time, an hour at most.
func retryAfter(text string) time.Duration {
	wait := time.Duration(0)
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		wait = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = time.Until(at)
	}
	return min(max(wait, 0), time.Hour)
}

func failure(where, why, hint string, o *outcome) error {
	return &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: where, Why: why, Hint: hint, Err: o}
}

// refusal is the policy's error, with what it means.
func refusal(err error) error {
	o := &outcome{permanent: true, err: err}
	if e, ok := errors.AsType[*kalla.Error](err); ok {
		return &kalla.Error{Code: e.Code, Op: e.Op, Where: e.Where, Why: e.Why, Hint: e.Hint, Err: o}
	}
	return failure("", "", "", o)
}

// outcome is what a failure means for a repetition.
type outcome struct {
	permanent  bool
	retryAfter time.Duration
	err        error // may be nil
}

func (o *outcome) Error() string {
	if o.err == nil {
		return "callback refused"
	}
	return o.err.Error()
}

func (o *outcome) Unwrap() error             { return o.err }
func (o *outcome) Permanent() bool           { return o.permanent }
func (o *outcome) RetryAfter() time.Duration { return o.retryAfter }

// URL returns the address of one kind of callback (progress, complete, error)
// below a callback_url, whose query it keeps. Of what is no URL it returns it
// as it is, and Post refuses it.
func URL(base, kind string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	return u.JoinPath(kind).String()
}
