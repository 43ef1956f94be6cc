package source_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"kalla"
	"kalla/internal/source"
)

func env(name string) (string, bool) {
	v, ok := map[string]string{
		"PG_PASS":      "p@ss/w:rd%20",
		"HOST":         "db.example",
		"PORT":         "6543",
		"DATABASE_URL": "postgres://reader:s3cret@db:5432/books",
		"DIR":          "/data/in",
	}[name]
	return v, ok
}

func TestParse(t *testing.T) {
	base := filepath.FromSlash("/base")
	for _, tc := range []struct {
		uri      string
		options  map[string]string
		location string            // of the result
		kind     string            // type and format
		fields   map[string]string // by name
	}{
		{"a.csv", nil, "/base/a.csv", "file csv", map[string]string{"delimiter": "", "decimal": "."}},
		{"./x/../a.tsv", nil, "/base/a.tsv", "file csv", map[string]string{"delimiter": `\t`}},
		{"/abs/a.CSV.gz", nil, "/abs/a.CSV.gz", "file csv", map[string]string{"compression": "gzip"}},
		{"file:///abs/a.parquet", nil, "/abs/a.parquet", "file parquet", nil},
		{"file://rel.csv", nil, "/base/rel.csv", "file csv", nil},
		{"a.csv?delimiter=;&decimal=,&quote=%27", nil, "/base/a.csv", "file csv", map[string]string{"delimiter": ";", "decimal": ",", "quote": "'"}},
		{"a.csv?delimiter=;", map[string]string{"delimiter": "|", "skip": "2"}, "/base/a.csv", "file csv", map[string]string{"delimiter": ";", "skip": "2"}},
		{"p?.csv", nil, "/base/p?.csv", "file csv", nil},
		{"p?.csv?skip=1", nil, "/base/p?.csv", "file csv", map[string]string{"skip": "1"}},
		{"dump.dat", map[string]string{"format": "ndjson"}, "/base/dump.dat", "file ndjson", nil},
		{"a:b.csv", nil, "/base/a:b.csv", "file csv", nil},
		{"${DIR}/a.json.zst", nil, "/data/in/a.json.zst", "file json", map[string]string{"compression": "zstd"}},
		{"book.xlsx", map[string]string{"sheet": "Nov"}, "/base/book.xlsx", "file xlsx", map[string]string{"sheet": "Nov", "header": "true"}},
		{"s3://bank/2026-11.csv?endpoint=minio:9000&use_ssl=false", nil, "s3://bank/2026-11.csv", "s3 csv", map[string]string{"endpoint": "minio:9000", "region": "us-east-1"}},
		{"https://h/p.csv?sig=abc&header=false", nil, "https://h/p.csv?…", "http csv", map[string]string{"header": "false"}},
		{"postgres://u:pw@h/db?table=s.t", nil, "postgres://u@h:5432/db?table=s.t", "postgres ", map[string]string{"password": "pw"}},
		{"postgresql://u:${PG_PASS}@${HOST}:${PORT}/db?table=t&sslmode=require", nil, "postgres://u@db.example:6543/db?table=t", "postgres ", map[string]string{"password": "p@ss/w:rd%20", "sslmode": "require"}},
		{"postgres://u:a%40b@[::1]:5433/db?query=SELECT%201", nil, "postgres://u@::1:5433/db?query=…", "postgres ", map[string]string{"password": "a@b", "host": "::1", "query": "SELECT 1"}},
		{"${DATABASE_URL}?table=t", nil, "postgres://reader@db:5432/books?table=t", "postgres ", map[string]string{"password": "s3cret"}},
		{"postgres://h/db", map[string]string{"table": "t", "user": "u"}, "postgres://u@h:5432/db?table=t", "postgres ", nil},
		{"mysql://u@h/db?table=t", nil, "mysql://u@h:3306/db?table=t", "mysql ", nil},
		{"sqlite:///abs/b.db?table=t", nil, "sqlite:///abs/b.db?table=t", "sqlite ", nil},
		{"sqlite://b.db?table=t", nil, "sqlite:///base/b.db?table=t", "sqlite ", nil},
	} {
		t.Run(tc.uri, func(t *testing.T) {
			s, err := source.Parse(tc.uri, tc.options, base, env)
			if err != nil {
				t.Fatal(err)
			}
			if got := filepath.ToSlash(s.Location()); got != tc.location {
				t.Errorf("location is %s, want %s", got, tc.location)
			}
			if got := string(s.Type) + " " + string(s.Format); got != tc.kind {
				t.Errorf("kind is %q, want %q", got, tc.kind)
			}
			for name, want := range tc.fields {
				if got := s.Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
		})
	}
}

// TestAbsolute: what Absolute gives is read from any folder as the URI was from its own.
func TestAbsolute(t *testing.T) {
	for _, uri := range []string{
		"a.csv", "./x/../a.tsv?delimiter=;", "/abs/a.csv", "file:///abs/a.csv", "file://rel.csv", "file:rel.csv", "a:b.csv", "${DIR}/a.csv", "${DATABASE_URL}?table=t",
		"s3://bank/a.csv", "https://h/p.csv", "postgres://h/db?table=t", "sqlite:///abs/b.db?table=t", "sqlite://b.db?table=t", "sqlite:b.db?table=t",
	} {
		base := filepath.FromSlash("/odd%20 base?")
		want, err := source.Parse(uri, nil, base, env)
		if err != nil {
			t.Fatal(err)
		}
		got, err := source.Parse(source.Absolute(uri, base), nil, filepath.FromSlash("/elsewhere"), env)
		if err != nil || got.String() != want.String() {
			t.Errorf("%s: got %s (%v), want %s", uri, got, err, want)
		}
	}
}

func TestParseFaults(t *testing.T) {
	for _, tc := range []struct {
		uri     string
		options map[string]string
		want    string // in the message or the hint
	}{
		{"", nil, "empty"},
		{"a.dat", nil, "format: csv"},
		{"a.csv?colour=red", nil, "does not tell the format"}, // a ? that begins no option is part of the name
		{"a.csv", map[string]string{"colour": "red"}, `no option "colour"`},
		{"a.csv", map[string]string{"delimitr": ";"}, "its options are"},
		{"a.csv", map[string]string{"skip": "-1"}, "skip must be a whole number"},
		{"a.csv", map[string]string{"header": "maybe"}, "header must be true or false"},
		{"a.csv", map[string]string{"decimal": ";"}, `decimal must be one of ".", ","`},
		{"a.xlsx", map[string]string{"delimiter": ";"}, `a xlsx source has no option`},
		{"a.csv", map[string]string{"format": "cvs"}, `format must be one of`},
		{"ftp://h/a.csv", nil, "no source of this type"},
		{"s3://bucket", nil, "names no object"},
		{"https://u:pw@h/a.csv", nil, "credentials stand before the host"},
		{"postgres://h/db", nil, "neither a table nor a query"},
		{"postgres://h/db?table=t&query=SELECT", nil, "both a table and a query"},
		{"postgres:///db?table=t", nil, "the host is missing"},
		{"postgres://h?table=t", nil, "the database is missing"},
		{"postgres://u:${NOBODY}@h/db?table=t", nil, "environment variable NOBODY is not set"},
		{"postgres://u:%zz@h/db?table=t", nil, "hexadecimal"},
		{"mysql://u:pw@h:x/db?table=t", nil, "port must be a whole number"},
	} {
		t.Run(tc.uri, func(t *testing.T) {
			_, err := source.Parse(tc.uri, tc.options, "", env)
			var e *kalla.Error
			if !errors.As(err, &e) || e.Code != kalla.CodeSource {
				t.Fatalf("got %v, want an error of class source", err)
			}
			if got := e.Error() + " " + e.Hint; !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want it to say %q", got, tc.want)
			}
			if strings.Contains(e.Error()+e.Hint, "pw") {
				t.Errorf("the password is in %q", e.Error())
			}
		})
	}
}

