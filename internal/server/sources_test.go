package server_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kalla/internal/app"
	"kalla/internal/server"
	"kalla/internal/testenv"
)

// write puts a file into a folder of the test and returns its path.
func write(t testing.TB, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	check(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

type object = map[string]any

// TestSources: a source from its registration to its end, as clients of the
// product's predecessor use it and as the web app does.
func TestSources(t *testing.T) {
	for name, database := range stores {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			s := newSite(t, options{database: database(t), scheduler: scheduler(t).URL()})
			file := write(t, "payments.csv", "id,amount,paid\n1,10.50,2026-11-01\n2,7.00,2026-11-02\n3,,2026-11-03\n")

			done := want[server.Done](t, s.call(http.MethodPost, "/api/sources", object{"alias": "payments", "uri": file, "source_type": "csv"}), 200)
			if !done.Success {
				t.Errorf("%+v", done)
			}
			list := want[[]object](t, s.call(http.MethodGet, "/api/sources", nil), 200)
			if len(list) != 1 || list[0]["alias"] != "payments" || list[0]["uri"] != file || list[0]["source_type"] != "file" || list[0]["status"] != "unknown" {
				t.Errorf("%v", list)
			}

			p := want[server.SourcePreview](t, s.call(http.MethodGet, "/api/sources/payments/preview?limit=2", nil), 200)
			if p.Alias != "payments" || p.PreviewRows != 2 || *p.TotalRows != 3 || len(p.Rows) != 2 || *p.Rows[1][1] != "7.00" ||
				fmt.Sprint(p.Columns) != "[{id integer true} {amount decimal(18,2) true} {paid date true}]" {
				t.Errorf("%+v", p)
			}
			if p := want[server.SourcePreview](t, s.call(http.MethodGet, "/api/sources/payments/preview?limit=5000&profile=true", nil), 200); p.PreviewRows != 3 || p.Profile[1].Nulls != 1 {
				t.Errorf("%+v", p)
			}
			got := want[server.Source](t, s.call(http.MethodGet, "/api/sources/payments", nil), 200)
			if got.Status != "connected" || *got.Rows != 3 || len(got.Columns) != 3 || got.Checked == nil {
				t.Errorf("%+v", got)
			}

			scoped := object{"conditions": []object{{"column": "amount", "op": "gte", "value": 7.5}}, "limit": 10}
			if p := want[server.SourcePreview](t, s.call(http.MethodPost, "/api/sources/payments/load-scoped", scoped), 200); *p.TotalRows != 1 || *p.Rows[0][0] != "1" {
				t.Errorf("%+v", p)
			}
			for location, conditions := range map[string]object{
				"body.conditions[0].op":     {"column": "amount", "op": "about", "value": 1},
				"body.conditions[0].value":  {"column": "amount", "op": "eq", "value": []int{1, 2}},
				"body.conditions[0].column": {"op": "eq", "value": 1},
				"body.conditions":           {"column": "amnt", "op": "eq", "value": 1},
			} {
				bad := want[problem](t, s.call(http.MethodPost, "/api/sources/payments/load-scoped", object{"conditions": []object{conditions}}), 400)
				if len(bad.Errors) != 1 || bad.Errors[0].Location != location {
					t.Errorf("%s: %+v", location, bad)
				}
			}
			if got := want[server.Source](t, s.call(http.MethodGet, "/api/sources/payments", nil), 200); *got.Rows != 3 || got.Status != "connected" {
				t.Errorf("conditions changed what is known of the source: %+v", got)
			}

			check(t, os.Remove(file))
			test := want[server.SourceTest](t, s.call(http.MethodPost, "/api/sources/payments/test", nil), 200)
			if test.OK || !strings.Contains(test.Error, "payments.csv") && !strings.Contains(test.Error, "no such file") {
				t.Errorf("%+v", test)
			}
			if got := want[server.Source](t, s.call(http.MethodGet, "/api/sources/payments", nil), 200); got.Status != "failed" || got.Error == "" || *got.Rows != 3 {
				t.Errorf("%+v", got)
			}
			want[problem](t, s.call(http.MethodGet, "/api/sources/payments/preview", nil), 422)
			for _, path := range []string{"/api/sources/none", "/api/sources/none/preview"} {
				want[problem](t, s.call(http.MethodGet, path, nil), 404)
			}

			want[server.Done](t, s.call(http.MethodDelete, "/api/sources/payments", nil), 200)
			want[problem](t, s.call(http.MethodDelete, "/api/sources/payments", nil), 404)
		})
	}
}

