package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/url"
	"os"
	"strings"

	"kalla"
)

// Login is how a cluster of others admits us: by a token, or a password, or, where it asks for nothing, a name.
type Login struct {
	User     string // empty means User
	Password string
	Token    string // a JSON Web Token
	CA       string // file of certificates in PEM that its certificate may come from, beside the system's
}

// client reads the URL of a cluster and makes a client for it.
func (l Login) client(raw string) (string, *http.Client, error) {
	bad := func(where, why, hint string, err error) (string, *http.Client, error) {
		return "", nil, &kalla.Error{Code: kalla.CodeUsage, Op: "reading the URL of Trino", Where: where, Why: why, Hint: hint, Err: err}
	}
	const form = "set --trino-url to https://HOST:PORT, and who you are by KALLA_TRINO_USER and KALLA_TRINO_PASSWORD, or KALLA_TRINO_TOKEN"
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return bad("--trino-url", "it is no URL", form, nil) // the error would print a password
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "":
		return bad(u.Redacted(), "it does not name a server alone", form, nil)
	case u.User != nil:
		return bad(u.Redacted(), "others on this machine can read a flag", form, nil)
	case u.Scheme == "http" && l.Password+l.Token != "" && !loopback(u.Hostname()):
		return bad(u.Redacted(), "a password or a token must not pass a network in the clear", "use https", nil)
	}
	a := &authorised{base: newTransport(), host: u.Host}
	switch {
	case l.Token != "":
		a.value = "Bearer " + l.Token
	case l.Password != "":
		user := l.User
		if user == "" {
			user = User
		}
		a.value = "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+l.Password))
	}
	if l.CA != "" {
		pem, err := os.ReadFile(l.CA)
		if err != nil {
			return bad(l.CA, "", "name a file of certificates with KALLA_TRINO_CA", err)
		}
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool()
		}
		if !roots.AppendCertsFromPEM(pem) {
			return bad(l.CA, "it holds no certificate in PEM", "name a file of certificates with KALLA_TRINO_CA", nil)
		}
		a.base.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return u.Scheme + "://" + u.Host, &http.Client{Transport: a}, nil
}
