package statetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kalla"
	"kalla/internal/job"
	"kalla/internal/seal"
	"kalla/internal/state"
)

// testOpen: many processes may open an empty database at once, a second time
// finds what is there, and a newer program's tables are left alone.
func testOpen(t *testing.T, url string) {
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			s, err := state.Open(t.Context(), url, state.Options{Keys: Keys})
			if err == nil {
				err = errors.Join(s.SetSetting(t.Context(), fmt.Sprint("k", i), i), s.Ping(t.Context()), s.Close())
			}
			errs[i] = err
		})
	}
	wg.Wait()
	ok(t, errors.Join(errs...))

	s := Open(t, url, nil)
	for i := range errs {
		var got int
		if there := must(s.Setting(t.Context(), fmt.Sprint("k", i), &got))(t); !there || got != i {
			t.Errorf("setting %d: %v, %d", i, there, got)
		}
	}
	ok(t, exec(t, s, "INSERT INTO kalla_schema (version_id, is_applied) VALUES (9999, true)"))
	_, err := state.Open(t.Context(), url, state.Options{Keys: Keys})
	wantErr(t, err, state.ErrVersion)
	if e, is := errors.AsType[*kalla.Error](err); !is || e.Hint == "" {
		t.Errorf("no advice in %v", err)
	}
}

func source(alias, password string) state.SourceInput {
	return state.SourceInput{
		Alias: alias, Type: "postgres", URI: "postgres://reader:****@db/books?table=" + alias, Options: map[string]string{"region": "eu"},
		Types:  map[string]string{"amount": "decimal(18,2)"},
		Secret: &state.Secret{URI: "postgres://reader:" + password + "@db/books?table=" + alias, Options: map[string]string{"secret": password}},
	}
}

func testSources(t *testing.T, url string) {
	ctx, clock := as(t.Context(), "ada"), NewClock()
	s := Open(t, url, clock.Now)
	none, two := int64(0), int64(2)

	in := source("invoices", "s3cr3t")
	in.Expect = &none
	saved := must(s.SaveSource(ctx, in))(t)
	got := must(s.Source(ctx, "invoices"))(t)
	if !reflect.DeepEqual(saved, got) {
		t.Errorf("saved\n%+v\nread\n%+v", saved, got)
	}
	want := clock.Now().UTC().Truncate(time.Microsecond)
	if got.CreatedAt != want || got.CreatedBy != "ada" || got.Revision != 1 || got.Status != state.SourceUnknown || got.Types["amount"] != "decimal(18,2)" {
		t.Errorf("read %+v", got)
	}
	secret := must(s.SourceSecret(ctx, "invoices"))(t)
	if secret.URI != in.Secret.URI || secret.Options["secret"] != "s3cr3t" {
		t.Error("the secret is not what was sealed")
	}
	if text := fmt.Sprintf("%v %+v %#v %s", secret, secret, secret, fmt.Sprint(&secret)); strings.Contains(text, "s3cr3t") {
		t.Errorf("the secret prints as %s", text)
	}

	_, err := s.SaveSource(ctx, in)
	wantErr(t, err, state.ErrStale)
	in.Expect, in.Secret, in.URI = nil, nil, "postgres://reader:****@db2/books"
	clock.Pass(time.Minute)
	changed := must(s.SaveSource(as(ctx, "bob"), in))(t)
	if changed.Revision != 2 || changed.CreatedBy != "ada" || changed.UpdatedBy != "bob" || !changed.CreatedAt.Before(changed.UpdatedAt) {
		t.Errorf("changed to %+v", changed)
	}
	equal(t, "secret", must(s.SourceSecret(ctx, "invoices"))(t).URI, secret.URI)
	in.Expect = &two
	must(s.SaveSource(ctx, in))(t)
	_, err = s.SaveSource(ctx, state.SourceInput{Alias: "nobody", URI: "x"})
	wantErr(t, err, state.ErrNotFound)

	rows := int64(7)
	ok(t, s.CheckedSource(ctx, "invoices", state.SourceCheck{Status: state.SourceConnected, Columns: []job.Column{{Name: "id", DataType: "integer"}}, Rows: &rows}))
	ok(t, s.CheckedSource(ctx, "invoices", state.SourceCheck{Status: state.SourceFailed, Error: "no route"}))
	ok(t, s.CheckedSource(ctx, "gone", state.SourceCheck{Status: state.SourceFailed}))
	got = must(s.Source(ctx, "invoices"))(t)
	if got.Status != state.SourceFailed || got.Error != "no route" || *got.Rows != 7 || got.Columns[0].Name != "id" || got.Revision != 3 {
		t.Errorf("after checks %+v", got)
	}

	must(s.SaveRecipe(ctx, state.RecipeInput{RecipeID: "r", Recipe: state.JSON("{}"), Sources: []string{"invoices", "payments", "invoices"}}))(t)
	users := must(s.SourceUsers(ctx, "invoices", "payments", "x"))(t)
	if want := map[string][]string{"invoices": {"r"}, "payments": {"r"}}; !reflect.DeepEqual(users, want) {
		t.Errorf("used by %v", users)
	}
	wantErr(t, s.DeleteSource(ctx, "invoices", false), state.ErrInUse)
	must(s.SaveRecipe(ctx, state.RecipeInput{RecipeID: "r", Recipe: state.JSON("{}"), Sources: []string{"payments"}}))(t)
	ok(t, s.DeleteSource(ctx, "invoices", false))
	wantErr(t, s.DeleteSource(ctx, "invoices", true), state.ErrNotFound)
	_, err = s.Source(ctx, "invoices")
	wantErr(t, err, state.ErrNotFound)
	must(s.SaveSource(ctx, source("payments", "x")))(t)
	ok(t, s.DeleteSource(ctx, "payments", true))
	equal(t, "sources", must(s.CountSources(ctx))(t), 0)
}

