package server

import (
	"context"
	"strings"

	"kalla/internal/source"
)

// titles are what types are called, and how their URIs begin.
var titles = map[source.Type]struct{ title, scheme string }{
	source.File:     {"File or folder", ""},
	source.S3:       {"Amazon S3 and compatible", "s3://"},
	source.GCS:      {"Google Cloud Storage", "gs://"},
	source.Azure:    {"Azure Blob Storage", "az://"},
	source.HTTP:     {"Web address", "https://"},
	source.Postgres: {"PostgreSQL", "postgres://"},
	source.MySQL:    {"MySQL and MariaDB", "mysql://"},
	source.SQLite:   {"SQLite file", "sqlite:"},
}

// listSourceTypes describes forms by the same specification that URIs are
// validated and masked by. All but a path may be sent as options: a database's
// URI may then be its scheme alone.
func (s *Server) listSourceTypes(context.Context, *none) (*body[[]SourceType], error) {
	out := make([]SourceType, 0, len(source.Types()))
	for _, t := range source.Types() {
		st := SourceType{Type: string(t), Title: titles[t].title, Scheme: titles[t].scheme}
		if !t.IsDatabase() || t == source.SQLite {
			st.Fields = append(st.Fields, SourceField{Name: "path", Kind: "path", Title: "Path", Required: true, Help: "behind the scheme: a file, or a pattern with * for several"})
		}
		for _, f := range source.Fields(t) {
			st.Fields = append(st.Fields, fieldOf(f, ""))
		}
		if !t.IsDatabase() {
			for _, format := range source.Formats() {
				for _, f := range source.FormatFields(format) {
					st.Fields = append(st.Fields, fieldOf(f, string(format)))
				}
			}
		}
		out = append(out, st)
	}
	return &body[[]SourceType]{out}, nil
}

func fieldOf(f source.Field, format string) SourceField {
	kind := string(f.Kind)
	if f.Secret {
		kind = "secret"
	}
	return SourceField{Name: f.Name, Kind: kind, Title: label(f.Name), Help: f.Description, Required: f.Required, Default: f.Default, Choices: f.Choices, Format: format}
}

// label is a name as a form shows it: key_id as "Key id".
func label(name string) string {
	words := strings.ReplaceAll(name, "_", " ")
	return strings.ToUpper(words[:1]) + words[1:]
}
