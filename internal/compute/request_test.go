package compute_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"kalla"
	"kalla/internal/compute"
	"kalla/internal/job"
)

const guide = `{"run_id":"a1b2c3d4","callback_url":"http://localhost:3001/api/worker",
	"match_sql":"SELECT l.invoice_id, r.payment_id FROM left_src l JOIN right_src r ON l.invoice_id = r.reference_number AND tolerance_match(l.amount, r.paid_amount, 0.02)",
	"sources":[{"alias":"left_src","uri":"postgres://user:pass@localhost:5432/db?table=invoices"},{"alias":"right_src","uri":"postgres://user:pass@localhost:5432/db?table=payments"}],
	"output_path":"/data/runs/a1b2c3d4","primary_keys":{"left_src":["invoice_id"],"right_src":["payment_id"]}}`

// edit sets fields of the guide's request; a value of null removes one.
func edit(t *testing.T, changes string) job.Request {
	t.Helper()
	var fields, changed map[string]json.RawMessage
	for text, into := range map[string]*map[string]json.RawMessage{guide: &fields, changes: &changed} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	for k, v := range changed {
		if fields[k] = v; string(v) == "null" {
			delete(fields, k)
		}
	}
	text, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	var req job.Request
	if err := json.Unmarshal(text, &req); err != nil {
		t.Fatal(err)
	}
	return req
}