func testRecipes(t *testing.T, url string) {
	ctx := as(t.Context(), "ada")
	s := Open(t, url, nil)
	n := func(i int) *int { return &i }
	in := state.RecipeInput{RecipeID: "r", Name: "One", Left: "a", Right: "b", Passes: 2, Sources: []string{"a", "b"},
		Document: "# as written\nkalla: 1\n", Recipe: state.JSON(`{ "kalla":1, "a": "<&>" }`), Message: "first", Expect: n(0)}
	must(s.SaveRecipe(ctx, in))(t)
	_, err := s.SaveRecipe(ctx, in)
	wantErr(t, err, state.ErrStale)
	in.Name, in.Document, in.Expect = "Two", "kalla: 1 # 2", n(1)
	must(s.SaveRecipe(as(ctx, "bob"), in))(t)

	r := must(s.Recipe(ctx, "r"))(t)
	if r.Version != 2 || r.Name != "Two" || r.UpdatedBy != "bob" || r.CreatedBy != "ada" || r.Left != "a" || r.Passes != 2 {
		t.Errorf("recipe %+v", r)
	}
	v := must(s.RecipeVersion(ctx, "r", 1))(t)
	if v.Document != "# as written\nkalla: 1\n" || string(v.Recipe) != `{ "kalla":1, "a": "<&>" }` || v.Author != "ada" || v.Message != "first" {
		t.Errorf("version 1 %+v", v)
	}
	equal(t, "current", must(s.RecipeVersion(ctx, "r", 0))(t).Document, "kalla: 1 # 2")
	_, err = s.RecipeVersion(ctx, "r", 3)
	wantErr(t, err, state.ErrNotFound)
	versions := must(s.RecipeVersions(ctx, "r", 0))(t)
	if len(versions) != 2 || versions[0].Version != 2 || versions[0].Document != "" {
		t.Errorf("versions %+v", versions)
	}
	equal(t, "versions before 2", len(must(s.RecipeVersions(ctx, "r", 2))(t)), 1)

	equal(t, "recipes of a", len(must(s.Recipes(ctx, state.RecipeFilter{Source: "a"}, state.Page{}))(t).Items), 1)
	equal(t, "recipes of c", len(must(s.Recipes(ctx, state.RecipeFilter{Source: "c"}, state.Page{}))(t).Items), 0)

	wantErr(t, s.DeleteRecipe(ctx, "r", n(1)), state.ErrStale)
	ok(t, s.DeleteRecipe(ctx, "r", n(2)))
	wantErr(t, s.DeleteRecipe(ctx, "r", nil), state.ErrNotFound)
	equal(t, "recipes", len(must(s.Recipes(ctx, state.RecipeFilter{}, state.Page{}))(t).Items), 0)
	equal(t, "deleted recipes", len(must(s.Recipes(ctx, state.RecipeFilter{Archived: true}, state.Page{}))(t).Items), 1)
	equal(t, "users of a", len(must(s.SourceUsers(ctx, "a"))(t)), 0)
	must(s.RecipeVersion(ctx, "r", 1))(t) // runs refer to it
	in.Expect = n(0)
	equal(t, "version of the recipe that came back", must(s.SaveRecipe(ctx, in))(t).Version, 3)

	// Of many who begin a recipe at once, one does; who does not care, does too.
	race := func(id string, expect *int, want int) {
		t.Helper()
		var wg sync.WaitGroup
		results := make([]error, 10)
		for i := range results {
			wg.Go(func() {
				_, results[i] = s.SaveRecipe(ctx, state.RecipeInput{RecipeID: id, Recipe: state.JSON("{}"), Expect: expect})
			})
		}
		wg.Wait()
		saved := 0
		for _, err := range results {
			if err == nil {
				saved++
			} else {
				wantErr(t, err, state.ErrStale)
			}
		}
		equal(t, "who saved", saved, want)
		equal(t, "version", must(s.Recipe(ctx, id))(t).Version, want)
	}
	race("new", n(0), 1)
	race("any", nil, 10)

	// Of many who save at once from the same version, one does.
	var wg sync.WaitGroup
	results := make([]error, 10)
	for i := range results {
		wg.Go(func() {
			in := in
			in.Expect = n(3)
			_, results[i] = s.SaveRecipe(ctx, in)
		})
	}
	wg.Wait()
	saved := 0
	for _, err := range results {
		if err == nil {
			saved++
		} else {
			wantErr(t, err, state.ErrStale)
		}
	}
	equal(t, "who saved", saved, 1)
	equal(t, "version", must(s.Recipe(ctx, "r"))(t).Version, 4)
}

