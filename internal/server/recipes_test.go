package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"kalla"
	"kalla/internal/server"
)

// bills registers two small sources and returns the recipe of both.
func (s *site) bills(t testing.TB) (document string) {
	t.Helper()
	left := write(t, "bills.csv", "id,amount\nA1,10.00\nA2,20.00\nA3,30.00\n")
	right := write(t, "payments.csv", "id,paid\nA1,10.00\nA2,20.50\nB9,1.00\n")
	for alias, file := range map[string]string{"bills": left, "payments": right} {
		want[server.Done](t, s.call(http.MethodPost, "/api/sources", object{"alias": alias, "uri": file}), 200)
	}
	return small("small", "source: bills", "source: payments")
}

// raw sends a body as it is.
func (s *site) raw(method, path, contentType, body string, header ...string) answered {
	s.t.Helper()
	if s.token == "" {
		s.call(http.MethodGet, "/api/about", nil)
	}
	r := s.request(method, path, []byte(body))
	r.Header.Del("Sec-Fetch-Site")
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Authorization", "Bearer "+s.token)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	check(s.t, err)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	check(s.t, err)
	return answered{resp.StatusCode, resp.Header, got}
}

// TestRecipes: a recipe from its first version to its end, on both databases.
func TestRecipes(t *testing.T) {
	for name, database := range stores {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			s := newSite(t, options{database: database(t), scheduler: scheduler(t).URL()})
			document := s.bills(t)

			made := s.call(http.MethodPost, "/api/recipes", object{"document": document, "message": "the first"})
			if done := want[server.Done](t, made, 200); !done.Success || made.header.Get("ETag") != `"1"` {
				t.Errorf("%+v %v", done, made.header)
			}
			got := want[server.Recipe](t, s.call(http.MethodGet, "/api/recipes/small", nil), 200)
			if got.Document != document || got.Version != 1 || got.Name != "Small" || got.Passes != 1 || got.Left != "bills" ||
				got.Author != adminEmail || got.Message != "the first" || len(got.Sentences) == 0 {
				t.Errorf("%+v", got)
			}

			// A version more, by PUT; the first stays as it was.
			wider := strings.Replace(document, "{left: id, right: id}", "{left: id, right: id}\n      - {left: amount, right: paid, within: \"0.50\"}", 1)
			want[problem](t, s.call(http.MethodPut, "/api/recipes/small", object{"document": wider}), 428)
			want[problem](t, s.call(http.MethodPut, "/api/recipes/other", object{"document": wider}), 422)
			put := s.call(http.MethodPut, "/api/recipes/small", object{"document": wider, "message": "amounts too"}, "If-Match", `"1"`)
			if v := want[server.Recipe](t, put, 200); v.Version != 2 || put.header.Get("ETag") != `"2"` {
				t.Errorf("%+v", v)
			}
			want[problem](t, s.call(http.MethodPut, "/api/recipes/small", object{"document": wider}, "If-Match", `"1"`), 412)
			want[problem](t, s.call(http.MethodPut, "/api/recipes/small", object{"document": wider}, "If-None-Match", "*"), 412)
			want[problem](t, s.call(http.MethodPut, "/api/recipes/small", object{"document": wider}, "If-Match", "v1"), 422)
			want[problem](t, s.call(http.MethodPost, "/api/recipes", object{"document": wider}, "If-Match", `"1"`), 412)
			if old := want[server.Recipe](t, s.call(http.MethodGet, "/api/recipes/small?version=1", nil), 200); old.Document != document || old.Version != 1 {
				t.Errorf("%+v", old)
			}

			history := want[[]server.RecipeVersion](t, s.call(http.MethodGet, "/api/recipes/small/versions", nil), 200)
			if len(history) != 2 || history[0].Version != 2 || history[0].Message != "amounts too" || history[1].Message != "the first" {
				t.Errorf("%+v", history)
			}
			page := s.call(http.MethodGet, "/api/recipes/small/versions?limit=1", nil)
			if first := want[[]server.RecipeVersion](t, page, 200); len(first) != 1 || page.header.Get("Link") != `</api/recipes/small/versions?cursor=2&limit=1>; rel="next"` {
				t.Errorf("%+v %s", first, page.header.Get("Link"))
			}
			if rest := want[[]server.RecipeVersion](t, s.call(http.MethodGet, "/api/recipes/small/versions?cursor=2&limit=1", nil), 200); len(rest) != 1 || rest[0].Version != 1 {
				t.Errorf("%+v", rest)
			}
			diff := want[server.RecipeDiff](t, s.call(http.MethodGet, "/api/recipes/small/diff", nil), 200)
			if diff.From != 1 || diff.To != 2 || len(diff.Changes) != 1 || !strings.Contains(diff.Changes[0].Text, "amount") || diff.FromDocument != document || diff.ToDocument != wider {
				t.Errorf("%+v", diff)
			}

			// It runs as it is saved.
			run := s.until(s.start(map[string]any{"recipe_id": "small"}), server.RunCompleted)
			if run.MatchedCount != 2 || run.UnmatchedLeftCount != 1 || run.UnmatchedRightCount != 1 || run.RecipeVersion != 2 {
				t.Errorf("%+v", run.RunItem)
			}
			list := want[[]server.RecipeItem](t, s.call(http.MethodGet, "/api/recipes", nil), 200)
			if len(list) != 1 || list[0].LastRun == nil || list[0].LastRun.RunID != run.RunID || len(list[0].Rates) != 1 || list[0].Version != 2 {
				t.Errorf("%+v", list)
			}
			if none := want[[]server.RecipeItem](t, s.call(http.MethodGet, "/api/recipes?source=nothing", nil), 200); len(none) != 0 {
				t.Errorf("%+v", none)
			}

			want[problem](t, s.call(http.MethodDelete, "/api/recipes/small", nil, "If-Match", `"1"`), 412)
			want[server.Done](t, s.call(http.MethodDelete, "/api/recipes/small", nil, "If-Match", `"2"`), 200)
			want[problem](t, s.call(http.MethodGet, "/api/recipes/small", nil), 404)
			want[problem](t, s.call(http.MethodDelete, "/api/recipes/small", nil), 404)
			want[problem](t, s.call(http.MethodPost, "/api/runs", object{"recipe_id": "small"}), 404)
			if run := s.run(run.RunID); run.RecipeVersion != 2 {
				t.Errorf("%+v", run)
			}
			// Saved again it goes on counting.
			if again := want[server.Recipe](t, s.call(http.MethodPut, "/api/recipes/small", object{"document": document}), 200); again.Version != 3 {
				t.Errorf("%+v", again)
			}
		})
	}
}

