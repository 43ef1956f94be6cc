package records

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"kalla"
	"kalla/internal/evidence"
)

// Change is what became of a record from one run to another.
type Change string

// The changes. A record that is matched to the same records in both runs, or
// unmatched for the same reason, did not change.
const (
	NewlyMatched  Change = "newly_matched"    // was unmatched, is matched
	CameApart     Change = "came_apart"       // was matched, is unmatched
	MatchedOther  Change = "matched_to_other" // is matched to other records than before
	ReasonChanged Change = "reason_changed"   // is unmatched for another reason
	Added         Change = "new"              // was not there
	Removed       Change = "gone"             // is not there any more
)

// Changes lists the changes in the order in which they are shown.
func Changes() []Change {
	return []Change{NewlyMatched, CameApart, MatchedOther, ReasonChanged, Added, Removed}
}

// Comparison counts what changed between two runs of a recipe, by side. Records
// are told by their primary key; those without one are not compared, those that
// share one count once.
type Comparison struct {
	Before string                          `json:"before"` // run ids
	After  string                          `json:"after"`
	Counts map[kalla.Side]map[Change]int64 `json:"counts"`
}

// comparedTables are the endings of the names of a comparison's tables.
var comparedTables = []string{"_pairs", "_left", "_right"}

// bytesPerChange is about what a row of a comparison takes in memory.
const bytesPerChange = 160