// testTexts: whatever people write comes back as it was, and does nothing else.
func testTexts(t *testing.T, url string) {
	ctx := t.Context()
	s := Open(t, url, nil)
	for i, text := range []string{"O'Brien", `a \ b \' c \\`, "?? ?0 ?foo", "'; DROP TABLE users; --", "x\ny\r\tz", "žluťoučký 🐎", `{"a": "'\"\\"}`, "$1 $$ :a @b", "E'\\x41'", "\x01\x7f", `\u0041 \u0000`} {
		in := source(fmt.Sprint("s", i), text)
		in.URI, in.Options, in.Types = text, map[string]string{text: text}, map[string]string{text: text}
		must(s.SaveSource(ctx, in))(t)
		ok(t, s.CheckedSource(ctx, in.Alias, state.SourceCheck{Status: state.SourceFailed, Error: text, Columns: []job.Column{{Name: text}}}))
		got := must(s.Source(ctx, in.Alias))(t)
		if got.URI != text || got.Options[text] != text || got.Types[text] != text || got.Error != text || got.Columns[0].Name != text {
			t.Errorf("%q came back as %+v", text, got)
		}
		equal(t, "secret", must(s.SourceSecret(ctx, in.Alias))(t).Options["secret"], text)
		must(s.SaveRecipe(ctx, state.RecipeInput{RecipeID: text, Name: text, Document: text, Recipe: state.JSON(`"x"`), Message: text, Sources: []string{text}}))(t)
		v := must(s.RecipeVersion(ctx, text, 0))(t)
		if v.RecipeID != text || v.Document != text || v.Message != text {
			t.Errorf("%q came back as %+v", text, v)
		}
		run, _, err := s.CreateRun(ctx, state.NewRun{RunID: text, RecipeID: text, Document: state.JSON(`{}`), Parameters: map[string]string{text: text}, IdempotencyKey: text, Lease: time.Hour, Request: []byte(text)})
		ok(t, err)
		_, o, err := s.Advance(ctx, text, state.Broke{Failure: job.Failure{Code: "source", Message: text, Hint: text}})
		ok(t, err)
		equal(t, "outcome", o, state.Applied)
		run = must(s.Run(ctx, run.RunID))(t)
		if run.Parameters[text] != text || run.Failure.Message != text {
			t.Errorf("%q came back as %+v", text, run)
		}
		equal(t, "request", string(must(s.RunRequest(ctx, text))(t)), text)
	}
	// What no text is, NUL and broken UTF-8, becomes what stands for it.
	must(s.CreateUpload(as(ctx, "a\x00b\xff"), state.Upload{ID: "u", Filename: "a\x00b\xff"}))(t)
	equal(t, "filename", must(s.Upload(ctx, "u"))(t).Filename, "a\uFFFDb\uFFFD")
	ok(t, s.Record(as(ctx, "a\x00b\xff"), "test", "x", "\x00", map[string]any{"text": "\x00\xff"}))
	zero := source("zero", "x")
	zero.Options = map[string]string{"\x00": "\x00 \\u0000"}
	must(s.SaveSource(ctx, zero))(t)
	equal(t, "option", must(s.Source(ctx, "zero"))(t).Options["\x00"], "\x00 \\u0000")
	ok(t, must(s.VerifyAudit(ctx))(t).Error())
}

