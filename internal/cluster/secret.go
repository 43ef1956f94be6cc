package cluster

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"kalla"
)

// SecretEnv stands in no flag, where everybody could see it.
const SecretEnv = "KALLA_CLUSTER_SECRET"

// minSecret is a length below which a secret can be guessed.
const minSecret = 16

// Secret is what all nodes of a cluster know and nobody else. What they show
// each other is derived from it, one key for each purpose. The empty secret is
// for nodes that only this machine reaches.
type Secret string

// Check reports whether the secret will do for a node that is reached by that host.
func (s Secret) Check(host string) error {
	const op, hint = "reading the secret of the cluster", "set " + SecretEnv + " to the same text on the scheduler and every executor (openssl rand -hex 32 makes one)"
	switch {
	case s == "" && !loopback(host):
		return &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: SecretEnv, Why: "it is not set, and other machines reach this one as " + host, Hint: hint + ", or use 127.0.0.1"}
	case s != "" && len(s) < minSecret:
		return &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: SecretEnv, Why: fmt.Sprintf("it has fewer than %d characters and could be guessed", minSecret), Hint: hint}
	}
	return nil
}

// Key derives the key of 32 bytes for a purpose.
func (s Secret) Key(purpose string) []byte {
	h := hmac.New(sha256.New, []byte(s))
	h.Write([]byte("kalla cluster " + purpose))
	return h.Sum(nil)
}

// daemonToken is what a scheduler shows to the daemons of executors.
func (s Secret) daemonToken() string { return hex.EncodeToString(s.Key("daemon")) }

// admits reports whether a request shows that its sender knows the secret.
func (s Secret) admits(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && subtle.ConstantTimeCompare([]byte(token), []byte(s.daemonToken())) == 1
}

// queryToken is a JSON Web Token that Trino accepts, for a few minutes.
func (s Secret) queryToken(now time.Time) string {
	encode := base64.RawURLEncoding.EncodeToString
	claims, err := json.Marshal(map[string]any{"sub": User, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix()})
	if err != nil {
		panic(err) // a map of a text and two numbers
	}
	signed := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(claims)
	h := hmac.New(sha256.New, s.Key("queries"))
	h.Write([]byte(signed))
	return signed + "." + encode(h.Sum(nil))
}

// trinoTransport sends requests to one node that is ours. It shows a token only
// there. Trino takes tokens over TLS or behind a proxy that says it has done
// that: inside the cluster's own network this client is that proxy, and the
// addresses in answers, which are https, are meant as http.
type trinoTransport struct {
	base   *http.Transport
	host   string // with port
	secret Secret
}

func (t *trinoTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != t.host {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, fmt.Errorf("this client is for %s, not for %s", t.host, r.URL.Host)
	}
	r = r.Clone(r.Context())
	r.URL.Scheme = "http"
	r.Header.Set("X-Forwarded-Proto", "https")
	r.Header.Set("Authorization", "Bearer "+t.secret.queryToken(time.Now()))
	return t.base.RoundTrip(r)
}

// CloseIdleConnections frees what (*http.Client).CloseIdleConnections asks for.
func (t *trinoTransport) CloseIdleConnections() {
	t.base.CloseIdleConnections()
}

// TrinoClient is a client for the node at host:port that knows the secret.
func TrinoClient(host string, secret Secret) *http.Client {
	return &http.Client{Transport: &trinoTransport{base: newTransport(), host: host, secret: secret}}
}

// DaemonClient is a client for the daemons of executors that knows the secret. It has no time limit of its own.
func DaemonClient(secret Secret) *http.Client {
	return &http.Client{Transport: &authorised{base: newTransport(), value: "Bearer " + secret.daemonToken()}}
}

// authorised adds a header to what is sent to one host, or to all where it names none.
type authorised struct {
	base  *http.Transport
	host  string
	value string
}

func (a *authorised) RoundTrip(r *http.Request) (*http.Response, error) {
	if a.value != "" && (a.host == "" || a.host == r.URL.Host) {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", a.value)
	}
	return a.base.RoundTrip(r)
}

// CloseIdleConnections frees what (*http.Client).CloseIdleConnections asks for.
func (a *authorised) CloseIdleConnections() { a.base.CloseIdleConnections() }

// newTransport gives up quickly on hosts that are not there.
func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil // nodes reach each other directly
	t.DialContext = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	return t
}
