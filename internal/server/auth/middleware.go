package auth

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"kalla/internal/state"
)

// Middleware goes around everything that the app serves. It sets the headers
// that protect a browser, refuses what another site makes a browser send, and
// puts the Principal into the context. Whether that one may do what it asks is
// for Protect to say.
func (s *Service) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req := &request{addr: clientAddr(r, s.trusted), secure: s.secure(r), agent: clip(r.UserAgent(), 300)}
		s.protectBrowser(w.Header(), r, req.secure)
		if s.local && !s.ownHost(r.Host) {
			writeProblem(w, http.StatusMisdirectedRequest, "The app runs on this machine only, and "+clip(r.Host, 200)+
				" is not its name. Open it as http://localhost, with the port, or set the public URL if there is a proxy in front of it.")
			return
		}
		bearer, hasBearer := bearerOf(r)
		cookie := ""
		if c, err := r.Cookie(sessionCookie(req.secure)); err == nil {
			cookie = c.Value
		}
		// A bearer token is sent by programs; no page of another site can add one.
		// It counts instead of a cookie, so it needs no protection against those pages.
		if !hasBearer {
			if problem := s.crossSite(r, cookie != ""); problem != "" {
				writeProblem(w, http.StatusForbidden, problem)
				return
			}
		}
		switch {
		case hasBearer:
			s.identifyToken(r.Context(), req, bearer)
		case cookie != "":
			s.identifySession(r.Context(), req, cookie)
		}
		ctx := state.WithActor(r.Context(), req.actor())
		next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, requestKey{}, req)))
	})
}

// secure reports whether the browser's connection is encrypted.
func (s *Service) secure(r *http.Request) bool {
	return overTLS(r, s.trusted) || s.public != nil && s.public.Scheme == "https" && strings.EqualFold(r.Host, s.public.Host)
}

// crossSite says why a request may be the doing of another site, and nothing if it is not.
func (s *Service) crossSite(r *http.Request, withCookie bool) string {
	if err := s.cross.Check(r); err != nil {
		return "The request comes from another site. Open the app itself to do this; behind a proxy, set the public URL to what the browser shows."
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return ""
	}
	if withCookie && r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") == "" {
		return "The request carries a session but does not say which site it comes from. Programs authenticate with an API token instead; old browsers need an update."
	}
	return ""
}

// ownHost reports whether a Host header names this machine, or the public URL.
func (s *Service) ownHost(hostport string) bool {
	if s.public != nil && strings.EqualFold(hostport, s.public.Host) {
		return true
	}
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.IsLoopback()
}

// contentPolicy is the Content-Security-Policy of the web app, whose scripts
// are files of its own. Components position themselves by style attributes.
func contentPolicy(uploads []string) string {
	connect := strings.Join(append([]string{"'self'"}, uploads...), " ")
	return strings.Join([]string{
		"default-src 'self'",
		"script-src 'self'",
		"style-src 'self' 'unsafe-inline'",
		"img-src 'self' data:",
		"connect-src " + connect,
		"object-src 'none'",
		"base-uri 'none'",
		"form-action 'self'",
		"frame-ancestors 'none'",
	}, "; ")
}

func (s *Service) protectBrowser(h http.Header, r *http.Request, secure bool) {
	h.Set("Content-Security-Policy", s.csp)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	if strings.HasPrefix(r.URL.Path, "/api/") {
		h.Set("Cache-Control", "no-store")
	}
}

func bearerOf(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.TrimSpace(token), true
}

// writeProblem answers with an RFC 9457 problem where no operation has been reached.
func writeProblem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	// An error here is that of a client that has gone.
	_ = json.NewEncoder(w).Encode(huma.ErrorModel{Title: http.StatusText(status), Status: status, Detail: detail})
}

// clip bounds what a client says about itself.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}

// localPath returns a path within the app to go on to, and / for anything else
// that a link may have carried.
func localPath(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(s, "/") ||
		strings.HasPrefix(s, "//") || strings.ContainsAny(s, "\\\r\n\t") || len(s) > 1000 {
		return "/"
	}
	return s
}