// TestRecipeForms: whatever form a recipe comes in, it is the same recipe.
func TestRecipeForms(t *testing.T) {
	noLeaks(t)
	s := newSite(t, options{})
	document := s.bills(t)
	compact := func(raw json.RawMessage) string {
		var b bytes.Buffer
		check(t, json.Compact(&b, raw))
		return b.String()
	}
	want[server.Done](t, s.call(http.MethodPost, "/api/recipes", object{"document": document}), 200)
	first := want[server.Recipe](t, s.call(http.MethodGet, "/api/recipes/small", nil), 200)
	text, err := json.Marshal(document)
	check(t, err)
	for form, send := range map[string]func() answered{
		"YAML": func() answered { return s.raw(http.MethodPost, "/api/recipes", "application/yaml", document) },
		"JSON": func() answered {
			return s.raw(http.MethodPost, "/api/recipes", "application/json", compact(first.Recipe))
		},
		"JSON text": func() answered { return s.raw(http.MethodPost, "/api/recipes", "application/json", string(text)) },
		"YAML from JSON": func() answered {
			return s.call(http.MethodPost, "/api/recipes", object{"document": string(first.Recipe)})
		},
	} {
		want[server.Done](t, send(), 200)
		got := want[server.Recipe](t, s.call(http.MethodGet, "/api/recipes/small", nil), 200)
		if compact(got.Recipe) != compact(first.Recipe) {
			t.Errorf("%s: %s\nis not %s", form, got.Recipe, first.Recipe)
		}
		if form == "JSON" && !strings.HasPrefix(got.Document, "kalla: 1\nrecipe_id: small\n") {
			t.Errorf("%s is shown as\n%s", form, got.Document)
		}
	}
}

