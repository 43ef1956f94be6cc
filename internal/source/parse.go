package source

import (
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"sort"
	"strings"

	"kalla"
)

const op = "reading source URI"

var (
	placeholder = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)
	schemeOf    = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]+):(.*)$`)
)

// Parse reads a URI. Relative paths are below baseDir. Options come second to
// query keys of the URI. ${NAME} anywhere is replaced by what env returns;
// the replacement is taken as it is, so a password needs no escaping.
//
// Errors are *kalla.Error with CodeSource and never hold a replaced or secret value.
func Parse(uri string, options map[string]string, baseDir string, env func(string) (string, bool)) (Source, error) {
	p := parser{env: env}
	s, err := p.parse(strings.TrimSpace(uri), options, baseDir)
	if err != nil {
		return Source{}, err
	}
	return s, nil
}

// remote are URIs that are no path, whatever follows the colon.
var remote = regexp.MustCompile(`^(?i:s3a?|gs|gcs|az|azure|abfss|https?|postgres|postgresql|mysql|mariadb):`)

// Absolute makes the path of a file or SQLite URI absolute, below baseDir, so
// that it can be read from another working directory. Other URIs stay as they are.
func Absolute(uri, baseDir string) string {
	uri = strings.TrimSpace(uri)
	if uri == "" || strings.HasPrefix(uri, "${") || remote.MatchString(uri) {
		return uri
	}
	scheme, rest := "", uri
	if m := schemeOf.FindStringSubmatch(uri); m != nil {
		switch lower := strings.ToLower(m[1]); {
		case lower == "file":
			scheme, rest = "file:", strings.TrimPrefix(strings.TrimPrefix(m[2], "//"), "localhost/")
		case lower == "sqlite": // the only path in which % and ? have a meaning of their own
			scheme, rest = "sqlite:", strings.TrimPrefix(m[2], "//")
			baseDir = strings.NewReplacer("%", "%25", "?", "%3F").Replace(baseDir)
		case strings.HasPrefix(m[2], "//"):
			return uri
		}
	}
	if filepath.IsAbs(rest) {
		return uri
	}
	return scheme + baseDir + string(filepath.Separator) + rest
}

type parser struct {
	env func(string) (string, bool)
}

func fault(where, why, hint string) error {
	return &kalla.Error{Code: kalla.CodeSource, Op: op, Where: where, Why: why, Hint: hint}
}

// expand replaces ${NAME} by its value.
func (p parser) expand(text string) (string, error) {
	var missing string
	out := placeholder.ReplaceAllStringFunc(text, func(m string) string {
		name := placeholder.FindStringSubmatch(m)[1]
		v, ok := p.env(name)
		if !ok && missing == "" {
			missing = name
		}
		return v
	})
	if missing != "" {
		return "", fault("${"+missing+"}", "the environment variable "+missing+" is not set", "set it, or write the value in its place")
	}
	return out, nil
}

// component decodes percent escapes, then replaces placeholders.
func (p parser) component(what, text string) (string, error) {
	decoded, err := url.PathUnescape(text)
	if err != nil {
		return "", fault(what, "a % is not followed by two hexadecimal digits", "write %25 for a percent sign")
	}
	return p.expand(decoded)
}

func (p parser) parse(uri string, options map[string]string, baseDir string) (Source, error) {
	if uri == "" {
		return Source{}, fault("", "the URI is empty", "name a file, or a URI such as postgres://host/db?table=invoices")
	}
	// A placeholder in front stands for a whole URI: its scheme must be seen.
	if loc := placeholder.FindStringIndex(uri); loc != nil && loc[0] == 0 {
		head, err := p.expand(uri[:loc[1]])
		if err != nil {
			return Source{}, err
		}
		uri = head + uri[loc[1]:]
	}
	m := schemeOf.FindStringSubmatch(uri)
	if m == nil { // one letter before the colon is a Windows drive, and does not match
		return p.file(uri, options, baseDir)
	}
	scheme, rest := strings.ToLower(m[1]), m[2]
	switch scheme {
	case "file":
		rest = strings.TrimPrefix(rest, "//")
		rest = strings.TrimPrefix(rest, "localhost/")
		return p.file(rest, options, baseDir)
	case "s3", "s3a":
		return p.object(S3, "s3", rest, options)
	case "gs", "gcs":
		return p.object(GCS, "gs", rest, options)
	case "az", "azure", "abfss":
		return p.object(Azure, scheme, rest, options)
	case "http", "https":
		return p.object(HTTP, scheme, rest, options)
	case "postgres", "postgresql":
		return p.database(Postgres, rest, options)
	case "mysql", "mariadb":
		return p.database(MySQL, rest, options)
	case "sqlite":
		return p.sqlite(rest, options, baseDir)
	}
	if !strings.HasPrefix(rest, "//") {
		return p.file(uri, options, baseDir) // a file name with a colon
	}
	return Source{}, fault(scheme+"://", "there is no source of this type", "use a file, s3, gs, az, https, postgres, mysql or sqlite")
}

// splitQuery separates reading options from a file URI. A ? is a glob
// character unless what follows is a list of key=value with a known key first.
func splitQuery(uri string, known func(string) bool) (string, string) {
	for i := 0; i < len(uri); i++ {
		if uri[i] != '?' {
			continue
		}
		key, _, ok := strings.Cut(uri[i+1:], "=")
		if ok && known(key) {
			return uri[:i], uri[i+1:]
		}
	}
	return uri, ""
}

func knownFileKey(t Type) func(string) bool {
	return func(key string) bool {
		for _, f := range typeFields[t] {
			if f.Name == key {
				return true
			}
		}
		for _, fields := range formatFields {
			for _, f := range fields {
				if f.Name == key {
					return true
				}
			}
		}
		return false
	}
}

// query reads key=value pairs; keep says which keys are not for Kalla and are returned unread.
func (p parser) query(text string, keep func(string) bool) (values map[string]string, kept string, err error) {
	values = map[string]string{}
	if text == "" {
		return values, "", nil
	}
	var rest []string
	for _, pair := range strings.Split(text, "&") {
		k, v, _ := strings.Cut(pair, "=")
		if keep != nil && keep(k) {
			rest = append(rest, pair)
			continue
		}
		if k == "" {
			continue
		}
		if values[k], err = p.component(k, v); err != nil {
			return nil, "", err
		}
	}
	return values, strings.Join(rest, "&"), nil
}

func (p parser) file(text string, options map[string]string, baseDir string) (Source, error) {
	name, q := splitQuery(text, knownFileKey(File))
	values, _, err := p.query(q, nil)
	if err != nil {
		return Source{}, err
	}
	if name, err = p.expand(name); err != nil {
		return Source{}, err
	}
	if name == "" {
		return Source{}, fault("", "the path is empty", "name a file")
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(baseDir, name)
	}
	return p.finish(Source{Type: File, Path: filepath.Clean(name), values: values}, options)
}

func (p parser) object(t Type, scheme, rest string, options map[string]string) (Source, error) {
	rest = strings.TrimPrefix(rest, "//")
	base, q, _ := strings.Cut(rest, "?")
	var keep func(string) bool
	if t == HTTP {
		known := knownFileKey(t)
		keep = func(k string) bool { return !known(k) } // the server's own, such as a signature
	}
	values, kept, err := p.query(q, keep)
	if err != nil {
		return Source{}, err
	}
	if base, err = p.expand(base); err != nil {
		return Source{}, err
	}
	if kept, err = p.expand(kept); err != nil {
		return Source{}, err
	}
	host, key, _ := strings.Cut(base, "/")
	if strings.Contains(host, "@") && t != Azure {
		return Source{}, fault(scheme+"://", "credentials stand before the host", "give them as environment variables or query keys")
	}
	if host == "" || key == "" {
		return Source{}, fault(scheme+"://"+host, "the URI names no object", "write "+scheme+"://bucket/path/file.csv")
	}
	u := scheme + "://" + base
	if kept != "" {
		u += "?" + kept
	}
	return p.finish(Source{Type: t, Path: u, values: values}, options)
}

func (p parser) database(t Type, rest string, options map[string]string) (Source, error) {
	rest = strings.TrimPrefix(rest, "//")
	main, q, _ := strings.Cut(rest, "?")
	values, _, err := p.query(q, nil)
	if err != nil {
		return Source{}, err
	}
	authority, db, _ := strings.Cut(main, "/")
	parts := map[string]string{"database": db}
	if i := strings.LastIndex(authority, "@"); i >= 0 {
		user, password, ok := strings.Cut(authority[:i], ":")
		parts["user"] = user
		if ok {
			parts["password"] = password
		}
		authority = authority[i+1:]
	}
	parts["host"], parts["port"] = hostPort(authority)
	for k, v := range parts {
		if v == "" {
			continue
		}
		if values[k], err = p.component(k, v); err != nil {
			return Source{}, err
		}
	}
	return p.finish(Source{Type: t, values: values}, options)
}

// hostPort splits at the last colon that is not inside the brackets of an IPv6
// address or the braces of a placeholder.
func hostPort(authority string) (host, port string) {
	i := strings.LastIndexByte(authority, ':')
	if i < 0 || strings.HasSuffix(authority, "]") {
		return strings.Trim(authority, "[]"), ""
	}
	return strings.Trim(authority[:i], "[]"), authority[i+1:]
}

func (p parser) sqlite(rest string, options map[string]string, baseDir string) (Source, error) {
	rest = strings.TrimPrefix(rest, "//")
	name, q, _ := strings.Cut(rest, "?")
	values, _, err := p.query(q, nil)
	if err != nil {
		return Source{}, err
	}
	if name, err = p.component("path", name); err != nil {
		return Source{}, err
	}
	if name == "" {
		return Source{}, fault("sqlite://", "the URI names no database file", "write sqlite:///folder/file.db?table=invoices")
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(baseDir, name)
	}
	return p.finish(Source{Type: SQLite, Path: filepath.Clean(name), values: values}, options)
}

// finish merges options and environment, finds the format, and validates.
func (p parser) finish(s Source, options map[string]string) (Source, error) {
	for k, v := range options {
		if _, ok := s.values[k]; ok {
			continue
		}
		expanded, err := p.expand(v)
		if err != nil {
			return Source{}, err
		}
		s.values[k] = expanded
	}
	if !s.Type.IsDatabase() {
		format, compression, err := formatOf(s)
		if err != nil {
			return Source{}, err
		}
		s.Format = format
		if compression != "" && !s.Has("compression") {
			s.values["compression"] = compression
		}
	}
	fields := s.fields()
	for _, f := range fields {
		if f.Env == "" || s.Has(f.Name) {
			continue
		}
		if v, ok := p.env(f.Env); ok && v != "" {
			s.values[f.Name] = v
		}
	}
	if err := validate(s, fields); err != nil {
		return Source{}, err
	}
	s.Host, s.Port, s.User = s.values["host"], s.Get("port"), s.values["user"]
	s.Database, s.Table, s.Query = s.values["database"], s.values["table"], s.values["query"]
	return s, nil
}

func validate(s Source, fields []Field) error {
	where := s.Location()
	if s.Type.IsDatabase() && s.Type != SQLite {
		where = string(s.Type) + "://" + s.values["host"] + "/" + s.values["database"]
	}
	specs := map[string]Field{}
	for _, f := range fields {
		specs[f.Name] = f
	}
	names := make([]string, 0, len(s.values))
	for k := range s.values {
		names = append(names, k)
	}
	sort.Strings(names)
	for _, k := range names {
		f, ok := specs[k]
		if !ok {
			known := make([]string, len(fields))
			for i, f := range fields {
				known[i] = f.Name
			}
			kind := string(s.Type)
			if s.Format != "" {
				kind = string(s.Format)
			}
			return fault(where, fmt.Sprintf("a %s source has no option %q", kind, k), "its options are "+strings.Join(known, ", "))
		}
		if why := f.check(s.values[k]); why != "" {
			return fault(where, why, f.Description)
		}
	}
	for _, f := range fields {
		if f.Required && s.values[f.Name] == "" {
			return fault(where, "the "+f.Name+" is missing", f.Description)
		}
	}
	if s.Type.IsDatabase() {
		if t, q := s.values["table"] != "", s.values["query"] != ""; t == q {
			why := "neither a table nor a query is named"
			if t {
				why = "both a table and a query are named"
			}
			return fault(where, why, "add ?table=schema.table or ?query=SELECT … to the URI")
		}
	}
	return nil
}

var extensions = map[string]Format{
	".csv": CSV, ".tsv": CSV, ".txt": CSV, ".parquet": Parquet, ".pq": Parquet,
	".json": JSON, ".ndjson": NDJSON, ".jsonl": NDJSON, ".xlsx": XLSX,
}

// formatOf finds the format and compression of a file by option, else by its extensions.
func formatOf(s Source) (Format, string, error) {
	name := s.Path
	if s.Type == HTTP {
		name, _, _ = strings.Cut(name, "?")
	}
	ext, compression := strings.ToLower(path.Ext(name)), ""
	switch ext {
	case ".gz":
		compression = "gzip"
	case ".zst":
		compression = "zstd"
	}
	if compression != "" {
		ext = strings.ToLower(path.Ext(strings.TrimSuffix(name, path.Ext(name))))
	}
	format, ok := extensions[ext]
	if v, set := s.values["format"]; set {
		format, ok = Format(v), true
		if _, known := formatFields[format]; !known {
			return "", "", fault(s.Location(), formatField.check(v), formatField.Description)
		}
	}
	if !ok {
		return "", "", fault(s.Location(), "the extension does not tell the format", "add the option format: csv, parquet, json, ndjson or xlsx")
	}
	if format == CSV && ext == ".tsv" {
		if _, set := s.values["delimiter"]; !set {
			s.values["delimiter"] = `\t`
		}
	}
	return format, compression, nil
}
