package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kalla"
	"kalla/internal/app"
	"kalla/internal/compute"
	"kalla/internal/engine"
	"kalla/internal/job"
	"kalla/internal/recipe"
)

// TestBacktest: what a narrower recipe does is told against a wider one, record
// by record, and against what a person said. The expectations follow from the
// nine records by hand.
func TestBacktest(t *testing.T) {
	dir, temp := t.TempDir(), t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	left := file("l.csv", "id,ref,amount\n1,A,10.00\n2,B,20.00\n3,C,30.00\n4,D,40.00\n")
	right := file("r.csv", "id,ref,paid\n11,A,10.00\n12,B,20.04\n13,C,30.00\n14,C,30.00\n15,Z,1.00\n")
	work := func(id, within string) compute.Work {
		doc, err := recipe.Parse([]byte(`kalla: 1
recipe_id: `+id+`
sources:
  left: {alias: ours, uri: "`+left+`", primary_key: [id]}
  right: {alias: theirs, uri: "`+right+`", primary_key: [id]}
match:
  - name: reference
    cardinality: one_to_one
    when:
      - {left: ref, right: ref}
      - {left: amount, right: paid, within: `+within+`}
`), "recipe")
		if err != nil {
			t.Fatal(err)
		}
		r, err := doc.Bind(nil)
		if err != nil {
			t.Fatal(err)
		}
		return compute.Work{Recipe: r, Document: doc, Limits: engine.Limits{Threads: 1, Memory: 256 << 20, TempDir: temp},
			Env: func(string) (string, bool) { return "", false }, Report: func(kalla.Progress) {}}
	}
	base := work("wide", "0.05")
	said := []job.Example{
		{Left: map[string]string{"id": "2"}, Right: map[string]string{"id": "12"}, Match: true},  // the tolerance is too narrow
		{Left: map[string]string{"id": "1"}, Right: map[string]string{"id": "11"}, Match: false}, // matched all the same
		{Left: map[string]string{"id": "1"}, Right: map[string]string{"id": "12"}, Match: false}, // agreed
		{Left: map[string]string{"id": "9"}, Right: map[string]string{"id": "11"}, Match: true},  // there is no such record
	}
	got, err := app.Runner{}.Backtest(t.Context(), work("narrow", "0.01"), &base, said, 3)
	if err != nil {
		t.Fatal(err)
	}
	if got.Summary.Matches != 2 || got.Base == nil || got.Base.Matches != 3 || got.Summary.Evidence != "" {
		t.Errorf("matches %d, of the base %+v", got.Summary.Matches, got.Base)
	}
	for _, side := range []kalla.Side{kalla.Left, kalla.Right} {
		if c := got.Changes[side]; c["came_apart"] != 1 || c["newly_matched"] != 0 || c["newly_ambiguous"] != 0 {
			t.Errorf("changes on the %s side: %v", side, c)
		}
	}
	why := make([]string, len(got.Disagreements))
	for i, d := range got.Disagreements {
		why[i] = d.Example.Left["id"] + ": " + d.Why
	}
	want := "2: they are not matched: amount_differs, 1: they are matched by pass reference, 9: the left record is not among those that were read"
	if s := strings.Join(why, ", "); s != want {
		t.Errorf("disagreements\n %s\nnot\n %s", s, want)
	}
	kinds := map[string]int{}
	for _, p := range got.Pairs {
		kinds[p.Kind]++
		if len(p.Compared) != 2 || len(p.Left.Key) != 1 || len(p.Right.Columns) != 3 {
			t.Errorf("pair %+v", p)
		}
		if p.Kind == "near" && (p.Left.Key["id"] != "2" || p.Right.Key["id"] != "12") {
			t.Errorf("closest: %v and %v", p.Left.Key, p.Right.Key)
		}
	}
	if kinds["pass"] != 1 || kinds["ambiguous"] != 1 || kinds["near"] != 1 {
		t.Errorf("samples: %v", kinds)
	}
	if rest, err := filepath.Glob(filepath.Join(temp, "*")); err != nil || len(rest) > 0 {
		t.Errorf("left behind: %v %v", rest, err)
	}
}
