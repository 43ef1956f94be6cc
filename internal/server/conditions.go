package server

import (
	"net/http"
	"strconv"
	"strings"

	"kalla/internal/problem"
)

// Conditions are what a change may say of the version that it changes.
type Conditions struct {
	IfMatch     string `header:"If-Match" maxLength:"200" doc:"The ETag of the version that is changed; * for whatever there is"`
	IfNoneMatch string `header:"If-None-Match" maxLength:"200" doc:"* if there must be none yet"`
}

// anyVersion is a version that must be there, whichever it is.
const anyVersion = -1

// expected is the version that must be there: 0 for none, nil where the request does not say.
func (c Conditions) expected() (*int, error) {
	bad := func(header, hint string) (*int, error) {
		return nil, invalid("header."+header, "is no ETag of this object", hint)
	}
	version := 0
	switch match := strings.TrimSpace(c.IfMatch); {
	case c.IfNoneMatch != "" && (c.IfNoneMatch != "*" || match != ""):
		return bad("If-None-Match", "send * alone, if there must be none yet")
	case c.IfNoneMatch != "":
	case match == "":
		return nil, nil
	case match == "*":
		version = anyVersion
	default:
		var err error
		if version, err = strconv.Atoi(strings.Trim(match, `"`)); err != nil || version < 1 {
			return bad("If-Match", "send the ETag of the last GET as it is")
		}
	}
	return &version, nil
}

// unconditional is the problem of a change that does not say what it changes.
func unconditional(what string) error {
	return problem.New(http.StatusPreconditionRequired, what+" is there already, and the request does not say which version it changes",
		"send its ETag as If-Match: then nobody's change is lost")
}
