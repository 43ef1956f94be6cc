package server

import (
	"context"
	"net/http"

	"kalla/internal/agent"
	"kalla/internal/mcp"
	"kalla/internal/problem"
	"kalla/internal/server/auth"
)

// toolPermissions are those of tools that take more than to read. The
// operations below them ask again; here they decide what is listed.
var toolPermissions = map[string]auth.Permission{
	agent.ToolProposeMatch: auth.RecipesWrite, agent.ToolInferRules: auth.RecipesWrite, agent.ToolBuildRecipe: auth.RecipesWrite,
	agent.ToolRunSample: auth.RecipesWrite, agent.ToolSaveRecipe: auth.RecipesWrite,
	agent.ToolRunFull: auth.RunsWrite, agent.ToolRequestUpload: auth.UploadsWrite,
}

// mcp serves the tools of the assistant to those of others, with the permissions of whoever's token it is.
func (s *Server) mcp() http.Handler {
	tools := mcp.New(mcp.Config{
		Version: s.cfg.Version, Services: s.Services(), Tools: agent.Tools(s.Services()), Log: s.log,
		Permit: func(ctx context.Context, t agent.Tool) error {
			perm, ok := toolPermissions[t.Name]
			if !ok {
				perm = auth.Read
			}
			return may(ctx, "calling "+t.Name, perm)
		},
		Caller: func(ctx context.Context) string {
			if p := auth.PrincipalOf(ctx); p != nil {
				return p.User.ID
			}
			return ""
		},
	}).Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch p := auth.PrincipalOf(r.Context()); {
		case p == nil:
			w.Header().Set("WWW-Authenticate", `Bearer realm="Kalla"`)
			problem.New(http.StatusUnauthorized, "tools are called with an API token", "make one on the page Settings, and send it as Authorization: Bearer").Write(w)
		case !auth.Can(p, auth.Read):
			problem.New(http.StatusForbidden, auth.Lacking(p, auth.Read), "").Write(w)
		default:
			tools.ServeHTTP(w, r)
		}
	})
}
