package auth

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
)

// metadataKey is where an operation declares its permission, and extension
// where the OpenAPI document says it.
const (
	metadataKey = "permission"
	extension   = "x-permission"
)

// Require is the Metadata of an operation that takes a permission:
//
//	huma.Register(api, huma.Operation{…, Metadata: auth.Require(auth.RunsWrite)}, handler)
func Require(p Permission) map[string]any { return map[string]any{metadataKey: p} }

// Protect lets through to each operation of api only those who have its
// permission. It must be called before operations are registered: registering
// one that declares none panics. The permission is in the OpenAPI document as
// x-permission.
func (s *Service) Protect(api huma.API) {
	doc := api.OpenAPI()
	if doc.Components.SecuritySchemes == nil {
		doc.Components.SecuritySchemes = map[string]*huma.SecurityScheme{}
	}
	doc.Components.SecuritySchemes["session"] = &huma.SecurityScheme{Type: "apiKey", In: "cookie", Name: sessionCookie(true),
		Description: "The cookie of a browser that signed in"}
	doc.Components.SecuritySchemes["token"] = &huma.SecurityScheme{Type: "http", Scheme: "bearer",
		Description: "An API token, made under Settings"}
	doc.OnAddOperation = append(doc.OnAddOperation, declare)
	api.UseMiddleware(func(ctx huma.Context, next func(huma.Context)) {
		if status, problem := s.refuse(ctx); problem != "" {
			if status == http.StatusUnauthorized {
				ctx.SetHeader("WWW-Authenticate", `Bearer realm="kalla"`)
			}
			_ = huma.WriteErr(api, ctx, status, problem) // it fails where the client has gone
			return
		}
		next(ctx)
	})
}

// declare writes an operation's permission into the document.
func declare(_ *huma.OpenAPI, op *huma.Operation) {
	perm, ok := op.Metadata[metadataKey].(Permission)
	if _, known := rules[perm]; !ok || !known && perm != Public {
		panic(fmt.Sprintf("auth: %s %s declares no permission: see auth.Require", op.Method, op.Path))
	}
	if op.Extensions == nil {
		op.Extensions = map[string]any{}
	}
	op.Extensions[extension] = perm
	if perm == Public {
		return
	}
	op.Security = []map[string][]string{{"session": {}}}
	if len(rules[perm].scopes) > 0 {
		op.Security = append(op.Security, map[string][]string{"token": {}})
	}
}

// refuse says why an operation may not be done, and nothing if it may. An
// operation that is not in the document, and so was not looked at when it was
// registered, is refused unless it declares a permission as well.
func (s *Service) refuse(ctx huma.Context) (status int, problem string) {
	perm, _ := ctx.Operation().Metadata[metadataKey].(Permission)
	req := requestOf(ctx.Context())
	switch {
	case Can(req.principal, perm):
		return 0, ""
	case req.principal != nil:
		return http.StatusForbidden, Lacking(req.principal, perm)
	case req.err != nil:
		return http.StatusServiceUnavailable, "It cannot be looked up who you are: the database does not answer. Try again in a moment."
	case req.refused != "":
		return http.StatusUnauthorized, req.refused
	}
	return http.StatusUnauthorized, "This takes somebody who is signed in. Sign in, or send an API token as Authorization: Bearer."
}

// Huma answers a body that does not validate with the value at fault, or the
// whole body. Those may be passwords, or URIs that hold one.
func init() {
	inner := huma.NewErrorWithContext
	huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
		errs = slices.Clone(errs)
		for i, err := range errs {
			if d, ok := errors.AsType[*huma.ErrorDetail](err); ok {
				errs[i] = &huma.ErrorDetail{Message: d.Message, Location: d.Location}
			}
		}
		return inner(ctx, status, msg, errs...)
	}
}