// Compare counts what changed from one run to another of the same recipe.
func (s *Store) Compare(ctx context.Context, before, after *Run) (*Comparison, error) {
	out := &Comparison{Before: before.manifest.RunID, After: after.manifest.RunID, Counts: map[kalla.Side]map[Change]int64{}}
	err := s.compared(ctx, before, after, func(x *index) error {
		for _, side := range []kalla.Side{kalla.Left, kalla.Right} {
			out.Counts[side] = map[Change]int64{}
			for _, c := range Changes() {
				n, err := s.numbers(ctx, "SELECT count(*) FROM "+x.name+"_"+string(side)+" WHERE change = ?", string(c))
				if err != nil {
					return err
				}
				out.Counts[side][c] = n[0]
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Changed lists the records of a side that changed from one run to another, by
// change, then key; changes may be nil for all. Of the query count Columns,
// Filters, Search (in keys), Sort, Limit, Cursor and From. The columns are key,
// change, and for each of the runs the reason, or the pass, the least key and
// the number of the records that it was matched to.
func (s *Store) Changed(ctx context.Context, before, after *Run, side kalla.Side, changes []Change, q Query) (*Page, error) {
	if side != kalla.Left && side != kalla.Right {
		return nil, usage("side "+string(side), "there is no such side", "name left or right")
	}
	if len(changes) > 0 {
		f := kalla.Filter{Column: "change", Op: kalla.FilterIn}
		for _, c := range changes {
			if !slices.Contains(Changes(), c) {
				return nil, usage("change "+string(c), "there is no such change", fmt.Sprintf("name some of %s", Changes()))
			}
			f.Values = append(f.Values, string(c))
		}
		q.Filters = append(slices.Clone(q.Filters), f)
	}
	q.Reasons, q.Passes, q.NoCount = nil, nil, false
	var p *Page
	err := s.compared(ctx, before, after, func(x *index) (err error) {
		t := &table{name: Table("changes"), from: x.name + "_" + string(side), hash: x.id + " " + string(side), number: "rowid", key: []string{"change", "key"}, find: []string{"key", "before_partner", "after_partner"}}
		n, err := s.numbers(ctx, "SELECT count(*) FROM "+t.from)
		if err != nil {
			return err
		}
		t.rows = n[0]
		t.pick = func(numbers []int64) string {
			return "(SELECT *, rowid FROM " + t.from + " WHERE " + evidence.Among(t.number, numbers) + ")"
		}
		for _, name := range changeColumns {
			c := Column{Name: name, Type: kalla.Type{Kind: kalla.Text}}
			if strings.HasSuffix(name, "_partners") {
				c.Type.Kind = kalla.Integer
			}
			t.columns = append(t.columns, c)
		}
		p, err = s.page(ctx, t, q)
		return err
	})
	return p, err
}

var changeColumns = []string{"key", "change",
	"before_reason", "before_pass", "before_partner", "before_partners",
	"after_reason", "after_pass", "after_partner", "after_partners"}

// compared runs a function over the tables of a comparison, which are made if
// they are not there.
func (s *Store) compared(ctx context.Context, before, after *Run, use func(*index) error) error {
	m, id, err := s.comparison(before, after)
	if err != nil {
		return err
	}
	x := s.index.acquire(id, m)
	defer s.index.release(x)
	if err = s.index.wait(ctx, x); err == nil {
		err = use(x)
	}
	if err != nil {
		return after.reading(ctx, before.dir+" and "+after.dir, err)
	}
	return nil
}

// comparison says how two runs are compared, and names the result.
func (s *Store) comparison(before, after *Run) (maker, string, error) {
	b, a := before.manifest, after.manifest
	refuse := func(why, hint string) error {
		return &kalla.Error{Code: kalla.CodeUsage, Op: "comparing runs", Where: b.RunID + " and " + a.RunID, Why: why, Hint: hint}
	}
	if b.Summary.RecipeID != a.Summary.RecipeID {
		return nil, "", refuse("they are of different recipes, "+b.Summary.RecipeID+" and "+a.Summary.RecipeID, "compare two runs of one recipe")
	}
	files := sha256.New()
	var tables [2]map[Table]*table
	for i, r := range []*Run{before, after} {
		tables[i] = map[Table]*table{}
		for _, name := range []Table{Matched, UnmatchedLeft, UnmatchedRight} {
			t, err := r.table(name)
			if err != nil {
				return nil, "", err
			}
			tables[i][name] = t
			fmt.Fprintln(files, t.hash)
		}
	}
	for _, side := range []kalla.Side{kalla.Left, kalla.Right} {
		if !slices.Equal(before.key(side), after.key(side)) {
			return nil, "", refuse(fmt.Sprintf("the primary key of the %s side was %s and is %s", side, strings.Join(before.key(side), ", "), strings.Join(after.key(side), ", ")),
				"compare runs of versions of the recipe with the same keys")
		}
	}
	return func(ctx context.Context, name string) (made, error) {
		return s.makeComparison(ctx, name, [2]*Run{before, after}, tables)
	}, hex.EncodeToString(files.Sum(nil)), nil
}

// makeComparison fills the tables of a comparison; before comes first, then after.
func (s *Store) makeComparison(ctx context.Context, name string, runs [2]*Run, tables [2]map[Table]*table) (made, error) {
	pairs := func(i int) string {
		t := tables[i][Matched]
		return "SELECT " + keyText(t.keyOf(runs[i], kalla.Left)) + " AS l, " + keyText(t.keyOf(runs[i], kalla.Right)) + " AS r, pass FROM " + t.from
	}
	// A record whose partners changed is in a pair that only one of the runs has.
	if _, err := s.db.Exec(ctx, fmt.Sprintf(`CREATE TABLE %s_pairs AS SELECT coalesce(b.l, a.l) AS l, coalesce(b.r, a.r) AS r
FROM (%s) b FULL JOIN (%s) a ON b.l = a.l AND b.r = a.r WHERE b.l IS NULL OR a.l IS NULL`, name, pairs(0), pairs(1))); err != nil {
		return made{}, err
	}
	var sum made
	for _, side := range []kalla.Side{kalla.Left, kalla.Right} {
		mine, other := "l", "r"
		if side == kalla.Right {
			mine, other = other, mine
		}
		unmatched := func(i int) string {
			t := tables[i][Unmatched(side)]
			return fmt.Sprintf("SELECT %s AS key, min(%s) AS reason FROM %s GROUP BY 1 HAVING key IS NOT NULL", keyText(t.keyOf(runs[i], side)), ident(t.reason), t.from)
		}
		matched := func(i int) string {
			return fmt.Sprintf("SELECT %s AS key, min(pass) AS pass, min(%s) AS partner, count(DISTINCT %[2]s) AS partners FROM (%s) WHERE %[1]s IN (SELECT key FROM touched) GROUP BY 1", mine, other, pairs(i))
		}
		if _, err := s.db.Exec(ctx, fmt.Sprintf(changedSQL, name, side, unmatched(0), unmatched(1), mine, matched(0), matched(1))); err != nil {
			return made{}, err
		}
		rows, err := s.numbers(ctx, fmt.Sprintf("SELECT count(*) FROM %s_%s", name, side))
		if err != nil {
			return made{}, err
		}
		sum.rows += rows[0]
	}
	_, err := s.db.Exec(ctx, "DROP TABLE "+name+"_pairs")
	sum.bytes = bytesPerIndex + bytesPerChange*sum.rows
	return sum, err
}

// changedSQL looks at the records whose pairs or reason are not those of before.
const changedSQL = `CREATE TABLE %[1]s_%[2]s AS WITH ub AS MATERIALIZED (%[3]s), ua AS MATERIALIZED (%[4]s),
touched AS MATERIALIZED (SELECT %[5]s AS key FROM %[1]s_pairs
 UNION SELECT coalesce(ub.key, ua.key) FROM ub FULL JOIN ua ON ub.key = ua.key WHERE ub.reason IS DISTINCT FROM ua.reason),
mb AS (%[6]s), ma AS (%[7]s)
SELECT t.key, CASE
 WHEN mb.key IS NULL AND ub.key IS NULL THEN 'new'
 WHEN ma.key IS NULL AND ua.key IS NULL THEN 'gone'
 WHEN ma.key IS NULL AND mb.key IS NULL THEN 'reason_changed'
 WHEN mb.key IS NULL THEN 'newly_matched'
 WHEN ma.key IS NULL THEN 'came_apart'
 ELSE 'matched_to_other' END AS change,
 ub.reason AS before_reason, mb.pass AS before_pass, mb.partner AS before_partner, mb.partners AS before_partners,
 ua.reason AS after_reason, ma.pass AS after_pass, ma.partner AS after_partner, ma.partners AS after_partners
FROM touched t LEFT JOIN ub ON ub.key = t.key LEFT JOIN ua ON ua.key = t.key LEFT JOIN mb ON mb.key = t.key LEFT JOIN ma ON ma.key = t.key ORDER BY 2, 1`