// TestOlderRecipe: a client of the product's predecessor registers sources,
// saves a recipe that repeats them with their passwords, and reads what it wrote.
func TestOlderRecipe(t *testing.T) {
	noLeaks(t)
	s := newSite(t, options{scheduler: scheduler(t).URL()})
	s.bills(t)
	const secret, database = "s3cr3t", "postgres://reader:s3cr3t@db:5432/books?table=t"
	want[server.Done](t, s.call(http.MethodPost, "/api/sources", object{"alias": "ledger", "uri": database, "source_type": "postgres"}), 200)
	left := want[server.Source](t, s.call(http.MethodGet, "/api/sources/bills", nil), 200)
	body := object{
		"recipe_id": "older", "name": "Older", "description": "as before", "match_description": "Equal ids:\nnothing else",
		"match_sql": "SELECT l.id, r.id FROM left_src l JOIN right_src r ON l.id = r.id",
		"sources": object{
			"left":  object{"alias": "left_src", "type": "csv", "uri": left.URI, "primary_key": []string{"id"}, "schema": nil},
			"right": object{"alias": "ledger", "type": "postgres", "uri": database, "primary_key": "id"},
		},
	}
	want[server.Done](t, s.call(http.MethodPost, "/api/recipes", body), 200)
	answer := s.call(http.MethodGet, "/api/recipes/older", nil)
	got := want[object](t, answer, 200)
	for _, field := range []string{"recipe_id", "name", "description", "match_sql"} {
		if got[field] != body[field] {
			t.Errorf("%s: %v", field, got[field])
		}
	}
	if got["match_description"] != "Equal ids: nothing else" {
		t.Errorf("%v", got["match_description"])
	}
	sources := fmt.Sprint(got["sources"])
	if want := "map[left:map[alias:left primary_key:[id] type:file uri:" + left.URI + "] right:map[alias:ledger primary_key:[id] source:ledger]]"; sources != want {
		t.Errorf("sources %s\nnot %s", sources, want)
	}
	if strings.Contains(string(answer.body), secret) {
		t.Errorf("%s", answer.body)
	}
	if list := want[[]object](t, s.call(http.MethodGet, "/api/recipes", nil), 200); fmt.Sprint(list[0]["sources"]) != sources || list[0]["match_sql"] != body["match_sql"] {
		t.Errorf("%v", list[0])
	}
	// An upsert, as that product has it, without a version.
	body["description"] = "changed"
	want[server.Done](t, s.call(http.MethodPost, "/api/recipes", body), 200)
	if again := want[server.Recipe](t, s.call(http.MethodGet, "/api/recipes/older", nil), 200); again.Version != 2 || again.Description != "changed" {
		t.Errorf("%+v", again)
	}
	// The password of a source that is not registered has no place to go.
	body["sources"].(object)["right"].(object)["alias"] = "unknown"
	p := want[problem](t, s.call(http.MethodPost, "/api/recipes", body), 422)
	if len(p.Errors) != 1 || p.Errors[0].Location != "body.sources.right.uri" || !strings.Contains(p.Errors[0].Hint, "register") || strings.Contains(fmt.Sprint(p), secret) {
		t.Errorf("%+v", p)
	}
	// Run as it comes, it may carry one.
	body["sources"].(object)["right"] = object{"alias": "payments", "uri": want[server.Source](t, s.call(http.MethodGet, "/api/sources/payments", nil), 200).URI, "primary_key": []string{"id"}}
	if run := s.until(s.start(map[string]any{"recipe": body}), server.RunCompleted); run.MatchedCount != 2 {
		t.Errorf("%+v", run.RunItem)
	}
}

