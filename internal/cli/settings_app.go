package cli

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"kalla/internal/agent"
	"kalla/internal/app"
	"kalla/internal/server/auth"
	"kalla/internal/source"
)

// Settings of the app.
const (
	keyData          = "data"
	keyStorage       = "storage"
	keyDatabase      = "database_url"
	keyWorkerURL     = "worker_url"
	keyCallbackURL   = "callback_url"
	keyPublicURL     = "public_url"
	keyPort          = "port"
	keyTLSCert       = "tls_cert"
	keyTLSKey        = "tls_key"
	keyTrustedProxy  = "trusted_proxy"
	keyMaxUpload     = "max_upload"
	keyLease         = "lease"
	keySecretKey     = "secret_key"
	keySecretKeyFile = "secret_key_file"
	keyAdminEmail    = "admin_email"
	keyAdminPassword = "admin_password"
	keyOIDCIssuer    = "oidc_issuer"
	keyOIDCClient    = "oidc_client_id"
	keyOIDCSecret    = "oidc_client_secret"
	keyOIDCName      = "oidc_name"
	keyOIDCDomains   = "oidc_domains"
	keyOIDCClaim     = "oidc_role_claim"
	keyOIDCRoles     = "oidc_roles"
	keyOIDCDefault   = "oidc_default_role"
	keyAnthropic     = "anthropic_api_key"
	keyAnthropicURL  = "anthropic_base_url"
	keyModel         = "model"
	keyModelURL      = "model_url"
	keyModelKey      = "model_key"
	keyModelPrices   = "model_prices"
	keyModelCost     = "model_max_cost"
	keyModelTokens   = "model_max_tokens"
)

