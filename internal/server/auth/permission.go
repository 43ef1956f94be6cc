package auth

import (
	"fmt"
	"slices"

	"kalla/internal/state"
)

// Role is what a user may do. Each role may do all that those before it may.
type Role = state.Role

// The roles, from the least to the greatest.
const (
	Viewer   = state.Viewer   // reads
	Preparer = state.Preparer // writes sources and recipes, and runs them
	Approver = state.Approver // signs off runs, and reads the audit log
	Admin    = state.Admin    // manages users and settings
)

var roles = []Role{Viewer, Preparer, Approver, Admin}

// atLeast reports whether a role may do all that least may; an unknown one may do nothing.
func atLeast(role, least Role) bool {
	have, need := slices.Index(roles, role), slices.Index(roles, least)
	return have >= 0 && need >= 0 && have >= need
}

// Scope narrows what an API token may do of what its user may.
type Scope string

// The scopes of API tokens.
const (
	ScopeRead  Scope = "read"  // whatever a viewer sees, and the audit log if its user may
	ScopeWrite Scope = "write" // sources, recipes, uploads
	ScopeRuns  Scope = "runs"  // start, cancel and rerun
	ScopeAdmin Scope = "admin" // users and settings
)

var scopes = []Scope{ScopeRead, ScopeWrite, ScopeRuns, ScopeAdmin}

// Permission is what an operation asks of whoever calls it.
type Permission string

// The permissions. Every operation of the API declares one of them: see Require.
const (
	Public        Permission = "public" // nobody has to be signed in
	Self          Permission = "self"   // anybody who is signed in, by whatever means
	Account       Permission = "account"
	Read          Permission = "read"
	SourcesWrite  Permission = "sources.write"
	RecipesWrite  Permission = "recipes.write"
	UploadsWrite  Permission = "uploads.write"
	RunsWrite     Permission = "runs.write"
	RunsApprove   Permission = "runs.approve"
	AuditRead     Permission = "audit.read"
	UsersAdmin    Permission = "users.admin"
	SettingsAdmin Permission = "settings.admin"
)

// rules says who has a permission: the least role, and the scopes of which a
// token needs one. Where there is none no token will do: an approval is a
// person's, and a token that could make tokens would not be narrow.
var rules = map[Permission]struct {
	least  Role
	scopes []Scope
}{
	Self:          {Viewer, scopes},
	Account:       {Viewer, nil},
	Read:          {Viewer, []Scope{ScopeRead}},
	SourcesWrite:  {Preparer, []Scope{ScopeWrite}},
	RecipesWrite:  {Preparer, []Scope{ScopeWrite}},
	UploadsWrite:  {Preparer, []Scope{ScopeWrite}},
	RunsWrite:     {Preparer, []Scope{ScopeRuns}},
	RunsApprove:   {Approver, nil},
	AuditRead:     {Approver, []Scope{ScopeRead}},
	UsersAdmin:    {Admin, []Scope{ScopeAdmin}},
	SettingsAdmin: {Admin, []Scope{ScopeAdmin}},
}

// Can is the one place that decides whether a principal, or nobody (nil), may do something.
func Can(p *Principal, perm Permission) bool {
	if perm == Public {
		return true
	}
	rule, ok := rules[perm]
	if !ok || p == nil || !atLeast(p.User.Role, rule.least) {
		return false
	}
	return p.Via == ViaSession || slices.ContainsFunc(p.Scopes, func(s Scope) bool { return slices.Contains(rule.scopes, s) })
}

// permissionsOf lists what a principal may do, sorted.
func permissionsOf(p *Principal) []Permission {
	may := []Permission{}
	for perm := range rules {
		if Can(p, perm) {
			may = append(may, perm)
		}
	}
	slices.Sort(may)
	return may
}

// Lacking says why a principal may not do something.
func Lacking(p *Principal, perm Permission) string {
	rule, ok := rules[perm]
	switch {
	case !ok:
		return "This operation declares no permission, so nobody has it. That is a fault of the app's own."
	case !atLeast(p.User.Role, rule.least):
		return fmt.Sprintf("This takes the role %s, and yours is %s. Ask an administrator for it.", rule.least, p.User.Role)
	case len(rule.scopes) == 0:
		return "This cannot be done with an API token. Sign in to do it."
	}
	return fmt.Sprintf("This takes an API token with the scope %s. Make one that has it.", rule.scopes[0])
}
