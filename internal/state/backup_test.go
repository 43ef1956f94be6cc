package state_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/shopspring/decimal"

	"kalla"
	"kalla/internal/job"
	"kalla/internal/seal"
	"kalla/internal/state"
	"kalla/internal/state/statetest"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fill stores something in every table, with every column set somewhere.
func fill(t *testing.T, s *state.Store) {
	ctx := state.WithActor(t.Context(), state.Actor{ID: "ada", Name: "ada@example.com", Address: "192.0.2.1"})
	later := time.Now().Add(time.Hour)
	u, err := s.CreateUser(ctx, state.User{Email: "ada@example.com", Name: "O'Brien \\ 🐎", Role: state.Admin, Password: "$argon2id$", OIDCIssuer: "https://id", OIDCSubject: "1"})
	check(t, err)
	_, err = s.CreateUser(ctx, state.User{Email: "bob@example.com", Role: state.Viewer})
	check(t, err)
	check(t, s.SignedIn(ctx, u.ID, "password"))
	_, err = s.CreateSession(ctx, state.Session{Hash: []byte("session"), UserID: u.ID, ExpiresAt: later})
	check(t, err)
	_, err = s.CreateToken(ctx, state.Token{UserID: u.ID, Name: "ci", Hash: []byte{0, 1, 255}, Scopes: []string{"read"}, ExpiresAt: &later})
	check(t, err)
	check(t, s.SetSetting(ctx, "k", map[string]any{"html": "<&>", "n": 1}))
	rows := int64(12)
	_, err = s.SaveSource(ctx, state.SourceInput{Alias: "invoices", Type: "postgres", URI: "postgres://****@db", Options: map[string]string{"a": "'\\"},
		Secret: &state.Secret{URI: "postgres://u:s3cr3t@db"}, Types: map[string]string{"x": "date"}})
	check(t, err)
	check(t, s.CheckedSource(ctx, "invoices", state.SourceCheck{Status: state.SourceConnected, Columns: []job.Column{{Name: "id", DataType: "text", Nullable: true}}, Rows: &rows}))
	for i := range 3 {
		_, err = s.SaveRecipe(ctx, state.RecipeInput{RecipeID: "r", Name: fmt.Sprint(i), Document: "# <written>\nkalla: 1\n", Recipe: state.JSON(`{ "kalla": 1,"s":"<\u0000>" }`), Sources: []string{"invoices"}})
		check(t, err)
	}
	target := decimal.RequireFromString("0.950")
	for i := range 450 { // more than a statement inserts
		n := state.NewRun{RunID: fmt.Sprintf("run%03d", i), RecipeID: "r", RecipeVersion: 2, Document: state.JSON(`{"a" : 1}`), Parameters: map[string]string{"p": "?"},
			Request: []byte("s3cr3t"), Target: &target, Lease: time.Hour}
		if i == 0 {
			n.IdempotencyKey, n.RerunOf = "once", "run000"
		}
		_, _, err := s.CreateRun(ctx, n)
		check(t, err)
	}
	matched := int64(5)
	for _, c := range []state.Change{
		state.Accepted{SchedulerURL: "http://one", Lease: time.Hour},
		state.Progressed{Progress: state.Progress{Stage: kalla.StageMatching, Fraction: 0.123456789, MatchedCount: &matched}, Lease: time.Hour},
		state.CancelRequested{},
		state.Succeeded{MatchedCount: 5, Summary: &kalla.Summary{MatchRate: decimal.RequireFromString("0.9512"), Reasons: map[kalla.Side]map[kalla.Reason]int64{kalla.Left: {kalla.NoCandidate: 3}}}, OutputPaths: map[string]string{"matched": "m"}},
	} {
		_, o, err := s.Advance(ctx, "run000", c)
		check(t, err)
		if o != state.Applied {
			t.Fatalf("%T: %s", c, o)
		}
	}
	_, _, err = s.Advance(ctx, "run001", state.Broke{Failure: job.Failure{Code: "recipe", Message: "no", Faults: []kalla.Fault{{Path: "match[0]", Line: 3, Problem: "x"}}}})
	check(t, err)
	_, err = s.Decide(ctx, "run000", "approved", "well")
	check(t, err)
	_, err = s.CreateChat(ctx, state.Chat{Title: "t", Work: state.JSON(`{}`), Masks: state.JSON(`{}`), Spent: state.JSON(`{}`), Shared: []string{"invoices"}, Phase: "greeting"},
		state.ChatChange{Messages: []state.ChatMessage{{ID: "1", Body: state.JSON(`{"text":"<&>"}`), Model: state.JSON(`[]`), Work: state.JSON(`{}`)}}})
	check(t, err)
	value := "1"
	_, err = s.CreateUpload(ctx, state.Upload{Filename: "a.csv", Location: "l", Size: 3, Columns: []job.Column{{Name: "id"}}, Rows: &rows, Sample: [][]*string{{&value, nil}}, ExpiresAt: &later})
	check(t, err)
}

func backup(t *testing.T, s *state.Store) []byte {
	t.Helper()
	var b bytes.Buffer
	check(t, s.Backup(t.Context(), &b))
	return b.Bytes()
}

func unpack(t *testing.T, b []byte) string {
	t.Helper()
	z, err := zstd.NewReader(bytes.NewReader(b))
	check(t, err)
	defer z.Close()
	text, err := io.ReadAll(z)
	check(t, err)
	return string(text)
}

