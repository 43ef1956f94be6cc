package callback_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"kalla"
	"kalla/internal/compute/callback"
	"kalla/internal/compute/policy"
)

func TestMain(m *testing.M) {
	// A proxy that nothing may use; net/http reads it once a process.
	os.Setenv("HTTP_PROXY", "http://127.0.0.1:9")
	goleak.VerifyTestMain(m)
}

var signingKey = "whsec_" + base64.StdEncoding.EncodeToString([]byte("a key of at least 24 bytes"))

// client makes a client for a scheduler on loopback, where cfg has no policy.
func client(t testing.TB, cfg callback.Config) *callback.Client {
	t.Helper()
	if cfg.Policy == nil {
		cfg.Policy = allow(t, policy.Config{Loopback: true})
	}
	c, err := callback.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func allow(t testing.TB, cfg policy.Config) *policy.Policy {
	t.Helper()
	p, err := policy.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func receiver(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// failed wants a *kalla.Error that says whether to try again, and keeps secrets.
func failed(t testing.TB, err error, permanent bool, why string) kalla.Error {
	t.Helper()
	e, ok := errors.AsType[*kalla.Error](err)
	if !ok {
		t.Fatalf("got %v, want an error", err)
	}
	o, ok := errors.AsType[interface {
		error
		Permanent() bool
		RetryAfter() time.Duration
	}](err)
	if !ok || o.Permanent() != permanent {
		t.Errorf("%v: want permanent %t", err, permanent)
	}
	if !strings.Contains(err.Error(), why) {
		t.Errorf("got %q, want it to say %q", err, why)
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), "s3cret") {
			t.Errorf("%q holds a secret", e)
		}
	}
	return *e
}

func TestPost(t *testing.T) {
	var got *http.Request
	var body []byte
	s := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusNoContent)
	})
	c := client(t, callback.Config{Token: "t0ken", SigningKey: signingKey, UserAgent: "kallad/1"})
	if err := c.Post(t.Context(), s.URL+"/api/worker/complete?team=a", "r1.2.complete", map[string]any{"run_id": "r1", "n": 1}); err != nil {
		t.Fatal(err)
	}
	if got.Method != "POST" || got.URL.String() != "/api/worker/complete?team=a" || string(body) != `{"n":1,"run_id":"r1"}` {
		t.Errorf("got %s %s %s", got.Method, got.URL, body)
	}
	for name, want := range map[string]string{"Content-Type": "application/json", "User-Agent": "kallad/1", "Authorization": "Bearer t0ken",
		"Idempotency-Key": "r1.2.complete", "Webhook-Id": "r1.2.complete"} {
		if v := got.Header.Get(name); v != want {
			t.Errorf("%s is %q, want %q", name, v, want)
		}
	}
	mac := hmac.New(sha256.New, []byte("a key of at least 24 bytes"))
	fmt.Fprintf(mac, "r1.2.complete.%s.%s", got.Header.Get("Webhook-Timestamp"), body)
	if v, want := got.Header.Get("Webhook-Signature"), "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)); v != want {
		t.Errorf("signature is %s, want %s", v, want)
	}
	v, err := callback.NewVerifier("t0ken", signingKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Verify(got.Header, body); err != nil {
		t.Errorf("not verified: %v", err)
	}

	// Without secrets there are no headers of them; any run_id can be sent.
	if err := client(t, callback.Config{}).Post(t.Context(), s.URL, "run\r\n ü%.1.error", nil); err != nil {
		t.Fatal(err)
	}
	if got.Header.Get("Idempotency-Key") != "run%0D%0A%20%C3%BC%25.1.error" || got.Header.Get("Authorization")+got.Header.Get("Webhook-Signature") != "" {
		t.Errorf("got %v", got.Header)
	}
}

func TestAnswers(t *testing.T) {
	for _, tc := range []struct {
		status     int
		retryAfter string
		permanent  bool
		wait       time.Duration
	}{
		{500, "", false, 0}, {502, "7", false, 7 * time.Second}, {503, "99999999", false, time.Hour}, {408, "", false, 0}, {425, "", false, 0},
		{429, "soon", false, 0}, {429, "-5", false, 0}, {503, "Sun, 06 Nov 1994 08:49:37 GMT", false, 0},
		{400, "", true, 0}, {401, "", true, 0}, {403, "", true, 0}, {404, "", true, 0}, {410, "", true, 0}, {422, "", true, 0}, {304, "", false, 0},
	} {
		s := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
			if tc.retryAfter != "" {
				w.Header().Set("Retry-After", tc.retryAfter)
			}
			w.WriteHeader(tc.status)
		})
		err := client(t, callback.Config{Token: "s3cret"}).Post(t.Context(), s.URL+"/complete?key=s3cret", "k", 1)
		e := failed(t, err, tc.permanent, fmt.Sprint(tc.status))
		if e.Where != s.URL+"/complete" {
			t.Errorf("where is %q", e.Where)
		}
		if o, _ := errors.AsType[interface {
			error
			RetryAfter() time.Duration
		}](err); o.RetryAfter() != tc.wait {
			t.Errorf("%d after %q: wait %s, want %s", tc.status, tc.retryAfter, o.RetryAfter(), tc.wait)
		}
	}
}