// TestSourceSecrets: a password is seen by nobody, stays when its mask comes
// back, opens the database, and is sent to no other.
func TestSourceSecrets(t *testing.T) {
	noLeaks(t)
	var log strings.Builder
	s := newSite(t, options{scheduler: scheduler(t).URL(), log: &log})
	db := testenv.Postgres(t).Database(t)
	secret := passwordOf(t, db)
	table := func(name string) string { return strings.Split(db, "?")[0] + "?table=" + name }
	masked := regexp.MustCompile(`:[^:@/]+@`).ReplaceAllString(table("public.bills"), ":****@")
	execute(t, db, "CREATE TABLE bills (id bigint PRIMARY KEY, amount numeric(12,2)); INSERT INTO bills VALUES (1, 10.5), (2, 20)",
		"CREATE TABLE others (id bigint PRIMARY KEY)")

	quiet := func(a answered) answered {
		t.Helper()
		if strings.Contains(string(a.body), secret) {
			t.Errorf("the password is in the answer: %s", a.body)
		}
		return a
	}
	want[server.Done](t, quiet(s.call(http.MethodPost, "/api/sources", object{"alias": "bills", "uri": table("public.bills")})), 200)
	first := quiet(s.call(http.MethodGet, "/api/sources/bills", nil))
	if got := want[server.Source](t, first, 200); got.URI != masked || got.SourceType != "postgres" {
		t.Fatalf("%+v", got)
	}
	if test := want[server.SourceTest](t, quiet(s.call(http.MethodPost, "/api/sources/bills/test", nil)), 200); !test.OK || len(test.Columns) != 2 {
		t.Fatalf("%+v", test)
	}

	// The form comes back as it was shown, with another table.
	tag := first.header.Get("ETag")
	other := strings.Replace(masked, "public.bills", "public.others", 1)
	changed := s.call(http.MethodPut, "/api/sources/bills", object{"alias": "bills", "uri": other}, "If-Match", tag)
	if got := want[server.Source](t, quiet(changed), 200); got.URI != other {
		t.Errorf("%+v", got)
	}
	if p := want[server.SourcePreview](t, quiet(s.call(http.MethodGet, "/api/sources/bills/preview", nil)), 200); *p.TotalRows != 0 || len(p.Columns) != 1 {
		t.Errorf("%+v", p)
	}
	want[problem](t, s.call(http.MethodPut, "/api/sources/bills", object{"alias": "bills", "uri": masked}, "If-Match", tag), 412)
	want[problem](t, s.call(http.MethodPut, "/api/sources/bills", object{"alias": "bills", "uri": masked}, "If-None-Match", "*"), 412)

	// Elsewhere the password is not sent.
	elsewhere := "postgres://reader:****@127.0.0.1:1/books?table=t"
	p := want[problem](t, quiet(s.call(http.MethodPost, "/api/sources", object{"alias": "bills", "uri": elsewhere})), 422)
	if len(p.Errors) != 1 || p.Errors[0].Location != "body.uri" || !strings.Contains(p.Errors[0].Hint, "again") {
		t.Errorf("%+v", p)
	}
	for _, body := range []object{
		{"alias": "new", "uri": elsewhere},
		{"alias": "new", "uri": "ftp://host/a.csv"},
		{"alias": "new", "uri": "a.csv"},
		{"alias": "new", "uri": "/a.csv?delimitr=;"},
		{"alias": "new", "uri": "/a.csv", "source_type": "postgres"},
		{"alias": "new", "uri": "/a.csv", "types": object{"amount": "money"}},
		{"alias": "new", "uri": "${BOOKS}"},
		{"alias": "no alias", "uri": "/a.csv"},
		{"alias": "new", "uri": ""},
	} {
		if got := s.call(http.MethodPost, "/api/sources", body); got.status != 422 || !strings.Contains(string(got.body), `"location":"body.`) {
			t.Errorf("%v: %d %s", body, got.status, got.body)
		}
	}
	want[server.Done](t, s.call(http.MethodPost, "/api/sources", object{"alias": "new", "uri": "${BOOKS}", "source_type": "postgres"}), 200)

	// What only the scheduler finds out is told without the password.
	execute(t, db, "DROP TABLE others")
	if test := want[server.SourceTest](t, quiet(s.call(http.MethodPost, "/api/sources/bills/test", nil)), 200); test.OK || test.Error == "" {
		t.Errorf("%+v", test)
	}
	quiet(s.call(http.MethodGet, "/api/audit", nil))
	if strings.Contains(log.String(), secret) {
		t.Errorf("the password is in the log:\n%s", log.String())
	}
}