// A request runs as the recipe that it means.
func TestRequestsMean(t *testing.T) {
	works := make(chan compute.Work, 1)
	s := start(t, compute.Config{
		LookupEnv: func(name string) (string, bool) { return "pass", name == "PGPASSWORD" },
		Callbacks: poster{},
		Runner: &runner{run: func(_ context.Context, w compute.Work) (*kalla.Summary, error) {
			works <- w
			return summary(w.RunID, w.Out), nil
		}}})
	const query = "SELECT l.invoice_id, r.payment_id FROM left_src l JOIN right_src r ON l.invoice_id = r.reference_number AND tolerance_match(l.amount, r.paid_amount, 0.02)"
	for i, c := range []struct {
		name, changes string
		want          func(r *kalla.Recipe) string
		is            string
	}{
		{"the guide's", `{}`, sides, "left postgres://user:pass@localhost:5432/db?table=invoices [invoice_id] | right postgres://user:pass@localhost:5432/db?table=payments [payment_id]"},
		{"its query", `{}`, func(r *kalla.Recipe) string { return r.MatchSQL }, query},
		{"aliases", `{"sources":[{"alias":"invoices","uri":"/d/i.csv"},{"alias":"payments","uri":"/d/p.csv"}],"primary_keys":{"invoices":["a","b"],"right_src":["c"]}}`,
			sides, "invoices /d/i.csv [a b] | payments /d/p.csv [c]"},
		{"called the other way round", `{"sources":[{"alias":"right_src","uri":"/d/p.csv"},{"alias":"left_src","uri":"/d/i.csv"}]}`,
			sides, "left /d/i.csv [invoice_id] | right /d/p.csv [payment_id]"},
		{"an alias that is taken", `{"sources":[{"alias":"left_src","uri":"/d/i.csv"},{"alias":"left","uri":"/d/p.csv"}]}`,
			sides, "left_ /d/i.csv [invoice_id] | left /d/p.csv [payment_id]"},
		{"lookups", `{"sources":[{"alias":"left_src","uri":"/d/i.csv"},{"alias":"right_src","uri":"/d/p.csv"},{"alias":"fx","uri":"/d/fx.csv"}],
			"primary_keys":{"left_src":["invoice_id"],"right_src":["payment_id"],"fx":["currency"]}}`,
			func(r *kalla.Recipe) string { return fmt.Sprint(r.Extras[0].Alias, " ", r.Extras[0].URI) }, "fx /d/fx.csv"},
		{"environment", `{"sources":[{"alias":"left_src","uri":"postgres://u:${PGPASSWORD}@h/d?table=i"},{"alias":"right_src","uri":"/d/p.csv"}]}`,
			func(r *kalla.Recipe) string { return r.Sources.Left.URI }, "postgres://u:${PGPASSWORD}@h/d?table=i"},
		{"filters", `{"sources":[{"alias":"left_src","uri":"/d/i.csv","filters":[
				{"column":"name","op":"eq","value":"O'Brien"},
				{"column":"amount","op":"gt","value":0.10},
				{"column":"amount","op":"lte","value":12345678901234567890.123456789012345678},
				{"column":"n","op":"between","value":[-1,1e3]},
				{"column":"state","op":"in","value":["open","${not a parameter}",3]},
				{"column":"paid","op":"neq","value":true},
				{"column":"text","op":"like","value":"100%"},
				{"column":"gone","op":"is_null"},{"column":"here","op":"not_null","value":null}]},{"alias":"right_src","uri":"/d/p.csv"}]}`,
			func(r *kalla.Recipe) string {
				var out []string
				for _, f := range r.Sources.Left.Filters {
					out = append(out, fmt.Sprintf("%s %s %q", f.Column, f.Op, f.Values))
				}
				return strings.Join(out, "; ")
			}, `name eq ["O'Brien"]; amount gt ["0.10"]; amount lte ["12345678901234567890.123456789012345678"]; n between ["-1" "1e3"]; ` +
				`state in ["open" "${not a parameter}" "3"]; paid neq ["true"]; text like ["100%"]; gone is_null []; here not_null []`},
		{"a recipe", `{"match_sql":null,"sources":null,"primary_keys":null,"recipe":{"kalla":1,"recipe_id":"r","parameters":[{"name":"tolerance","type":"decimal","required":true}],
			"sources":{"left":{"alias":"a","uri":"/d/a.csv","primary_key":["id"]},"right":{"alias":"b","uri":"/d/b.csv","primary_key":["id"]}},
			"match":[{"cardinality":"one_to_one","when":[{"left":"id","right":"id"},{"left":"x","right":"y","within":"${tolerance}"}]}]},"parameters":{"tolerance":"0.10"}}`,
			func(r *kalla.Recipe) string { return r.ID + " " + r.Match[0].When[1].Within.Absolute.String() }, "r 0.1"},
		{"a recipe as a text", `{"match_sql":null,"sources":null,"primary_keys":null,"recipe":"kalla: 1\nrecipe_id: y\nsources:\n  left: {alias: a, uri: /d/a.csv, primary_key: [id]}\n  right: {alias: b, uri: /d/b.csv, primary_key: [id]}\nmatch_sql: SELECT l.id, r.id FROM a l JOIN b r ON l.id = r.id\n"}`,
			func(r *kalla.Recipe) string { return r.ID + " " + r.MatchSQL }, "y SELECT l.id, r.id FROM a l JOIN b r ON l.id = r.id"},
	} {
		req := edit(t, c.changes)
		req.RunID, req.CallbackURL = fmt.Sprint("run ", i), ""
		submit(t, s, req)
		if got := c.want((<-works).Recipe); got != c.is {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.is)
		}
	}
}

func sides(r *kalla.Recipe) string {
	l, x := r.Sources.Left, r.Sources.Right
	return fmt.Sprint(l.Alias, " ", l.URI, " ", l.PrimaryKey, " | ", x.Alias, " ", x.URI, " ", x.PrimaryKey)
}

