package source_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"kalla/internal/source"
)

func TestMask(t *testing.T) {
	for uri, want := range map[string]string{
		"postgres://reader:s3cr3t@db:5432/books?table=public.invoices":     "postgres://reader:****@db:5432/books?table=public.invoices",
		"postgresql://reader:p@s:s@db/books?table=t&sslmode=require":       "postgresql://reader:****@db/books?table=t&sslmode=require",
		"postgres://reader:p/s?s@db/books?table=t":                         "postgres://reader:****@db/books?table=t",
		"postgres://reader:${PGPASSWORD}@db/books?table=t":                 "postgres://reader:${PGPASSWORD}@db/books?table=t",
		"postgres://reader:x${PGPASSWORD}@db/books?table=t":                "postgres://reader:****@db/books?table=t",
		"mysql://reader@db:3306/books?password=s3cr3t&table=t":             "mysql://reader@db:3306/books?password=****&table=t",
		"mariadb://db:3306/books?table=t":                                  "mariadb://db:3306/books?table=t",
		"s3://bucket/a.csv?key_id=AK&secret=s3cr3t&session_token=t":        "s3://bucket/a.csv?key_id=AK&secret=****&session_token=****",
		"https://host/a.csv?X-Amz-Signature=s3cr3t&X-Amz-Date=1":           "https://host/a.csv?X-Amz-Signature=****&X-Amz-Date=****",
		"https://host/a?format=csv&delimiter=;":                            "https://host/a?format=csv&delimiter=;",
		"az://c/a.csv?connection_string=AccountName=x;AccountKey=s3cr3t==": "az://c/a.csv?connection_string=****",
		"${BASE}?password=s3cr3t&table=t":                                  "${BASE}?password=****&table=t",
		"/data/a:b@c.csv?delimiter=;":                                      "/data/a:b@c.csv?delimiter=;",
		"sqlite:/data/a.db?table=t":                                        "sqlite:/data/a.db?table=t",
	} {
		got, _ := source.Mask(uri, nil)
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", uri, got, want)
		}
		// What was masked and comes back is what it was.
		back, _, err := source.Unmask(got, nil, uri, nil)
		if err != nil || back != uri {
			t.Errorf("%s came back as %q, %v", uri, back, err)
		}
	}
	options := map[string]string{"host": "db", "password": "s3cr3t", "user": "reader", "table": "t"}
	uri, shown := source.Mask("postgres://", options)
	if uri != "postgres://" || fmt.Sprint(shown) != "map[host:db password:**** table:t user:reader]" || options["password"] != "s3cr3t" {
		t.Errorf("%s %v", uri, shown)
	}
	if _, back, err := source.Unmask(uri, shown, "postgres://", options); err != nil || !maps.Equal(back, options) {
		t.Errorf("%v %v", back, err)
	}
}

// TestUnmaskSendsNothingElsewhere: who sees the mask only cannot get what is behind it.
func TestUnmaskSendsNothingElsewhere(t *testing.T) {
	const db, bucket, web = "postgres://reader:s3cr3t@db:5432/books?table=a", "s3://bucket/a.csv?endpoint=http://minio:9000&key_id=AK&secret=s3cr3t", "https://host/a.csv?sig=s3cr3t"
	for _, c := range []struct{ stored, sent, want string }{
		{db, "postgres://reader:****@db:5432/other?query=SELECT 1&connect_timeout=3", "postgres://reader:s3cr3t@db:5432/other?query=SELECT 1&connect_timeout=3"},
		{db, "postgres://reader:new@evil/books?table=a", "postgres://reader:new@evil/books?table=a"},
		{db, "postgres://reader:****@evil:5432/books?table=a", ""},
		{db, "postgres://reader:****@db:5433/books?table=a", ""},
		{db, "postgres://other:****@db:5432/books?table=a", ""},
		{db, "postgres://reader:****@db:5432/books?table=a&sslmode=disable", ""},
		{db, "postgres://reader:****@db:5432/books?table=a&host=evil", ""},
		{db, "mysql://reader:****@db:5432/books?table=a", ""},
		{db, "postgres://reader@db:5432/books?table=a&password=****", ""},
		{db, "s3://bucket/a.csv?secret=****", ""},
		{bucket, "s3://bucket/b.csv?endpoint=http://minio:9000&key_id=AK&secret=****&delimiter=;", "s3://bucket/b.csv?endpoint=http://minio:9000&key_id=AK&secret=s3cr3t&delimiter=;"},
		{bucket, "s3://bucket/a.csv?endpoint=http://evil:9000&key_id=AK&secret=****", ""},
		{bucket, "s3://bucket/a.csv?endpoint=http://minio:9000&endpoint=http://evil:9000&key_id=AK&secret=****", ""},
		{web, "https://host/b.csv?sig=****", "https://host/b.csv?sig=s3cr3t"},
		{web, "http://host/a.csv?sig=****", ""},
		{web, "https://evil/a.csv?sig=****", ""},
		{"", "postgres://reader:****@db/books?table=a", ""},
	} {
		got, _, err := source.Unmask(c.sent, nil, c.stored, nil)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s:\n got %q, %v\nwant %q", c.sent, got, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Error(err)
		}
	}
	if _, _, err := source.Unmask("postgres://", map[string]string{"host": "evil", "password": "****"}, "postgres://", map[string]string{"host": "db", "password": "s3cr3t"}); err == nil {
		t.Error("the password was sent elsewhere")
	}
}