func pack(t *testing.T, text string) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	check(t, err)
	defer z.Close()
	return z.EncodeAll([]byte(text), nil)
}

// Whatever is backed up from one database is the same in the other.
func TestBackupMoves(t *testing.T) {
	for _, way := range []struct {
		name     string
		from, to func(testing.TB) string
	}{{"sqlite to postgres", sqlite, postgres}, {"postgres to sqlite", postgres, sqlite}} {
		t.Run(way.name, func(t *testing.T) {
			noLeaks(t)
			from, to := statetest.Open(t, way.from(t), nil), statetest.Open(t, way.to(t), nil)
			fill(t, from)
			first := backup(t, from)
			restored, err := to.Restore(t.Context(), bytes.NewReader(first))
			check(t, err)
			if restored.Rows["runs"] != 450 || restored.Rows["users"] != 2 || restored.Foreign != 0 || time.Since(restored.Created) > time.Hour {
				t.Errorf("restored %+v", restored)
			}
			if strings.Contains(unpack(t, first), "s3cr3t") {
				t.Error("the backup shows a credential")
			}

			ctx := t.Context()
			for _, id := range []string{"run000", "run001", "run449"} {
				a, err := from.Run(ctx, id)
				check(t, err)
				b, err := to.Run(ctx, id)
				check(t, err)
				if !reflect.DeepEqual(a, b) {
					t.Errorf("run\n%+v\nis\n%+v", a, b)
				}
			}
			v, err := to.RecipeVersion(ctx, "r", 1)
			check(t, err)
			if string(v.Recipe) != `{ "kalla": 1,"s":"<\u0000>" }` {
				t.Errorf("the recipe is %s", v.Recipe)
			}
			secret, err := to.SourceSecret(ctx, "invoices")
			check(t, err)
			if secret.URI != "postgres://u:s3cr3t@db" {
				t.Error("the credential is another")
			}
			proof, err := to.VerifyAudit(ctx)
			check(t, errors.Join(err, proof.Error()))
			if proof.Entries == 0 {
				t.Error("the audit log is empty")
			}
			// All else is the same too: a backup of the copy differs in its head and sum only.
			lines := func(b []byte) string {
				l := strings.Split(strings.TrimSpace(unpack(t, b)), "\n")
				return strings.Join(l[1:len(l)-1], "\n")
			}
			if a, b := lines(first), lines(backup(t, to)); a != b {
				i := 0
				for a[i] == b[i] {
					i++
				}
				t.Errorf("the copy differs:\n%.300s\n%.300s", a[max(0, i-100):], b[max(0, i-100):])
			}
			// And it goes on.
			check(t, to.Record(ctx, "test", "x", "y", nil))
			proof, err = to.VerifyAudit(ctx)
			check(t, errors.Join(err, proof.Error()))
		})
	}
}

// A backup that is not whole, or a database that is not empty, changes nothing.
func TestRestoreRefuses(t *testing.T) {
	noLeaks(t)
	from := statetest.Open(t, sqlite(t), nil)
	fill(t, from)
	whole := backup(t, from)
	text := unpack(t, whole)
	lines := strings.SplitAfter(text, "\n")
	without := func(i int) string { return strings.Join(append(append([]string{}, lines[:i]...), lines[i+1:]...), "") }

	for _, to := range []*state.Store{statetest.Open(t, sqlite(t), nil), statetest.Open(t, postgres(t), nil)} {
		for name, b := range map[string][]byte{
			"empty":            nil,
			"no backup":        []byte("PK\x03\x04 something else that is long enough"),
			"cut":              whole[:len(whole)/2],
			"no end":           pack(t, without(len(lines)-2)),
			"a row less":       pack(t, without(5)),
			"a value changed":  pack(t, strings.Replace(text, "ada@example.com", "eve@example.com", 1)),
			"a table unknown":  pack(t, strings.Replace(text, `"table":"settings"`, `"table":"secrets"`, 1)),
			"a column unknown": pack(t, strings.Replace(text, `"email"`, `"mail"`, 1)),
			"something behind": pack(t, text+"[1]\n"),
			"newer":            pack(t, strings.Replace(text, `"schema":2`, `"schema":3`, 1)),
			"no rows":          pack(t, "{}\n"),
		} {
			_, err := to.Restore(t.Context(), bytes.NewReader(b))
			if err == nil {
				t.Fatalf("%s: restored", name)
			}
			if e, ok := errors.AsType[*kalla.Error](err); !ok || e.Op == "" {
				t.Errorf("%s: %v", name, err)
			}
			if n, err := to.CountUsers(t.Context()); err != nil || n != 0 {
				t.Fatalf("%s: left %d users, %v", name, n, err)
			}
		}
		_, err := to.Restore(t.Context(), bytes.NewReader(whole))
		check(t, err)
		if _, err := to.Restore(t.Context(), bytes.NewReader(whole)); !errors.Is(err, state.ErrExists) {
			t.Errorf("into a database with data: %v", err)
		}
	}

	// Without the key all but the credentials is there, and it says how many are not.
	keys, err := seal.Parse(seal.Generate())
	check(t, err)
	other, err := state.Open(t.Context(), sqlite(t), state.Options{Keys: keys})
	check(t, err)
	defer other.Close()
	restored, err := other.Restore(t.Context(), bytes.NewReader(whole))
	check(t, err)
	if restored.Foreign != 451 {
		t.Errorf("%d values need another key", restored.Foreign)
	}
}