// However a source is shown, its secrets are not.
func TestSecretsAreMasked(t *testing.T) {
	for _, uri := range []string{
		"postgres://u:${PG_PASS}@h/db?table=t",
		"s3://b/k.csv?key_id=AK&secret=p%40ss/w:rd%2520&session_token=p%40ss/w:rd%2520",
		"https://h/k.csv?X-Amz-Signature=${PG_PASS}",
		"az://c/k.csv?connection_string=${PG_PASS}",
	} {
		s, err := source.Parse(uri, nil, "", env)
		if err != nil {
			t.Fatal(err)
		}
		encoded, err := json.Marshal(map[string]any{"source": s, "pointer": &s})
		if err != nil {
			t.Fatal(err)
		}
		for _, shown := range []string{s.String(), s.Location(), s.Snapshot(), string(encoded), fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s, s), fmt.Sprintf("%+v", []source.Source{s})} {
			if strings.Contains(shown, "ss/w") {
				t.Errorf("%s shows the secret: %s", uri, shown)
			}
		}
		if got := s.Redact("connecting with p@ss/w:rd%20 failed"); strings.Contains(got, "ss/w") && s.Type != source.HTTP {
			t.Errorf("%s is not redacted: %s", uri, got)
		}
		if len(s.Secrets()) == 0 {
			t.Errorf("%s has no secrets", uri)
		}
	}
}

