package auth

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"kalla/internal/state"
)

// maxBody bounds the bodies of this package's operations, in bytes.
const maxBody = 16 << 10

// Register adds the operations of this package to an API that Protect guards.
func (s *Service) Register(api huma.API) {
	add(api, http.MethodGet, "/api/auth", "ways-to-sign-in", "How one can sign in here", Public, s.ways)
	add(api, http.MethodPost, "/api/auth/sign-in", "sign-in", "Sign in with a password", Public, s.signIn)
	add(api, http.MethodPost, "/api/auth/sign-out", "sign-out", "End the session", Public, s.signOut)
	add(api, http.MethodPost, "/api/auth/setup", "setup", "Make the first administrator", Public, s.firstUser)
	add(api, http.MethodGet, "/api/auth/link", "follow-link", "Sign in with a one-time link", Public, s.followLink)
	add(api, http.MethodGet, "/api/auth/me", "who-am-i", "Who is signed in, and what they may do", Self, s.me)
	add(api, http.MethodPost, "/api/auth/password", "change-password", "Change one's password", Account, s.changePassword)
	add(api, http.MethodGet, "/api/auth/sessions", "list-sessions", "Where one is signed in", Account, s.listSessions)
	add(api, http.MethodDelete, "/api/auth/sessions", "end-sessions", "Sign out everywhere", Account, s.endSessions)
	add(api, http.MethodDelete, "/api/auth/sessions/{id}", "end-session", "Sign out in one place", Account, s.endOneSession)
	if s.oidc != nil {
		add(api, http.MethodGet, "/api/auth/oidc/start", "oidc-start", "Go to the OpenID provider", Public, s.oidcStart)
		add(api, http.MethodGet, oidcCallback, "oidc-callback", "Come back from the OpenID provider", Public, s.oidcFinish)
	}

	add(api, http.MethodGet, "/api/tokens", "list-tokens", "One's API tokens", Account, s.listTokens)
	add(api, http.MethodPost, "/api/tokens", "create-token", "Make an API token", Account, s.createToken)
	add(api, http.MethodDelete, "/api/tokens/{id}", "revoke-token", "Revoke an API token", Account, s.revokeToken)

	add(api, http.MethodGet, "/api/users", "list-users", "All users", UsersAdmin, s.listUsers)
	add(api, http.MethodPost, "/api/users", "create-user", "Add a user", UsersAdmin, s.createUser)
	add(api, http.MethodPatch, "/api/users/{id}", "update-user", "Change a user", UsersAdmin, s.updateUser)
	add(api, http.MethodDelete, "/api/users/{id}", "delete-user", "Delete a user", UsersAdmin, s.deleteUser)
}

func add[I, O any](api huma.API, method, path, id, summary string, perm Permission, handler func(context.Context, *I) (*O, error)) {
	huma.Register(api, huma.Operation{Method: method, Path: path, OperationID: id, Summary: summary, Tags: []string{"auth"},
		Metadata: Require(perm), MaxBodyBytes: maxBody}, handler)
}

// empty is an operation's answer without a body, or its request without anything.
type empty struct{}

// redirect sends a browser on.
type redirect struct {
	Status   int
	Location string        `header:"Location"`
	Cookies  []http.Cookie `header:"Set-Cookie"`
}

func to(path string, cookies ...http.Cookie) *redirect {
	return &redirect{Status: http.StatusSeeOther, Location: path, Cookies: cookies}
}

// toSignIn sends a browser to the sign-in page, which explains the code and
// goes on to the path once another try succeeds.
func toSignIn(code, path string, cookies ...http.Cookie) *redirect {
	location := "/sign-in?error=" + code
	if path = localPath(path); path != "/" {
		location += "&next=" + url.QueryEscape(path)
	}
	return to(location, cookies...)
}

// fail is the problem of an error of the store. What it is of is logged, not told.
func (s *Service) fail(ctx context.Context, op string, err error) error {
	switch {
	case errors.Is(err, state.ErrNotFound):
		return huma.Error404NotFound("There is no such thing, or it is not yours. It may have been deleted in the meantime.")
	case errors.Is(err, state.ErrExists):
		return huma.Error409Conflict("There is a user of that e-mail address already.")
	case errors.Is(err, state.ErrStale):
		return huma.Error409Conflict("Somebody else changed it in the meantime. Load it again.")
	case errors.Is(err, state.ErrConstraint):
		return huma.Error409Conflict("This is the last administrator. Make somebody else one first.")
	case errors.Is(err, state.ErrCursor):
		return huma.Error422UnprocessableEntity("The cursor is not one of this list. Begin again without it.")
	case ctx.Err() != nil: // nobody waits for the answer
		return huma.Error503ServiceUnavailable("The request was cancelled.")
	}
	s.logFailure(ctx, op, err)
	if errors.Is(err, state.ErrUnavailable) {
		return huma.Error503ServiceUnavailable("The database does not answer. Try again in a moment.")
	}
	return huma.Error500InternalServerError("It did not work, by a fault of the app's own. The log says what happened.")
}

// tooMany is the problem of who has to wait.
func tooMany(wait time.Duration) error {
	seconds := max(1, int(math.Ceil(wait.Seconds())))
	h := http.Header{"Retry-After": {strconv.Itoa(seconds)}}
	return huma.ErrorWithHeaders(huma.Error429TooManyRequests("Too many attempts. Try again in "+strconv.Itoa(seconds)+" seconds."), h)
}

// invalid is the problem of one field of a body.
func invalid(field, problem string) error {
	return huma.Error422UnprocessableEntity(problem, &huma.ErrorDetail{Location: "body." + field, Message: problem})
}
