package recipe

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"kalla"
)

const mask = "***"

// Redact returns a copy of the recipe without credentials: passwords and
// tokens in URIs and options (and in parameters that hold URIs) become ***. References to
// environment variables (${PGPASSWORD}) stay, since they give nothing away.
func Redact(r *kalla.Recipe) *kalla.Recipe {
	c := *r
	c.Sources.Left.URI = redactURI(r.Sources.Left.URI)
	c.Sources.Right.URI = redactURI(r.Sources.Right.URI)
	c.Sources.Left.Options = redactOptions(r.Sources.Left.Options)
	c.Sources.Right.Options = redactOptions(r.Sources.Right.Options)
	c.Extras = slices.Clone(r.Extras)
	for i := range c.Extras {
		c.Extras[i].URI, c.Extras[i].Options = redactURI(c.Extras[i].URI), redactOptions(c.Extras[i].Options)
	}
	c.Parameters = slices.Clone(r.Parameters)
	for i := range c.Parameters {
		if p := &c.Parameters[i]; p.Type == typeText && secretName.MatchString(p.Name) && p.Default != "" {
			p.Default = mask
		} else if strings.Contains(p.Default, "://") {
			p.Default = redactURI(p.Default)
		}
	}
	return &c
}

var (
	// secretName finds the names of values that must not be shown.
	secretName = regexp.MustCompile(`(?i)passw|passphrase|pwd|secret|token|credential|signature|sig$|key(_?id)?$`)
	// setting is one name=value of a query string or of a keyword connection string.
	setting = regexp.MustCompile(`([A-Za-z0-9_.%-]+)(\s*=\s*)('(?:[^'\\]|\\.)*'|[^&;#\s]*)`)
	// reference is a value that only names an environment variable.
	reference = regexp.MustCompile(`^\$\{[A-Za-z_][A-Za-z0-9_]*\}$`)
)

// redactURI works on the text, since an URI with ${NAME} in it is not yet one
// that a URI parser takes, and since a password may hold any character.
func redactURI(uri string) string {
	head, rest, ok := strings.Cut(uri, "://")
	if !ok {
		return redactSettings(uri)
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@')
	if colon := strings.IndexByte(rest[:end], ':'); at < 0 && colon >= 0 {
		// A password with an unescaped / or ? in it hides its @ behind that; a port is followed by none.
		at = strings.LastIndexByte(rest, '@')
	}
	if at < 0 {
		return head + "://" + redactSettings(rest)
	}
	user, password, hasPassword := strings.Cut(rest[:at], ":")
	switch {
	case hasPassword && !reference.MatchString(password):
		user += ":" + mask
	case hasPassword:
		user += ":" + password
	case strings.HasPrefix(strings.ToLower(head), "http") && !reference.MatchString(user):
		user = mask // a token in place of the user
	}
	return head + "://" + user + redactSettings(rest[at:])
}

func redactOptions(options map[string]string) map[string]string {
	options = maps.Clone(options)
	for name, value := range options {
		options[name] = redactSettings(value) // that of a connection string
		if secretName.MatchString(name) && !reference.MatchString(value) {
			options[name] = mask
		}
	}
	return options
}

func redactSettings(s string) string {
	return setting.ReplaceAllStringFunc(s, func(m string) string {
		p := setting.FindStringSubmatch(m)
		if !secretName.MatchString(p[1]) || p[3] == "" || reference.MatchString(p[3]) {
			return m
		}
		return p[1] + p[2] + mask
	})
}
