package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kalla"
	"kalla/internal/compute"
	"kalla/internal/engine/duckdb"
	"kalla/internal/evidence"
	"kalla/internal/evidence/records"
	"kalla/internal/job"
	"kalla/internal/scratch"
)

// backtestPrefix begins the names of the private folders of back-tests.
const backtestPrefix = "kalla-backtest-"

// Backtest runs a recipe with evidence in a private folder, and base beside it,
// and reads what it says from there.
func (Runner) Backtest(ctx context.Context, w compute.Work, base *compute.Work, examples []job.Example, samples int) (_ *job.Backtest, err error) {
	parent := cmp.Or(w.Limits.TempDir, os.TempDir())
	scratch.Sweep(parent, backtestPrefix)
	dir, err := scratch.Make(filepath.Join(parent, backtestPrefix+rand.Text()+scratch.Suffix))
	if err != nil {
		return nil, &kalla.Error{Code: kalla.CodeLimit, Op: "back-testing recipe", Err: err, Hint: "make room in the folder of temporary files (--temp-dir)"}
	}
	defer func() { err = errors.Join(err, dir.Remove()) }()
	out := &job.Backtest{Disagreements: []job.Disagreement{}, Pairs: []job.Pair{}}
	run := func(w compute.Work, name string, level evidence.Level) (*kalla.Summary, error) {
		return Run(ctx, Job{Recipe: w.Recipe, Document: w.Document, RunID: name, Out: filepath.Join(dir.Path(), name), Evidence: string(level), Engine: w.Engine,
			Limits: w.Limits, LookupEnv: w.Env, Allow: w.Check, Report: w.Report})
	}
	after, err := run(w, "recipe", evidence.Full)
	if err != nil {
		return nil, err
	}
	out.Summary = *after
	if base != nil {
		before := *base
		same := *base.Recipe // versions are told by place here, and compared whatever they are called
		same.ID = w.Recipe.ID
		before.Recipe = &same
		if out.Base, err = run(before, "base", evidence.Keys); err != nil {
			return nil, err
		}
	}
	reader, err := duckdb.OpenReader(ctx, w.Limits)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	found := records.Open(reader, func(ctx context.Context, location string) (*evidence.Manifest, string, error) {
		l, err := evidence.Locate(location, w.Limits.TempDir, w.Env)
		if err != nil {
			return nil, "", err
		}
		m, err := evidence.Load(ctx, l)
		return m, l.String(), err
	}, records.Options{})
	defer found.Close()
	t := &backtest{Backtest: out, recipe: w.Recipe, found: found}
	if t.run, err = found.Run(ctx, after.Evidence); err != nil {
		return nil, err
	}
	if base != nil {
		if t.before, err = found.Run(ctx, out.Base.Evidence); err != nil {
			return nil, err
		}
	}
	out.Summary.Evidence = ""
	if out.Base != nil {
		out.Base.Evidence = ""
	}
	for _, step := range []func(context.Context) error{
		t.compare,
		func(ctx context.Context) error { return t.examples(ctx, examples) },
		func(ctx context.Context) error { return t.samples(ctx, samples) },
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// backtest is one whose runs are done.
type backtest struct {
	*job.Backtest
	recipe *kalla.Recipe
	found  *records.Store
	run    *records.Run
	before *records.Run // nil: there is none
}

// compare counts what is different from the base. Versions with other keys cannot be held against each other.
func (t *backtest) compare(ctx context.Context) error {
	if t.before == nil {
		return nil
	}
	c, err := t.found.Compare(ctx, t.before, t.run)
	if kalla.CodeOf(err) == kalla.CodeUsage {
		return nil
	}
	if err != nil {
		return err
	}
	t.Changes = map[kalla.Side]map[string]int64{}
	now, err := ambiguous(ctx, t.run)
	if err != nil {
		return err
	}
	then, err := ambiguous(ctx, t.before)
	if err != nil {
		return err
	}
	for side, counts := range c.Counts {
		t.Changes[side] = map[string]int64{"newly_ambiguous": 0}
		for change, n := range counts {
			if change != records.Added && change != records.Removed { // both read the same sources
				t.Changes[side][string(change)] = n
			}
		}
		for key := range now[side] {
			if !then[side][key] {
				t.Changes[side]["newly_ambiguous"]++
			}
		}
	}
	return nil
}

// mostAmbiguous bounds how many pairs are looked at to tell which records are newly ambiguous.
const mostAmbiguous = 20_000

// ambiguous are the keys of the records in matches that key order decided.
func ambiguous(ctx context.Context, r *records.Run) (map[kalla.Side]map[string]bool, error) {
	out := map[kalla.Side]map[string]bool{kalla.Left: {}, kalla.Right: {}}
	q := records.Query{Table: records.Matched, Filters: []kalla.Filter{{Column: "ambiguous", Op: kalla.FilterEq, Values: []string{"true"}}}, Limit: records.MaxLimit}
	for range mostAmbiguous / records.MaxLimit {
		p, err := r.Page(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, row := range p.Rows.Rows {
			for side := range out {
				out[side][keyOf(r, side, p.Columns, row)] = true
			}
		}
		if q.Cursor = p.Next; p.Next == "" {
			break
		}
	}
	return out, nil
}

// keyOf is the key of a side's record in a row, for comparing.
func keyOf(r *records.Run, side kalla.Side, columns []records.Column, row []*string) string {
	var parts []string
	for _, k := range primaryKey(r, side) {
		for i, c := range columns {
			if c.Side == side && strings.EqualFold(c.Of, k) && row[i] != nil {
				parts = append(parts, *row[i])
			}
		}
	}
	return strings.Join(parts, "\x00")
}

func primaryKey(r *records.Run, side kalla.Side) []string {
	src, _ := r.Manifest().Side(side)
	return src.PrimaryKey
}

// examples finds those that the recipe does not agree with.
func (t *backtest) examples(ctx context.Context, examples []job.Example) error {
	for _, e := range examples {
		why, err := t.disagrees(ctx, e)
		if err != nil {
			return err
		}
		if why != "" {
			t.Disagreements = append(t.Disagreements, job.Disagreement{Example: e, Why: why})
		}
	}
	return nil
}

// disagrees says what the recipe does other than a person said; empty where it agrees.
func (t *backtest) disagrees(ctx context.Context, e job.Example) (string, error) {
	left, right := where("left_", e.Left), where("right_", e.Right)
	pair, err := t.first(ctx, records.Matched, append(slices.Clone(left), right...))
	switch {
	case err != nil:
		return "", err
	case pair != nil && e.Match, pair == nil && !e.Match:
		return "", nil
	case pair != nil:
		return "they are matched by pass " + value(pair, "pass"), nil
	}
	if other, err := t.first(ctx, records.Matched, left); err != nil {
		return "", err
	} else if other != nil {
		return "the left record is matched to " + strings.ReplaceAll(keyOf(t.run, kalla.Right, other.Columns, other.Rows[0]), "\x00", "|") + " by pass " + value(other, "pass"), nil
	}
	lone, err := t.first(ctx, records.UnmatchedLeft, where("", e.Left))
	switch {
	case err != nil:
		return "", err
	case lone == nil:
		return "the left record is not among those that were read", nil
	}
	if other, err := t.first(ctx, records.Matched, right); err != nil {
		return "", err
	} else if other != nil {
		return "the right record is matched to " + strings.ReplaceAll(keyOf(t.run, kalla.Left, other.Columns, other.Rows[0]), "\x00", "|") + " by pass " + value(other, "pass"), nil
	}
	return "they are not matched: " + value(lone, "reason"), nil
}

func where(prefix string, values map[string]string) (out []kalla.Filter) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		out = append(out, kalla.Filter{Column: prefix + name, Op: kalla.FilterEq, Values: []string{values[name]}})
	}
	return out
}

// first is the first row that passes, nil where there is none or the table has no such column.
func (t *backtest) first(ctx context.Context, table records.Table, filters []kalla.Filter) (*records.Rows, error) {
	p, err := t.run.Page(ctx, records.Query{Table: table, Filters: filters, Limit: 1, NoCount: true})
	if kalla.CodeOf(err) == kalla.CodeUsage {
		return nil, nil
	}
	if err != nil || len(p.Rows.Rows) == 0 {
		return nil, err
	}
	return &p.Rows, nil
}

// value is Kalla's own column of a row: the last of that name, since a source's of the same name comes before.
func value(r *records.Rows, name string) string {
	for i, c := range slices.Backward(r.Columns) {
		if c.Side == "" && (c.Name == name || c.Name == "kalla_"+name) && r.Rows[0][i] != nil {
			return *r.Rows[0][i]
		}
	}
	return ""
}

// samples shows some pairs: of each pass the surest and the least sure, those
// that key order decided, and unmatched records with what came closest.
func (t *backtest) samples(ctx context.Context, n int) error {
	if n <= 0 {
		return nil
	}
	is := func(ambiguous string) []kalla.Filter {
		return []kalla.Filter{{Column: "ambiguous", Op: kalla.FilterEq, Values: []string{ambiguous}}}
	}
	for _, pass := range t.recipe.Match {
		for _, q := range []records.Query{
			{Filters: is("false"), Sort: []records.Sort{{Column: "confidence"}}, Limit: n},
			{Filters: is("true"), Limit: n},
		} {
			q.Table, q.Passes, q.NoCount = records.Matched, []string{pass.Name}, true
			p, err := t.run.Page(ctx, q)
			if err != nil {
				return err
			}
			for _, row := range p.Rows.Rows {
				kind := "pass"
				if value(&records.Rows{Columns: p.Columns, Rows: [][]*string{row}}, "ambiguous") == "true" {
					kind = "ambiguous"
				}
				t.Pairs = append(t.Pairs, job.Pair{Kind: kind, Pass: pass.Name, Compared: compared(t.recipe, pass),
					Left: t.record(kalla.Left, p.Columns, row), Right: t.record(kalla.Right, p.Columns, row)})
			}
		}
	}
	return t.near(ctx, n)
}

// near adds the unmatched records whose closest candidate came closest.
func (t *backtest) near(ctx context.Context, n int) error {
	p, err := t.run.Page(ctx, records.Query{Table: records.UnmatchedLeft, NoCount: true, Limit: n,
		Filters: []kalla.Filter{{Column: "closest_key", Op: kalla.FilterIsNotNull}, {Column: "reason", Op: kalla.FilterNeq, Values: []string{string(kalla.Taken)}}},
		Sort:    []records.Sort{{Column: "closest_score", Desc: true}}})
	if kalla.CodeOf(err) == kalla.CodeUsage { // a source has columns of these names
		return nil
	}
	if err != nil {
		return err
	}
	for _, row := range p.Rows.Rows {
		left := t.record(kalla.Left, p.Columns, row)
		key := make([]string, 0, 1)
		for _, k := range primaryKey(t.run, kalla.Left) {
			key = append(key, strings.NewReplacer(`\`, `\\`, `|`, `\|`).Replace(left.Key[k]))
		}
		rec, err := t.run.Record(ctx, kalla.Left, strings.Join(key, "|"))
		if err != nil {
			return err
		}
		if u := rec.Unmatched; u != nil && u.Closest != nil && u.ClosestPass != nil {
			pair := job.Pair{Kind: "near", Pass: *u.ClosestPass, Left: left, Right: t.record(kalla.Right, u.Closest.Columns, u.Closest.Rows[0])}
			for _, pass := range t.recipe.Match {
				if pass.Name == pair.Pass {
					pair.Compared = compared(t.recipe, pass)
				}
			}
			t.Pairs = append(t.Pairs, pair)
		}
	}
	return nil
}

// record is a side's record in a row.
func (t *backtest) record(side kalla.Side, columns []records.Column, row []*string) job.Record {
	out := job.Record{Key: map[string]string{}, Columns: []string{}, Values: []*string{}}
	keys := primaryKey(t.run, side)
	for i, c := range columns {
		if c.Side != side {
			continue
		}
		out.Columns, out.Values = append(out.Columns, c.Of), append(out.Values, row[i])
		if row[i] != nil && slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(k, c.Of) }) {
			out.Key[c.Of] = *row[i]
		}
	}
	return out
}

// compared are the columns that a pass compares, then those that the recipe does.
func compared(r *kalla.Recipe, pass kalla.Pass) [][2]string {
	out := [][2]string{}
	add := func(left, right string) {
		if pair := [2]string{left, right}; !slices.Contains(out, pair) {
			out = append(out, pair)
		}
	}
	for _, c := range pass.When {
		add(c.Left, c.Right)
	}
	if pass.Sum != nil {
		add(pass.Sum.Left, pass.Sum.Right)
	}
	for _, c := range r.Compare {
		add(c.Left, c.Right)
	}
	return out
}