// TestRecipeFaults: a recipe with faults is refused with all of them, each at its place.
func TestRecipeFaults(t *testing.T) {
	noLeaks(t)
	s := newSite(t, options{})
	document := `kalla: 1
recipe_id: Wrong Name
sources:
  left:
    alias: bills
    uri: postgres://reader:s3cr3t@db/books?table=bills
    primary_key: [id]
  right:
    alias: payments
    source: nowhere
    primary_key: [id]
extras:
  - alias: rates
    uri: s3://bucket/rates.csv
    options: {secret: s3cr3t}
match:
  - name: by id
    cardinality: one_to_some
    when:
      - {left: id, right: id, within: much}
`
	answer := s.call(http.MethodPost, "/api/recipes", object{"document": document})
	p := want[struct {
		Detail string
		Errors []struct {
			Location, Message, Hint string
			Line                    int
		}
	}](t, answer, 422)
	found := map[string]int{}
	for _, e := range p.Errors {
		found[e.Location] = e.Line
		if e.Message == "" {
			t.Errorf("%+v", e)
		}
	}
	for location, line := range map[string]int{
		"body.document.recipe_id": 2, "body.document.sources.left.uri": 6, "body.document.sources.right.source": 10,
		"body.document.extras[0].options.secret": 15, "body.document.match[0].cardinality": 18, "body.document.match[0].when[0].within": 20,
	} {
		if found[location] != line {
			t.Errorf("%s is said at line %d of %v", location, found[location], found)
		}
	}
	if len(found) != 6 || strings.Contains(string(answer.body), "s3cr3t") {
		t.Errorf("%s", answer.body)
	}
	if list := want[[]any](t, s.call(http.MethodGet, "/api/recipes", nil), 200); len(list) != 0 {
		t.Errorf("%v", list)
	}

	// The same while one types, and what does not parse at all.
	checked := want[server.RecipeChecked](t, s.call(http.MethodPost, "/api/recipes/validate", object{"document": document}), 200)
	lines := map[int]bool{}
	for _, f := range checked.Faults {
		lines[f.Line] = true
	}
	if checked.Valid || !lines[2] || !lines[10] || !lines[18] || !lines[20] {
		t.Errorf("%+v", checked.Faults)
	}
	if broken := want[server.RecipeChecked](t, s.call(http.MethodPost, "/api/recipes/validate", object{"document": "kalla: [1"}), 200); broken.Valid || len(broken.Faults) != 1 || broken.Faults[0].Line == 0 {
		t.Errorf("%+v", broken)
	}
	for _, body := range []string{"", "{", "[]", `{"document": 1}`, `{"sources": {"left": 1}}`, `{"kalla": 1}`, `null`, `"kalla: 2"`} {
		if got := s.raw(http.MethodPost, "/api/recipes", "application/json", body); got.status != 422 && got.status != 400 || !json.Valid(got.body) {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
}

// TestRecipeRace: of many who change one version, one wins and nobody's change is lost without a word.
func TestRecipeRace(t *testing.T) {
	for name, database := range stores {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			s := newSite(t, options{database: database(t)})
			document := s.bills(t)
			want[server.Done](t, s.call(http.MethodPost, "/api/recipes", object{"document": document}), 200)
			const writers = 12
			var wg sync.WaitGroup
			statuses := make([]int, writers)
			for i := range writers {
				wg.Go(func() {
					changed := strings.Replace(document, "name: Small", fmt.Sprint("name: Small ", i), 1)
					statuses[i] = s.call(http.MethodPut, "/api/recipes/small", object{"document": changed}, "If-Match", `"1"`).status
				})
			}
			wg.Wait()
			counts := map[int]int{}
			for _, status := range statuses {
				counts[status]++
			}
			if counts[200] != 1 || counts[412] != writers-1 {
				t.Errorf("%v", counts)
			}
			// Without a version each is one more.
			for i := range writers {
				wg.Go(func() {
					statuses[i] = s.call(http.MethodPost, "/api/recipes", object{"document": document}).status
				})
			}
			wg.Wait()
			if got := want[server.Recipe](t, s.call(http.MethodGet, "/api/recipes/small", nil), 200); got.Version != 2+writers {
				t.Errorf("version %d after %v", got.Version, statuses)
			}
		})
	}
}