func TestNoAnswer(t *testing.T) {
	hang := receiver(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	failed(t, client(t, callback.Config{Timeout: 50 * time.Millisecond}).Post(t.Context(), hang.URL+"?s3cret", "k", 1), false, "no answer within 50ms")

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if e := failed(t, client(t, callback.Config{}).Post(ctx, hang.URL, "k", 1), false, "cancelled"); e.Code != kalla.CodeCanceled {
		t.Errorf("got code %s", e.Code)
	}

	endless := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 1<<10)); err != nil {
				return
			}
		}
	})
	if err := client(t, callback.Config{}).Post(t.Context(), endless.URL, "k", 1); err != nil {
		t.Error(err)
	}

	down := receiver(t, nil)
	down.Close()
	failed(t, client(t, callback.Config{}).Post(t.Context(), down.URL+"/?s3cret", "k", 1), false, "refused")

	plain := receiver(t, func(http.ResponseWriter, *http.Request) {})
	failed(t, client(t, callback.Config{}).Post(t.Context(), strings.Replace(plain.URL, "http:", "https:", 1), "k", 1), false, "HTTP")
}

// nameserver answers every question with the address that at returns.
func nameserver(t testing.TB, at func() [4]byte) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	go func() {
		defer close(done)
		q := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(q)
			if err != nil {
				return
			}
			end := 12 // of the question: labels, a zero, type, class
			for q[end] != 0 {
				end += int(q[end]) + 1
			}
			end += 5
			answers, isA := byte(0), n >= end && q[end-3] == 1
			if isA {
				answers = 1
			}
			reply := append([]byte{q[0], q[1], 0x84, 0, 0, 1, 0, answers, 0, 0, 0, 0}, q[12:end]...)
			if isA { // the name by reference, A, IN, no caching, four bytes
				ip := at()
				reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
				reply = append(reply, ip[:]...)
			}
			_, _ = conn.WriteTo(reply, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func TestNameThatLeadsElsewhere(t *testing.T) {
	var hits atomic.Int32
	s := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		w.Header().Set("Connection", "close")
	})
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	var address atomic.Value
	resolver := nameserver(t, func() [4]byte { return address.Load().([4]byte) })
	target := "http://app.example:" + port + "/complete"

	// The name is allowed, the machine itself is not.
	c := client(t, callback.Config{Resolver: resolver, Policy: allow(t, policy.Config{Callbacks: []string{"app.example"}})})
	address.Store([4]byte{127, 0, 0, 1})
	failed(t, c.Post(t.Context(), target, "k", 1), true, "own machine")
	if n := hits.Load(); n != 0 {
		t.Fatalf("%d requests reached the machine itself", n)
	}

	// Where it is, the name leads there, until it changes between question and connection.
	c = client(t, callback.Config{Resolver: resolver, Timeout: 5 * time.Second, Policy: allow(t, policy.Config{Callbacks: []string{"app.example", "127.0.0.1"}})})
	if err := c.Post(t.Context(), target, "k", 1); err != nil {
		t.Fatal(err)
	}
	for _, ip := range [][4]byte{{169, 254, 169, 254}, {0, 0, 0, 0}, {224, 0, 0, 1}, {100, 100, 100, 200}} {
		address.Store(ip)
		failed(t, c.Post(t.Context(), target, "k", 1), true, "local link")
	}
	if n := hits.Load(); n != 1 {
		t.Errorf("%d requests arrived, want 1", n)
	}
}

func TestRefused(t *testing.T) {
	var hits atomic.Int32
	other := receiver(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", other.URL)
			w.WriteHeader(status)
		})
		failed(t, client(t, callback.Config{}).Post(t.Context(), s.URL, "k", 1), false, "redirects")
	}
	_, port, _ := net.SplitHostPort(other.Listener.Addr().String())
	c := client(t, callback.Config{Policy: allow(t, policy.Config{Callbacks: []string{"app"}})})
	for _, u := range []string{"http://127.0.0.1:", "http://localhost.:", "http://[::ffff:127.0.0.1]:", "http://0x7f000001:", "http://2130706433:", "http://127.1:",
		"http://app@127.0.0.1:", "http://app#@127.0.0.1:", "http://0.0.0.0:", "http://[::]:"} {
		failed(t, c.Post(t.Context(), u+port+"/?s3cret", "k", 1), true, "checking callback_url")
	}
	failed(t, c.Post(t.Context(), "http://u:s3cret@h:x y/", "k", 1), true, "not a URL")
	if n := hits.Load(); n != 0 {
		t.Errorf("%d requests arrived where none may", n)
	}
}