var appSettings = []setting{
	{key: keyData, of: kallaProgram, flag: "data", env: []string{"KALLA_DATA"}, def: "kalla-data", example: "DIR",
		help: "where the app keeps its files: evidence, uploads, the secret key, and the database of kalla up"},
	{key: keyStorage, of: kallaProgram, flag: "storage", env: []string{"KALLA_STORAGE"}, example: "URI", mask: maskURI,
		help: "bucket for evidence and uploads instead of the data folder: s3://bucket/prefix"},
	{key: keyDatabase, of: kallaProgram, env: []string{"DATABASE_URL"}, mask: maskURI,
		help: "database of kalla serve: postgres://user:password@host:5432/database"},
	{key: keyWorkerURL, of: kallaProgram, flag: "worker-url", env: []string{"WORKER_URL"}, example: "URL", check: checkURL,
		help: "scheduler that runs the jobs of kalla serve: http://localhost:9090"},
	{key: keyCallbackURL, of: kallaProgram, flag: "callback-url", env: []string{"KALLA_CALLBACK_URL"}, example: "URL", check: checkURL,
		help: "where the scheduler reaches the app (default: its port at localhost)"},
	{key: keyPublicURL, of: kallaProgram, flag: "public-url", env: []string{"KALLA_PUBLIC_URL"}, example: "URL", check: checkURL,
		help: "where browsers reach the app, if that is behind a proxy or a name: https://kalla.example.com"},
	{key: keyPort, of: kallaProgram, flag: "port", env: []string{"KALLA_PORT"}, def: "3000", example: "PORT", check: checkPort,
		help: "port of the app; 0 takes a free one"},
	{key: keyTLSCert, of: kallaProgram, flag: "tls-cert", env: []string{"KALLA_TLS_CERT"}, example: "PATH",
		help: "certificate with its chain, in PEM, to serve https"},
	{key: keyTLSKey, of: kallaProgram, flag: "tls-key", env: []string{"KALLA_TLS_KEY"}, example: "PATH",
		help: "key of the certificate, in PEM"},
	{key: keyTrustedProxy, of: kallaProgram, list: true, flag: "trusted-proxy", env: []string{"KALLA_TRUSTED_PROXY"}, example: "NETWORK", check: checkNetworks,
		help: "address or network whose X-Forwarded-For and -Proto are believed, such as 10.0.0.0/8; may be repeated"},
	{key: keyMaxUpload, of: kallaProgram, flag: "max-upload", env: []string{"KALLA_MAX_UPLOAD"}, def: "5GB", example: "SIZE", check: checkSize,
		help: "largest file that may be uploaded"},
	{key: keyLease, of: kallaProgram, flag: "lease", env: []string{"KALLA_LEASE"}, def: "1m", example: "DURATION", check: checkLease,
		help: "how long kalla serve waits for a scheduler that is silent about a run, before it has the run made again"},
	{key: keySecretKey, of: kallaProgram, env: []string{"KALLA_SECRET_KEY"}, mask: hide,
		help: "seals stored credentials: 32 bytes in base64; older keys may follow after commas"},
	{key: keySecretKeyFile, of: kallaProgram, flag: "secret-key-file", env: []string{"KALLA_SECRET_KEY_FILE"}, example: "PATH",
		help: "file with it (default: secret.key in the data folder, made at the first start)"},
	{key: keyAdminEmail, of: kallaProgram, env: []string{"KALLA_ADMIN_EMAIL"},
		help: "first administrator, made when there are no users yet"},
	{key: keyAdminPassword, of: kallaProgram, env: []string{"KALLA_ADMIN_PASSWORD"}, mask: hide, help: "password of the first administrator"},
	{key: keyOIDCIssuer, of: kallaProgram, env: []string{"KALLA_OIDC_ISSUER"}, check: checkURL,
		help: "sign-in by OpenID Connect: the issuer, as in https://accounts.example.com"},
	{key: keyOIDCClient, of: kallaProgram, env: []string{"KALLA_OIDC_CLIENT_ID"}, help: "client id that the issuer gave"},
	{key: keyOIDCSecret, of: kallaProgram, env: []string{"KALLA_OIDC_CLIENT_SECRET"}, mask: hide, help: "client secret that the issuer gave"},
	{key: keyOIDCName, of: kallaProgram, env: []string{"KALLA_OIDC_NAME"}, help: "what the button says: Sign in with NAME (default: the issuer's host)"},
	{key: keyOIDCDomains, of: kallaProgram, list: true, env: []string{"KALLA_OIDC_DOMAINS"},
		help: "domains whose addresses get an account at their first sign-in; * for all of the issuer's"},
	{key: keyOIDCClaim, of: kallaProgram, env: []string{"KALLA_OIDC_ROLE_CLAIM"}, help: "claim of the ID token that decides roles, such as groups"},
	{key: keyOIDCRoles, of: kallaProgram, list: true, env: []string{"KALLA_OIDC_ROLES"}, check: checkRoles,
		help: "roles by values of the claim: finance=preparer,controllers=approver"},
	{key: keyOIDCDefault, of: kallaProgram, env: []string{"KALLA_OIDC_DEFAULT_ROLE"}, def: string(auth.Viewer),
		check: oneOf(string(auth.Viewer), string(auth.Preparer), string(auth.Approver), string(auth.Admin)),
		help:  "role of whoever gets an account at the first sign-in"},
	{key: keyAnthropic, of: kallaProgram, env: []string{"ANTHROPIC_API_KEY"}, mask: hide,
		help: "key for the assistant; without it the assistant is the deterministic one"},
	{key: keyAnthropicURL, of: kallaProgram, env: []string{"ANTHROPIC_BASE_URL"}, check: checkURL,
		help: "where the Anthropic API is, if not at Anthropic: a gateway that speaks as it does"},
	{key: keyModel, of: kallaProgram, env: []string{"KALLA_MODEL"},
		help: "language model that the assistant asks (default: " + app.DefaultModel + " where there is an Anthropic key)"},
	{key: keyModelURL, of: kallaProgram, env: []string{"KALLA_MODEL_URL"}, check: checkURL,
		help: "chat-completions endpoint that is asked instead, such as Ollama's http://localhost:11434/v1"},
	{key: keyModelKey, of: kallaProgram, env: []string{"KALLA_MODEL_KEY"}, mask: hide, help: "key of that endpoint, if it needs one"},
	{key: keyModelPrices, of: kallaProgram, env: []string{"KALLA_MODEL_PRICES"}, check: func(v string) error { _, err := app.ParsePrices(v); return err },
		help: "US dollars for a million tokens of that model: input,output or input,output,cache read,cache write"},
	{key: keyModelCost, of: kallaProgram, env: []string{"KALLA_MODEL_MAX_COST"}, check: checkCost,
		help: "most that a conversation may cost, in US dollars, if the prices are known (default: no bound)"},
	{key: keyModelTokens, of: kallaProgram, env: []string{"KALLA_MODEL_MAX_TOKENS"}, check: checkTokens,
		help: "most tokens that a conversation may take, cached ones too (default: no bound)"},
}

