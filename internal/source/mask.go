package source

import (
	"maps"
	"slices"
	"strings"

	"kalla"
)

// masked stands for a secret value where a source is shown.
const masked = "****"

// schemes are how the URIs of each type begin.
var schemes = map[string]Type{
	"file": File, "s3": S3, "s3a": S3, "gs": GCS, "gcs": GCS, "az": Azure, "azure": Azure, "abfss": Azure, "http": HTTP, "https": HTTP,
	"postgres": Postgres, "postgresql": Postgres, "mysql": MySQL, "mariadb": MySQL, "sqlite": SQLite,
}

// TypeOf is the type of a URI by how it begins. It is not known of one that
// begins with a ${NAME}, nor of a scheme that Parse refuses.
func TypeOf(uri string) (Type, bool) {
	uri = strings.TrimSpace(uri)
	if uri == "" || strings.HasPrefix(uri, "${") {
		return "", false
	}
	m := schemeOf.FindStringSubmatch(uri)
	if m == nil {
		return File, true
	}
	if t, ok := schemes[strings.ToLower(m[1])]; ok {
		return t, true
	}
	return File, !strings.HasPrefix(m[2], "//") // a file name with a colon
}

// setting is a value in a URI that has a name, and where it stands.
type setting struct {
	name     string
	from, to int
}

func (s setting) in(uri string) string { return uri[s.from:s.to] }

// settings finds the password and the query of a URI as a text, since one with
// ${NAME} in it cannot be parsed before the names have values.
func settings(uri string) (t Type, found []setting) {
	t, _ = TypeOf(uri)
	start := 0
	if m := schemeOf.FindStringSubmatchIndex(uri); m != nil {
		start = m[4]
		if strings.HasPrefix(uri[start:], "//") {
			start += 2
		}
	}
	if t.IsDatabase() && t != SQLite {
		if from, to, ok := password(uri, start); ok {
			found = append(found, setting{"password", from, to})
			start = to
		}
	}
	query := strings.IndexByte(uri[start:], '?')
	if query < 0 {
		return t, found
	}
	for from := start + query + 1; from <= len(uri); {
		to := len(uri)
		if i := strings.IndexByte(uri[from:], '&'); i >= 0 {
			to = from + i
		}
		if name, _, ok := strings.Cut(uri[from:to], "="); ok {
			found = append(found, setting{name, from + len(name) + 1, to})
		}
		from = to + 1
	}
	return t, found
}

// password finds what stands between the user and the @ of a database's URI.
func password(uri string, start int) (from, to int, ok bool) {
	end := len(uri)
	if i := strings.IndexAny(uri[start:], "/?"); i >= 0 {
		end = start + i
	}
	at := strings.LastIndexByte(uri[start:end], '@')
	colon := strings.IndexByte(uri[start:end], ':')
	if at < 0 && colon >= 0 {
		// One with an unescaped / or ? in it hides its @ behind that; a port is followed by none.
		at = strings.LastIndexByte(uri[start:], '@')
	}
	if colon < 0 || at <= colon {
		return 0, 0, false
	}
	return start + colon + 1, start + at, true
}

// secret reports whether a value of that name must not be shown. Of a type that is not known it is what is one of any type.
func secret(t Type, name, value string) bool {
	if m := placeholder.FindString(value); value == "" || m == value {
		return false // a reference gives nothing away
	}
	if t == HTTP && !knownFileKey(HTTP)(name) {
		return true // the server's own, such as a signature
	}
	for _, of := range Types() {
		if (t == "" || t == of) && slices.ContainsFunc(typeFields[of], func(f Field) bool { return f.Secret && f.Name == name }) {
			return true
		}
	}
	return false
}

// Mask returns the URI and the options of a source as they may be shown: with
// **** in place of every secret. References such as ${PGPASSWORD} stay.
func Mask(uri string, options map[string]string) (string, map[string]string) {
	t, found := settings(uri)
	for _, s := range slices.Backward(found) {
		if secret(t, s.name, s.in(uri)) {
			uri = uri[:s.from] + masked + uri[s.to:]
		}
	}
	options = maps.Clone(options)
	for name, value := range options {
		if secret(t, name, value) {
			options[name] = masked
		}
	}
	return uri, options
}

// Unmask puts the secrets of a stored source into what came back of it with
// masks. The rest may have changed, but not where the secrets are sent to: else
// whoever may change a source could have its password sent to a place of their
// own. Errors are *kalla.Error with CodeSource.
func Unmask(uri string, options map[string]string, storedURI string, storedOptions map[string]string) (string, map[string]string, error) {
	t, found := settings(uri)
	_, stored := settings(storedURI)
	filled := false
	missing := ""
	for _, s := range slices.Backward(found) {
		if s.in(uri) != masked || !secret(t, s.name, masked) {
			continue
		}
		i := slices.IndexFunc(stored, func(old setting) bool { return old.name == s.name })
		if i < 0 {
			missing = s.name
			continue
		}
		uri, filled = uri[:s.from]+stored[i].in(storedURI)+uri[s.to:], true
	}
	options = maps.Clone(options)
	for name, value := range options {
		if value != masked || !secret(t, name, masked) {
			continue
		}
		old, ok := storedOptions[name]
		if !ok {
			missing = name
			continue
		}
		options[name], filled = old, true
	}
	if missing != "" {
		return "", nil, fault(missing, "it is masked, and none is stored in its place", "write the "+missing+" itself")
	}
	if filled && !maps.Equal(destination(uri, options), destination(storedURI, storedOptions)) {
		return "", nil, &kalla.Error{Code: kalla.CodeSource, Op: op, Why: "the masked secret was stored for another server or user",
			Hint: "write the secret again: a stored one is not sent elsewhere"}
	}
	return uri, options, nil
}

// elsewhere are settings that do not change where a secret is sent to, nor how.
var elsewhere = []string{"table", "query", "database", "format", "compression", "connect_timeout"}

// destination is where the secrets of a source are sent to, and how, by name.
func destination(uri string, options map[string]string) map[string]string {
	t, found := settings(uri)
	out := map[string]string{"type": string(t)}
	add := func(name, value string) {
		if !slices.Contains(elsewhere, name) && slices.ContainsFunc(typeFields[t], func(f Field) bool { return f.Name == name && !f.Secret }) {
			out[name] = value
		}
	}
	for name, value := range options {
		add(name, value)
	}
	bare := uri
	for i, s := range found { // of two of one name the last counts
		if i == 0 && s.from > 0 && uri[s.from-1] == ':' {
			bare = uri[:s.from] + uri[s.to:]
			continue
		}
		add(s.name, s.in(uri))
	}
	base, _, _ := strings.Cut(bare, "?")
	scheme, rest, ok := strings.Cut(base, "://")
	if authority, _, _ := strings.Cut(rest, "/"); ok && t != S3 && t != GCS { // where it is a bucket
		out["scheme"], out["authority"] = strings.ToLower(scheme), authority
	}
	return out
}