// testPages: turning the pages while objects are added shows each of those that
// were there exactly once, though many share a moment.
func testPages(t *testing.T, url string) {
	ctx, clock := t.Context(), NewClock()
	s := Open(t, url, clock.Now)
	add := func(prefix string, n int) (ids []string) {
		for i := range n {
			if i%5 == 0 {
				clock.Pass(time.Microsecond)
			}
			id := fmt.Sprintf("%s%02d", prefix, i*37%n) // not in the order of time
			run, _, err := s.CreateRun(ctx, state.NewRun{RunID: id, RecipeID: "r" + fmt.Sprint(i%2), Document: state.JSON("{}"), Lease: time.Hour})
			ok(t, err)
			ids = append(ids, run.RunID)
		}
		return ids
	}
	want := add("Aa", 23)
	var got []string
	p := state.Page{Limit: 4}
	for {
		l := must(s.Runs(ctx, state.RunFilter{}, p))(t)
		if len(l.Items) > 4 {
			t.Fatalf("a page of %d", len(l.Items))
		}
		for _, r := range l.Items {
			got = append(got, r.RunID)
		}
		add(fmt.Sprint("b", len(got)), 3)
		if l.Next == "" {
			break
		}
		p.Cursor = l.Next
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the pages show %v, want %v", got, want)
	}
	for _, r := range must(s.Runs(ctx, state.RunFilter{RecipeID: "r1", States: []state.RunState{state.Pending}}, state.Page{}))(t).Items {
		equal(t, "recipe", r.RecipeID, "r1")
	}
	for _, bad := range []string{"x", "!!", "AAAA", p.Cursor + "x y", "MSAA"} {
		if _, err := s.Runs(ctx, state.RunFilter{}, state.Page{Cursor: bad}); err != nil {
			wantErr(t, err, state.ErrCursor)
		}
	}
	_, err := s.Runs(ctx, state.RunFilter{}, state.Page{Cursor: "x"})
	wantErr(t, err, state.ErrCursor)
}