func hide(string) string { return "***" }

// maskURI shows a URI without its credentials.
func maskURI(uri string) string {
	masked, _ := source.Mask(uri, nil)
	return masked
}

func checkURL(v string) error {
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return fmt.Errorf("it is not an http or https URL such as https://kalla.example.com") // which may hold a password
	}
	return nil
}

func checkSize(v string) error {
	_, err := parseBytes(v)
	return err
}

func checkLease(v string) error {
	if d, err := time.ParseDuration(v); err != nil || d < 5*time.Second || d > 24*time.Hour {
		return fmt.Errorf("%q is not a duration such as 30s or 5m, of 5s at least", v)
	}
	return nil
}

func checkNetworks(v string) error {
	_, err := networks(v)
	return err
}

// networks reads addresses and networks with commas between.
func networks(v string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for text := range strings.SplitSeq(v, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		p, err := netip.ParsePrefix(text)
		if addr, addrErr := netip.ParseAddr(text); addrErr == nil {
			p, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return nil, fmt.Errorf("%q is not an address or a network such as 10.0.0.0/8", text)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

func checkRoles(v string) error {
	_, err := rolesByClaim(v)
	return err
}

// rolesByClaim reads VALUE=ROLE with commas between.
func rolesByClaim(v string) (map[string]auth.Role, error) {
	out := map[string]auth.Role{}
	for text := range strings.SplitSeq(v, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		value, role, ok := strings.Cut(text, "=")
		if !ok || strings.TrimSpace(value) == "" {
			return nil, fmt.Errorf("%q is not VALUE=ROLE, such as controllers=approver", text)
		}
		out[strings.TrimSpace(value)] = auth.Role(strings.TrimSpace(role))
	}
	return out, nil
}

func checkCost(v string) error {
	if d, err := decimal.NewFromString(v); err != nil || !d.IsPositive() {
		return fmt.Errorf("%q is not an amount of US dollars such as 2.50", v)
	}
	return nil
}

func checkTokens(v string) error {
	if n, err := strconv.ParseInt(v, 10, 64); err != nil || n < 1 {
		return fmt.Errorf("%q is not a number of tokens such as 500000", v)
	}
	return nil
}

// model is which language model the assistant asks, and how much of it.
func (c *command) model() app.ModelConfig {
	s := c.settings
	tokens, _ := strconv.ParseInt(s.get(keyModelTokens), 10, 64) // checked when it was read
	return app.ModelConfig{
		AnthropicKey: s.get(keyAnthropic), AnthropicURL: s.get(keyAnthropicURL), URL: s.get(keyModelURL), Key: s.get(keyModelKey),
		Name: s.get(keyModel), Prices: s.get(keyModelPrices),
		Budget: agent.Budget{Tokens: tokens, Cost: s.get(keyModelCost)}, LookupEnv: c.env.LookupEnv,
	}
}