// All that is wrong is found at once, where it is in the request.
func TestFaultsOfRequests(t *testing.T) {
	s := open(t, compute.Config{Policy: anything{forbidden: "forbidden"}})
	for _, c := range []struct{ name, changes, want string }{
		{"nothing", `{"run_id":null,"output_path":null,"match_sql":null,"sources":null,"primary_keys":null}`, "run_id is missing; output_path is missing; recipe is missing"},
		{"both forms", `{"recipe":{"kalla":1}}`, "recipe the job has both a recipe and match_sql, sources or primary_keys"},
		{"words", `{"engine":"spark","evidence":"some","priority":5,"attempt":-1}`,
			`attempt is negative; priority 5 is no priority; engine "spark" is not known; evidence "some" is not known`},
		{"output", `{"output_path":"runs/1"}`, "output_path is a relative path, and the scheduler runs in a folder of its own"},
		{"output elsewhere", `{"output_path":"ftp://host/runs"}`, "output_path evidence is written to a folder or to S3"},
		{"one source", `{"sources":[{"alias":"left_src","uri":"/d/i.csv"}]}`, "sources a job compares two sources, this has 1"},
		{"keys", `{"primary_keys":{"left_src":["invoice_id"],"rigth_src":["payment_id"]}}`, "primary_keys.rigth_src no source is called so; primary_keys.right_src is missing"},
		{"keys twice", `{"sources":[{"alias":"invoices","uri":"/d/i.csv"},{"alias":"right_src","uri":"/d/p.csv"}],"primary_keys":{"invoices":["a"],"left_src":["b"],"right_src":["c","c"]}}`,
			`primary_keys.left_src differs from that of invoices; primary_keys.right_src[1] column "c" is in the key twice`},
		{"aliases", `{"sources":[{"alias":"l","uri":"/d/i.csv"},{"alias":"my payments","uri":"/d/p.csv"}],"primary_keys":{"left_src":["a"],"right_src":["b"]}}`,
			`sources[0].alias "l" has a meaning of its own in SQL; sources[1].alias "my payments" is no alias`},
		{"places", `{"sources":[{"alias":"left_src","uri":"i.csv"},{"alias":"right_src","uri":"../../etc/p.csv"},{"alias":"x","uri":"ftp://h/x.csv"},{"alias":"y","uri":"postgres://u:${NOPE}@h/d?table=t"}]}`,
			"sources[0].uri i.csv: the path is relative, and the scheduler runs in a folder of its own; " +
				"sources[1].uri ../../etc/p.csv: the path is relative, and the scheduler runs in a folder of its own; " +
				"sources[2].uri ftp://: there is no source of this type; sources[3].uri ${NOPE}: the environment variable NOPE is not set"},
		{"policy", `{"output_path":"/forbidden/1","callback_url":"http://forbidden/","sources":[{"alias":"left_src","uri":"/d/i.csv"},{"alias":"right_src","uri":"/forbidden/p.csv"},{"alias":"x","uri":"rel.csv"}]}`,
			"sources[2].uri rel.csv: the path is relative, and the scheduler runs in a folder of its own; output_path /forbidden/1: it is not allowed; " +
				"callback_url http://forbidden/: it is not allowed; sources[1].uri /forbidden/p.csv: it is not allowed"},
		{"filters", `{"sources":[{"alias":"left_src","uri":"/d/i.csv","filters":[
				{"column":"","op":"eq","value":1},{"column":"a","op":"equals","value":1},{"column":"a","op":""},{"column":"a","op":"eq"},{"column":"a","op":"eq","value":[1]},
				{"column":"a","op":"in","value":1},{"column":"a","op":"between","value":[1]},{"column":"a","op":"is_null","value":1},{"column":"a","op":"gt","value":{"x":1}},
				{"column":"a","op":"in","value":["x",null]}]},
			{"alias":"right_src","uri":"/d/p.csv"},{"alias":"fx","uri":"/d/fx.csv","filters":[{"column":"a","op":"is_null"}]}]}`,
			`sources[0].filters[0].column is missing; sources[0].filters[1].op "equals" is not known; sources[0].filters[2].op is missing; sources[0].filters[3].value is missing; ` +
				`sources[0].filters[4].value eq takes one value, this is a list; sources[0].filters[5].value in takes a list; sources[0].filters[6].value between takes two values, this has 1; ` +
				`sources[0].filters[7].value is_null takes no value; sources[0].filters[8].value is neither a text nor a number nor a boolean; ` +
				`sources[0].filters[9].value[1] is null, which nothing equals; sources[2].filters a lookup is read whole`},
		{"a recipe", `{"match_sql":null,"sources":null,"primary_keys":null,"parameters":{"tolerence":"1"},"recipe":{"kalla":1,"recipe_id":"r","parameters":[{"name":"tolerance","type":"decimal","required":true}],
			"sources":{"left":{"alias":"a","source":"registered","primary_key":["id"]},"right":{"alias":"b","uri":"/d/b.csv"}},
			"match":[{"cardinality":"one_to_one","when":[{"left":"id","right":"id"},{"left":"x"}]}]}}`,
			`parameters.tolerence the recipe has no such parameter; recipe.parameters[0] parameter tolerance has no value and is required; ` +
				`recipe.sources.right.primary_key is missing; recipe.match[0].when[1].right is missing`},
		{"a registered source", `{"match_sql":null,"sources":null,"primary_keys":null,"recipe":{"kalla":1,"recipe_id":"r",
			"sources":{"left":{"alias":"a","source":"registered","primary_key":["id"]},"right":{"alias":"b","uri":"/d/b.csv","primary_key":["id"]}},
			"match":[{"cardinality":"one_to_one","when":[{"left":"id","right":"id"}]}]}}`, "recipe.sources.left.source the scheduler knows no registered sources"},
		{"a text with lines", `{"match_sql":null,"sources":null,"primary_keys":null,"recipe":"kalla: 1\nrecipe_id: Not Small\n"}`,
			"recipe.recipe_id \"Not Small\" is no recipe id (line 2); recipe.sources is missing (line 1); recipe.match is missing (line 1)"},
		{"no recipe", `{"match_sql":null,"sources":null,"primary_keys":null,"recipe":[1]}`, `recipe a recipe is a mapping of fields, this is a list`},
	} {
		_, err := s.Submit(t.Context(), edit(t, c.changes))
		faults, _ := errors.AsType[kalla.Faults](err)
		var got []string
		for _, f := range faults {
			text := f.Path + " " + f.Problem
			if f.Line > 0 {
				text += fmt.Sprintf(" (line %d)", f.Line)
			}
			if f.Hint == "" && !strings.HasPrefix(c.name, "no recipe") {
				t.Errorf("%s: %s has no hint", c.name, text)
			}
			got = append(got, text)
		}
		want := strings.Split(c.want, "; ")
		slices.Sort(got)
		slices.Sort(want)
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: got\n\t%s\nwant\n\t%s", c.name, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
		if kalla.CodeOf(err) != kalla.CodeRecipe {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	if page, err := s.List(t.Context(), "", 0, ""); err != nil || len(page.Jobs) > 0 {
		t.Errorf("got %+v, %v: what is refused leaves nothing", page, err)
	}
}

func TestLooks(t *testing.T) {
	s := open(t, compute.Config{Policy: anything{forbidden: "forbidden"}})
	_, err := s.Preview(t.Context(), job.PreviewRequest{URI: "/forbidden/x.csv", Filters: []job.Filter{{Column: "a", Op: "eq"}}})
	faults, _ := errors.AsType[kalla.Faults](err)
	if len(faults) != 2 || faults[0].Path != "uri" || faults[1].Path != "filters[0].value" {
		t.Errorf("got %v", err)
	}
	if _, err := s.Preview(t.Context(), job.PreviewRequest{URI: "/d/x.csv"}); err != nil {
		t.Error(err)
	}
	recipe := json.RawMessage(`"kalla: 1\nrecipe_id: r\nsources:\n  left: {alias: a, uri: a.csv, primary_key: [id]}\n  right: {alias: b, uri: /forbidden/b.csv, primary_key: [id]}\nmatch_sql: SELECT 1, 2"`)
	v, err := s.Validate(t.Context(), job.ValidateRequest{Recipe: recipe})
	if err != nil || v.Valid || len(v.Faults) != 2 || v.Faults[0].Path != "sources.left.uri" || v.Faults[1].Path != "sources.right.uri" {
		t.Errorf("got %+v, %v", v, err)
	}
	no := false
	if v, err := s.Validate(t.Context(), job.ValidateRequest{Recipe: recipe, Sources: &no}); err != nil || !v.Valid {
		t.Errorf("got %+v, %v: without its sources the recipe is right", v, err)
	}
	if e, err := s.Engine(t.Context()); err != nil || e.Name != "test" || e.MaxJobs != 1 || e.Workers == nil {
		t.Errorf("got %+v, %v", e, err)
	}
}