func testUploads(t *testing.T, url string) {
	ctx, clock := as(t.Context(), "ada"), NewClock()
	s := Open(t, url, clock.Now)
	soon := clock.Now().Add(time.Hour)
	u := must(s.CreateUpload(ctx, state.Upload{Filename: "a.csv", Location: "uploads/1/a.csv", ExpiresAt: &soon}))(t)
	equal(t, "status", u.Status, state.UploadPending)
	value := "1"
	rows := int64(2)
	u.Status, u.Size, u.Columns, u.Rows, u.Sample = state.UploadConfirmed, 12, []job.Column{{Name: "id"}}, &rows, [][]*string{{&value, nil}}
	ok(t, s.UpdateUpload(ctx, *u, state.UploadPending))
	wantErr(t, s.UpdateUpload(ctx, *u, state.UploadPending), state.ErrStale)
	wantErr(t, s.UpdateUpload(ctx, state.Upload{ID: "x"}, state.UploadPending), state.ErrNotFound)
	got := must(s.Upload(ctx, u.ID))(t)
	if got.Size != 12 || *got.Rows != 2 || *got.Sample[0][0] != "1" || got.Sample[0][1] != nil || got.CreatedBy != "ada" {
		t.Errorf("upload %+v", got)
	}
	equal(t, "expired", len(must(s.ExpiredUploads(ctx, 10))(t)), 0)
	clock.Pass(2 * time.Hour)
	equal(t, "expired", len(must(s.ExpiredUploads(ctx, 10))(t)), 1)
	got.Status = state.UploadExpired
	ok(t, s.UpdateUpload(ctx, *got, state.UploadConfirmed))
	equal(t, "expired", len(must(s.ExpiredUploads(ctx, 10))(t)), 0)
	equal(t, "uploads of ada", len(must(s.Uploads(ctx, "ada", state.Page{}))(t).Items), 1)
	equal(t, "uploads of bob", len(must(s.Uploads(ctx, "bob", state.Page{}))(t).Items), 0)
}

// testReseal: after a change of keys, what is stored needs the new one only.
func testReseal(t *testing.T, url string) {
	ctx := t.Context()
	old, next := seal.Generate(), seal.Generate()
	open := func(text string) *state.Store {
		s, err := state.Open(ctx, url, state.Options{Keys: must(seal.Parse(text))(t)})
		ok(t, err)
		return s
	}
	s := open(old)
	for i := range 130 {
		must(s.SaveSource(ctx, source(fmt.Sprint("s", i), fmt.Sprint("password", i))))(t)
	}
	run, _, err := s.CreateRun(ctx, state.NewRun{Document: state.JSON("{}"), Request: []byte("request"), Lease: time.Hour})
	ok(t, err)
	ok(t, s.Close())

	s = open(next)
	_, err = s.SourceSecret(ctx, "s0")
	wantErr(t, err, seal.ErrKey)
	ok(t, s.Close())
	s = open(next + "," + old)
	equal(t, "sealed again", must(s.Reseal(ctx))(t), 131)
	equal(t, "sealed again", must(s.Reseal(ctx))(t), 0)
	ok(t, s.Close())
	s = open(next)
	defer s.Close()
	for i := range 130 {
		equal(t, "password", must(s.SourceSecret(ctx, fmt.Sprint("s", i)))(t).Options["secret"], fmt.Sprint("password", i))
	}
	equal(t, "request", string(must(s.RunRequest(ctx, run.RunID))(t)), "request")

	// A value that somebody moved to another row does not open there.
	ok(t, exec(t, s, "UPDATE sources SET secret = (SELECT secret FROM sources WHERE alias = 's1') WHERE alias = 's2'"))
	_, err = s.SourceSecret(ctx, "s2")
	wantErr(t, err, seal.ErrDamaged)
}

func testCancel(t *testing.T, url string) {
	s := Open(t, url, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	_, err := s.SaveSource(ctx, source("a", "b"))
	wantErr(t, err, context.Canceled)
	equal(t, "code", kalla.CodeOf(err), kalla.CodeCanceled)
	_, err = s.Sources(ctx, state.Page{})
	wantErr(t, err, context.Canceled)
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v to notice", took)
	}
	equal(t, "sources", must(s.CountSources(t.Context()))(t), 0)
}
