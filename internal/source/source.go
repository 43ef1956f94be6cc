// Package source turns a URI and its options into a Source: where records are
// and how they are read. It is pure: nothing is opened, listed or connected to.
package source

import (
	"fmt"
	"sort"
	"strings"
)

// Type is the family of places that records come from.
type Type string

// The types of sources.
const (
	File     Type = "file"
	S3       Type = "s3"
	GCS      Type = "gs"
	Azure    Type = "az"
	HTTP     Type = "http"
	Postgres Type = "postgres"
	MySQL    Type = "mysql"
	SQLite   Type = "sqlite"
)

// Types lists all types in the order in which documentation shows them.
func Types() []Type { return []Type{File, S3, GCS, Azure, HTTP, Postgres, MySQL, SQLite} }

// IsDatabase reports whether the type is read by SQL rather than as files.
func (t Type) IsDatabase() bool { return t == Postgres || t == MySQL || t == SQLite }

// Format is how the records of a file are written.
type Format string

// The formats of files. It is empty for databases.
const (
	CSV     Format = "csv"
	Parquet Format = "parquet"
	JSON    Format = "json"
	NDJSON  Format = "ndjson"
	XLSX    Format = "xlsx"
)

// Formats lists all formats.
func Formats() []Format { return []Format{CSV, Parquet, JSON, NDJSON, XLSX} }

// Source is where records are and how they are read. Values that are secret
// are reachable by Get only: printing a Source in any way shows them masked.
type Source struct {
	Type   Type
	Format Format // of files; empty for databases

	// Path is a file, a glob, or the URL of an object without credentials and
	// reading options. For SQLite it is the database file; for other databases it is empty.
	Path string

	Host     string // of a database, without the port
	Port     string // decimal, empty for the default of the database
	User     string
	Database string

	Table string // schema.table or table
	Query string // a SELECT in the database's own dialect, instead of Table

	values map[string]string // options and secrets by field name
}

// Get returns the value of the field of that name, its default where the URI
// and the options do not set it, and "" where there is no default.
func (s Source) Get(name string) string {
	if v, ok := s.values[name]; ok {
		return v
	}
	for _, f := range s.fields() {
		if f.Name == name {
			return f.Default
		}
	}
	return ""
}

// Has reports whether the field was set by the URI, the options or the environment.
func (s Source) Has(name string) bool {
	_, ok := s.values[name]
	return ok
}

// IsGlob reports whether Path may name several files.
func (s Source) IsGlob() bool {
	switch s.Type {
	case File:
		return strings.ContainsAny(s.Path, "*?[")
	case S3, GCS, Azure: // where a ? begins the options
		return strings.ContainsAny(s.Path, "*[")
	}
	return false
}

// Snapshot identifies the database that a source is in, so that sources of one
// database can be read in one transaction. It holds no secret, and is empty for files.
func (s Source) Snapshot() string {
	if !s.Type.IsDatabase() {
		return ""
	}
	if s.Type == SQLite {
		return "sqlite:" + s.Path
	}
	return fmt.Sprintf("%s:%s@%s:%s/%s", s.Type, s.User, s.Host, s.Port, s.Database)
}

// Location returns the URI with every secret left out, for evidence and
// errors: "postgres://reader@db:5432/books?table=public.invoices".
func (s Source) Location() string {
	switch s.Type {
	case File:
		return s.Path
	case HTTP:
		// A signed URL carries its credential in the query.
		base, _, signed := strings.Cut(s.Path, "?")
		if signed {
			return base + "?…"
		}
		return base
	case S3, GCS, Azure:
		return s.Path
	}
	var b strings.Builder
	b.WriteString(string(s.Type) + "://")
	if s.Type == SQLite {
		b.WriteString(s.Path)
	} else {
		if s.User != "" {
			b.WriteString(s.User + "@")
		}
		b.WriteString(s.Host)
		if s.Port != "" {
			b.WriteString(":" + s.Port)
		}
		b.WriteString("/" + s.Database)
	}
	if s.Table != "" {
		b.WriteString("?table=" + s.Table)
	} else if s.Query != "" {
		b.WriteString("?query=…")
	}
	return b.String()
}

// String returns Location with the options that are set and not secret, in the order of their names.
func (s Source) String() string {
	var shown []string
	for _, f := range s.fields() {
		v, ok := s.values[f.Name]
		if !ok || f.Name == "table" || f.Name == "query" {
			continue
		}
		if f.Secret {
			v = "***"
		}
		shown = append(shown, f.Name+"="+v)
	}
	sort.Strings(shown)
	loc := s.Location()
	if len(shown) == 0 {
		return loc
	}
	sep := "?"
	if strings.Contains(loc, "?") {
		sep = "&"
	}
	return loc + sep + strings.Join(shown, "&")
}

// GoString keeps secrets out of %#v.
func (s Source) GoString() string { return "source.Source{" + s.String() + "}" }

// MarshalText keeps secrets out of logs and JSON.
func (s Source) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Secrets returns the secret values, longest first, so that text from drivers
// can be cleaned of them before it is shown.
func (s Source) Secrets() []string {
	var out []string
	for _, f := range s.fields() {
		if v := s.values[f.Name]; f.Secret && len(v) > 0 {
			out = append(out, v)
		}
	}
	if s.Type == HTTP {
		if _, q, ok := strings.Cut(s.Path, "?"); ok {
			out = append(out, q)
		}
	}
	sort.Slice(out, func(i, j int) bool { return len(out[i]) > len(out[j]) })
	return out
}

// Redact replaces the secrets of the source in text by ***.
func (s Source) Redact(text string) string {
	for _, v := range s.Secrets() {
		text = strings.ReplaceAll(text, v, "***")
	}
	return text
}