func TestURL(t *testing.T) {
	for base, want := range map[string]string{
		"http://h":                   "http://h/progress",
		"http://h/":                  "http://h/progress",
		"http://h/api/worker":        "http://h/api/worker/progress",
		"http://h/api/worker/?a=b&c": "http://h/api/worker/progress?a=b&c",
		"http://h/a%2Fb":             "http://h/a%2Fb/progress",
		"http://h:x":                 "http://h:x",
	} {
		if got := callback.URL(base, "progress"); got != want {
			t.Errorf("%s: got %s, want %s", base, got, want)
		}
	}
}

func TestSecrets(t *testing.T) {
	for _, cfg := range []callback.Config{
		{Token: "a b"}, {Token: "a\n"}, {Token: "ü"}, {SigningKey: "whsec_"}, {SigningKey: "s3cret"}, {SigningKey: base64.StdEncoding.EncodeToString(make([]byte, 65))},
	} {
		_, err := callback.New(cfg)
		e, ok := errors.AsType[*kalla.Error](err)
		if !ok || e.Code != kalla.CodeUsage || e.Hint == "" || strings.Contains(e.Error(), "s3cret") {
			t.Errorf("%+v: got %v", cfg, err)
		}
		if _, err := callback.NewVerifier(cfg.Token, cfg.SigningKey); err == nil {
			t.Errorf("%+v verifies", cfg)
		}
	}
}

func TestVerify(t *testing.T) {
	sign := func(id, body string, at time.Time) string {
		mac := hmac.New(sha256.New, []byte("a key of at least 24 bytes"))
		fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body)
		return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	now := time.Now()
	head := func(bearer, id, signature string, at time.Time) http.Header {
		h := http.Header{"Webhook-Timestamp": {fmt.Sprint(at.Unix())}}
		for name, v := range map[string]string{"Authorization": bearer, "Idempotency-Key": id, "Webhook-Id": id, "Webhook-Signature": signature} {
			if v != "" {
				h.Set(name, v)
			}
		}
		return h
	}
	moved := head("", "id", sign("id", "{}", now), now)
	moved.Set("Idempotency-Key", "other")
	for name, tc := range map[string]struct {
		token, key string
		h          http.Header
		ok         bool
	}{
		"nothing asked":   {"", "", http.Header{}, true},
		"token":           {"t", "", head("Bearer t", "", "", now), true},
		"token, other":    {"t", "", head("bearer t", "", "", now), true},
		"no token":        {"t", "", http.Header{}, false},
		"empty token":     {"t", "", head("Bearer ", "", "", now), false},
		"wrong token":     {"t", "", head("Bearer tt", "", "", now), false},
		"basic":           {"t", "", head("Basic t", "", "", now), false},
		"signed":          {"", signingKey, head("", "id", sign("id", "{}", now), now), true},
		"two signatures":  {"", signingKey, head("", "id", "v1,bm8= "+sign("id", "{}", now), now), true},
		"unsigned":        {"", signingKey, head("", "id", "", now), false},
		"other body":      {"", signingKey, head("", "id", sign("id", "{1}", now), now), false},
		"other id":        {"", signingKey, head("", "id", sign("di", "{}", now), now), false},
		"other time":      {"", signingKey, head("", "id", sign("id", "{}", now.Add(-time.Second)), now), false},
		"replayed":        {"", signingKey, head("", "id", sign("id", "{}", now.Add(-6*time.Minute)), now.Add(-6*time.Minute)), false},
		"from tomorrow":   {"", signingKey, head("", "id", sign("id", "{}", now.Add(6*time.Minute)), now.Add(6*time.Minute)), false},
		"key exchanged":   {"", signingKey, moved, false},
		"both":            {"t", signingKey, head("Bearer t", "id", sign("id", "{}", now), now), true},
		"both, no token":  {"t", signingKey, head("", "id", sign("id", "{}", now), now), false},
		"both, no signed": {"t", signingKey, head("Bearer t", "id", "", now), false},
	} {
		v, err := callback.NewVerifier(tc.token, tc.key)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Verify(tc.h, []byte("{}")); tc.ok != (err == nil) {
			t.Errorf("%s: %v", name, err)
		} else if err != nil && kalla.CodeOf(err) != kalla.CodeUsage {
			t.Errorf("%s: code %s", name, kalla.CodeOf(err))
		}
	}
}