// TestSourceInUse: what a recipe refers to is not deleted by mistake.
func TestSourceInUse(t *testing.T) {
	noLeaks(t)
	s := newSite(t, options{})
	for _, alias := range []string{"a", "b"} {
		want[server.Done](t, s.call(http.MethodPost, "/api/sources", object{"alias": alias, "uri": "/" + alias + ".csv"}), 200)
	}
	want[server.Done](t, s.call(http.MethodPost, "/api/recipes", object{"document": small("in-use", "source: a", "source: b")}), 200)
	if got := want[server.Source](t, s.call(http.MethodGet, "/api/sources/a", nil), 200); !slices.Equal(got.UsedBy, []string{"in-use"}) {
		t.Errorf("%+v", got)
	}
	if p := want[problem](t, s.call(http.MethodDelete, "/api/sources/a", nil), 409); !strings.Contains(p.Detail, "in-use") {
		t.Errorf("%+v", p)
	}
	want[server.Done](t, s.call(http.MethodDelete, "/api/sources/a?force=true", nil), 200)
	p := want[problem](t, s.call(http.MethodPost, "/api/runs", object{"recipe_id": "in-use"}), 422)
	if len(p.Errors) != 1 || !strings.HasSuffix(p.Errors[0].Location, "sources.left.source") {
		t.Errorf("%+v", p)
	}
}

// TestSourceWithoutScheduler: a source is not failed because nobody could look at it.
func TestSourceWithoutScheduler(t *testing.T) {
	noLeaks(t)
	sched := scheduler(t, func(c *app.SchedulerConfig) { c.Open = false })
	s := newSite(t, options{scheduler: sched.URL()})
	want[server.Done](t, s.call(http.MethodPost, "/api/sources", object{"alias": "a", "uri": write(t, "a.csv", "id\n1\n")}), 200)
	if test := want[server.SourceTest](t, s.call(http.MethodPost, "/api/sources/a/test", nil), 200); test.OK || !strings.Contains(test.Hint, "--allow-file-dir") {
		t.Errorf("%+v", test)
	}
	stopScheduler(t, sched)
	before := want[server.Source](t, s.call(http.MethodGet, "/api/sources/a", nil), 200)
	if got := s.call(http.MethodPost, "/api/sources/a/test", nil); got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", got.status, got.body)
	}
	if after := want[server.Source](t, s.call(http.MethodGet, "/api/sources/a", nil), 200); after.Error != before.Error || !after.Checked.Equal(*before.Checked) {
		t.Errorf("%+v", after)
	}
}

// TestSourceTypes: a form that asks for what is listed makes a URI that is taken.
func TestSourceTypes(t *testing.T) {
	noLeaks(t)
	s := newSite(t, options{})
	types := want[[]server.SourceType](t, s.call(http.MethodGet, "/api/source-types", nil), 200)
	if len(types) != 8 {
		t.Fatalf("%d types", len(types))
	}
	for _, typ := range types {
		body := object{"alias": "by_form_" + typ.Type, "uri": typ.Scheme, "source_type": typ.Type}
		given := object{}
		for _, f := range typ.Fields {
			switch {
			case f.Name == "path":
				body["uri"] = typ.Scheme + "/folder/file.csv"
				if typ.Type != "file" && typ.Type != "sqlite" {
					body["uri"] = typ.Scheme + "bucket/file.csv"
				}
			case f.Name == "table":
				given[f.Name] = "t"
			case f.Required:
				given[f.Name] = "x"
			case f.Kind == "secret":
				given[f.Name] = "s3cr3t"
			}
			if f.Title == "" || f.Kind == "" {
				t.Errorf("%s: %+v", typ.Type, f)
			}
		}
		body["options"] = given
		want[server.Done](t, s.call(http.MethodPost, "/api/sources", body), 200)
		got := s.call(http.MethodGet, "/api/sources/by_form_"+typ.Type, nil)
		if shown := want[server.Source](t, got, 200); shown.SourceType != typ.Type || strings.Contains(string(got.body), "s3cr3t") {
			t.Errorf("%s", got.body)
		}
	}
}
