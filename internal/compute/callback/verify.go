package callback

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strings"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"kalla"
)

// checkSecrets refuses a token that a header cannot hold, and reads a signing key.
func checkSecrets(token, signingKey string) (*standardwebhooks.Webhook, error) {
	fault := func(where, why, hint string) (*standardwebhooks.Webhook, error) {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "setting up callbacks", Where: where, Why: why, Hint: hint}
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fault("token", "it holds a space or a character beyond ASCII", "make one: openssl rand -hex 32")
	}
	if signingKey == "" {
		return nil, nil
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(signingKey, "whsec_"))
	if err != nil || len(key) < 24 || len(key) > 64 {
		return fault("signing key", "it is not 24 to 64 bytes in base64", `make one: echo "whsec_$(openssl rand -base64 32)"`)
	}
	return standardwebhooks.NewWebhookRaw(key)
}

// Verifier tells a receiver whether a callback comes from its scheduler.
type Verifier struct {
	bearer  [sha256.Size]byte
	token   bool
	webhook *standardwebhooks.Webhook
}

// NewVerifier makes a verifier of a token, a signing key or both; what is empty
// is not asked for. Errors are those of [New].
func NewVerifier(token, signingKey string) (*Verifier, error) {
	webhook, err := checkSecrets(token, signingKey)
	if err != nil {
		return nil, err
	}
	return &Verifier{bearer: sha256.Sum256([]byte(token)), token: token != "", webhook: webhook}, nil
}

// Verify checks the token, and that the body was signed within five minutes
// from now for the Idempotency-Key that it came with, in constant time. That a
// key is not taken twice is for the receiver to see to.
// Errors are *kalla.Error with CodeUsage.
func (v *Verifier) Verify(h http.Header, body []byte) error {
	fault := func(why, hint string, err error) error {
		return &kalla.Error{Code: kalla.CodeUsage, Op: "verifying callback", Why: why, Hint: hint, Err: err}
	}
	if v.token {
		scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
		sum := sha256.Sum256([]byte(token))
		if subtle.ConstantTimeCompare(sum[:], v.bearer[:]) != 1 || !strings.EqualFold(scheme, "Bearer") {
			return fault("the token is missing or wrong", "give the scheduler and the receiver the same token", nil)
		}
	}
	if v.webhook == nil {
		return nil
	}
	if err := v.webhook.Verify(body, h); err != nil {
		return fault("the signature is missing, wrong or of another time", "give the scheduler and the receiver the same signing key, and check their clocks", err)
	}
	if h.Get(keyHeader) != h.Get(standardwebhooks.HeaderWebhookID) {
		return fault("the signature is of another callback", "", nil)
	}
	return nil
}