func TestSnapshot(t *testing.T) {
	parse := func(uri string) source.Source {
		s, err := source.Parse(uri, nil, "/base", env)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a, b := parse("postgres://u:a@h/db?table=a"), parse("postgresql://u:b@h:5432/db?table=b")
	if a.Snapshot() != b.Snapshot() || a.Snapshot() == "" {
		t.Errorf("%q and %q are one database", a.Snapshot(), b.Snapshot())
	}
	if c := parse("postgres://u@h/other?table=a"); c.Snapshot() == a.Snapshot() {
		t.Error("two databases are taken for one")
	}
	if f := parse("a.csv"); f.Snapshot() != "" {
		t.Error("a file is taken for a database")
	}
}

// The specification of fields is what forms and documentation are made from.
func TestFields(t *testing.T) {
	check := func(owner string, fields []source.Field) {
		seen := map[string]bool{}
		for _, f := range fields {
			if seen[f.Name] || f.Name == "" || f.Description == "" || f.Kind == "" {
				t.Errorf("%s: the field %q is repeated or incomplete", owner, f.Name)
			}
			if (f.Kind == source.ChoiceField) != (len(f.Choices) > 0) {
				t.Errorf("%s: the choices of %s do not fit its kind", owner, f.Name)
			}
			if f.Secret && f.Default != "" {
				t.Errorf("%s: the secret %s has a default", owner, f.Name)
			}
			seen[f.Name] = true
		}
	}
	for _, typ := range source.Types() {
		check(string(typ), source.Fields(typ))
	}
	for _, f := range source.Formats() {
		check(string(f), source.FormatFields(f))
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"a.csv", "p?.csv?skip=1", "s3://b/k.csv?x=1", "postgres://u:p@h:1/d?table=t", "${A}", "sqlite://x?table=", "file://", "%", "a:b", "https://h/?a.csv"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		s, err := source.Parse(uri, nil, "/base", env)
		if err != nil {
			if kalla.CodeOf(err) != kalla.CodeSource {
				t.Errorf("class of %v", err)
			}
			return
		}
		if s.Location() == "" || s.Type == "" || (s.Format == "") != s.Type.IsDatabase() {
			t.Errorf("%q gives %v", uri, s)
		}
	})
}