// TestValidateDraftTrial: what the scheduler knows of the sources comes back in the terms of the document.
func TestValidateDraftTrial(t *testing.T) {
	noLeaks(t)
	s := newSite(t, options{scheduler: scheduler(t).URL()})
	document := s.bills(t)

	checked := want[server.RecipeChecked](t, s.call(http.MethodPost, "/api/recipes/validate", object{"document": document, "sources": true}), 200)
	if !checked.Valid || len(checked.Steps) == 0 || checked.Estimate == nil || checked.Estimate.LeftRows != 3 || len(checked.Sentences) == 0 || checked.Document == "" {
		t.Errorf("%+v", checked)
	}
	wrong := strings.Replace(document, "{left: id, right: id}", "{left: nmae, right: id}", 1)
	checked = want[server.RecipeChecked](t, s.call(http.MethodPost, "/api/recipes/validate", object{"document": wrong, "sources": true}), 200)
	if checked.Valid || len(checked.Faults) != 1 || checked.Faults[0].Path != "match[0].when[0].left" || checked.Faults[0].Line == 0 {
		t.Errorf("%+v", checked.Faults)
	}

	sum := want[kalla.Summary](t, s.call(http.MethodPost, "/api/recipes/trial", object{"document": document}), 200)
	if sum.Pairs != 2 || sum.Left.Unmatched != 1 || sum.Right.Unmatched != 1 || sum.Evidence != "" {
		t.Errorf("%+v", sum)
	}
	p := want[problem](t, s.call(http.MethodPost, "/api/recipes/trial", object{"document": wrong}), 422)
	if len(p.Errors) != 1 || p.Errors[0].Location != "body.document.match[0].when[0].left" {
		t.Errorf("%+v", p)
	}
	if runs := want[[]any](t, s.call(http.MethodGet, "/api/runs", nil), 200); len(runs) != 0 {
		t.Errorf("a trial is a run: %v", runs)
	}

	// A draft of the demo's data finds what they were made with.
	yaml := data(t, 400)
	for alias, file := range map[string]string{"invoices": "invoices.csv", "payouts": "payments.csv"} {
		uri := ""
		for line := range strings.Lines(yaml) {
			if at, ok := strings.CutPrefix(strings.TrimSpace(line), "uri: "); ok && strings.HasSuffix(at, file) {
				uri = at
			}
		}
		want[server.Done](t, s.call(http.MethodPost, "/api/sources", object{"alias": alias, "uri": uri}), 200)
	}
	draft := want[server.RecipeDraft](t, s.call(http.MethodPost, "/api/recipes/draft", object{"left": object{"source": "invoices"}, "right": object{"source": "payouts"}, "recipe_id": "drafted", "name": "Drafted"}), 200)
	if draft.Left.Total == 0 || draft.Left.Matched*10 < draft.Left.Total*7 || len(draft.Evidence) == 0 || len(draft.Sentences) == 0 ||
		!strings.Contains(draft.Document, "source: invoices") || strings.Contains(draft.Document, "uri:") {
		t.Errorf("%+v", draft)
	}
	// It is saved and tried as it is.
	want[server.Done](t, s.call(http.MethodPost, "/api/recipes", object{"document": draft.Document}), 200)
	got := want[server.Recipe](t, s.call(http.MethodGet, "/api/recipes/drafted", nil), 200)
	sum = want[kalla.Summary](t, s.call(http.MethodPost, "/api/recipes/trial", object{"document": got.Document}), 200)
	if sum.Left.Total != draft.Left.Total || sum.Left.Total-sum.Left.Unmatched != draft.Left.Matched {
		t.Errorf("a trial finds %+v, the draft %+v", sum.Left, draft.Left)
	}
	narrow := object{"left": object{"source": "invoices", "filters": []object{{"column": "currency", "op": "eq", "value": "EUR"}}}, "right": object{"source": "payouts"}}
	if part := want[server.RecipeDraft](t, s.call(http.MethodPost, "/api/recipes/draft", narrow), 200); part.Left.Total >= draft.Left.Total || !strings.Contains(part.Document, "currency") {
		t.Errorf("%+v", part)
	}
	p = want[problem](t, s.call(http.MethodPost, "/api/recipes/draft", object{"left": object{"source": "nothing"}, "right": object{"source": "none"}}), 422)
	if len(p.Errors) != 2 || p.Errors[0].Location != "body.left.source" {
		t.Errorf("%+v", p)
	}
}

// TestRecipeSchema: editors read it without signing in.
func TestRecipeSchema(t *testing.T) {
	noLeaks(t)
	s := newSite(t, options{})
	got := s.callAs("", http.MethodGet, "/api/schema/recipe", nil)
	schema := want[struct {
		Schema   string   `json:"$schema"`
		Required []string `json:"required"`
	}](t, got, 200)
	if !strings.Contains(schema.Schema, "2020-12") || len(schema.Required) == 0 || got.header.Get("Content-Type") != "application/schema+json" {
		t.Errorf("%+v %v", schema, got.header)
	}
}

// BenchmarkValidate is what an editor asks for at every pause in typing.
func BenchmarkValidate(b *testing.B) {
	s := newSite(b, options{})
	document := s.bills(b)
	s.call(http.MethodPost, "/api/recipes/validate", object{"document": document})
	slowest := time.Duration(0)
	for b.Loop() {
		start := time.Now()
		s.call(http.MethodPost, "/api/recipes/validate", object{"document": document})
		slowest = max(slowest, time.Since(start))
	}
	b.ReportMetric(float64(slowest.Microseconds()), "µs-slowest")
}
