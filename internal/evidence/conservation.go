package evidence

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"kalla"
)

// side proves conservation of one side: each record is in one place, and
// counts and sums add up to what was read.
func (v *verifier) side(s kalla.Side) {
	src, sum := v.m.Side(s)
	matched, okM := v.table(MatchedFile)
	unmatched, okU := v.table(UnmatchedFile(s))
	if !okM || !okU || len(src.PrimaryKey) == 0 {
		if len(src.PrimaryKey) == 0 {
			v.check(string(s)+" records", func() string {
				v.wrong(ManifestFile, string(s)+" has no primary key", "at least one column", "none")
				return ""
			})
		}
		return
	}
	amounts := sortedKeys(sum.Sums)
	if v.m.Level == Keys {
		amounts = nil
	}
	reason := reasonColumn(src, v.m.Level)
	var m, u sideCounts
	v.check(string(s)+" records", func() string {
		var err error
		if m, err = v.countMatched(matched, s, src.PrimaryKey, amounts); err != nil {
			v.unread(matched, err)
			return "not counted"
		}
		if u, err = v.countUnmatched(unmatched, src.PrimaryKey, amounts, reason); err != nil {
			v.unread(unmatched, err)
			return "not counted"
		}
		overlap, err := v.overlap(matched, unmatched, s, src.PrimaryKey, reason)
		if err != nil {
			v.unread(matched, err)
			return "not counted"
		}
		v.same(unmatched.file, "records that are also in "+matched.file, 0, overlap)
		v.same(unmatched.file, "records listed more than once", 0, u.records-u.badKeys-u.keys)
		v.same(matched.file, string(s)+" records whose amounts differ from one pair to another", 0, m.records-m.keys)
		v.same(matched.file, "matched "+string(s)+" records", sum.Matched, m.keys)
		v.same(unmatched.file, "unmatched records", sum.Unmatched, u.records)
		v.same(unmatched.file, "records with a bad key", sum.BadKeys, u.badKeys)
		v.same(ManifestFile, string(s)+" rows of the source differ from the total of the summary", src.Rows, sum.Total)
		v.same(string(s), "matched + unmatched is not the total", sum.Total, m.keys+u.records)
		return fmt.Sprintf("%d = %d matched + %d unmatched", m.keys+u.records, m.keys, u.records)
	})
	if len(sum.Sums) == 0 {
		return
	}
	v.check(string(s)+" sums", func() string {
		if v.m.Level == Keys {
			return "not in the files: the run kept keys only"
		}
		if m.sums == nil || u.sums == nil {
			v.wrong(string(s), "sums cannot be proved", "readable files", "see above")
			return "not summed"
		}
		var detail []string
		for _, a := range amounts {
			want := sum.Sums[a]
			v.sameSum(matched.file+" "+matchedColumn(s, a), "sum differs", want.Matched, m.sums[a])
			v.sameSum(unmatched.file+" "+a, "sum differs", want.Unmatched, u.sums[a])
			total := amount{m.sums[a].value.Add(u.sums[a].value), m.sums[a].float || u.sums[a].float}
			v.sameSum(string(s)+" "+a, "matched + unmatched is not the total", want.Total, total)
			detail = append(detail, fmt.Sprintf("%s %s = %s + %s", a, total.value, m.sums[a].value, u.sums[a].value))
		}
		return strings.Join(detail, ", ")
	})
}

// amount is a sum; float tells that the column holds binary floats, whose sum
// depends on the order of adding.
type amount struct {
	value kalla.Decimal
	float bool
}

// floatSlack is the share by which sums of binary floats may differ.
var floatSlack = decimal.New(1, -9)

func (v *verifier) sameSum(where, problem string, want kalla.Decimal, got amount) {
	diff := want.Sub(got.value).Abs()
	if diff.IsZero() || got.float && diff.LessThanOrEqual(want.Abs().Mul(floatSlack)) {
		return
	}
	v.wrong(where, problem, want.String(), got.value.String())
}

// sideCounts is what one file says about one side.
type sideCounts struct {
	records int64 // distinct by key and amounts in matched.parquet, rows elsewhere
	keys    int64 // distinct keys of good records
	badKeys int64
	sums    map[string]amount
}

// countMatched counts each record of a side once, however many pairs it is in.
func (v *verifier) countMatched(t table, s kalla.Side, key, amounts []string) (sideCounts, error) {
	cols, err := t.columns(v.ctx)
	if err != nil {
		return sideCounts{}, err
	}
	prefixed := func(names []string) []string {
		out := make([]string, len(names))
		for i, n := range names {
			out[i] = matchedColumn(s, n)
		}
		return out
	}
	keyCols, amountCols := prefixed(key), prefixed(amounts)
	if err := requireColumns(cols, append(slices.Clone(keyCols), amountCols...)); err != nil {
		return sideCounts{}, err
	}
	// An amount that is part of the key is selected once.
	selected := slices.Clone(keyCols)
	for _, a := range amountCols {
		if !slices.Contains(selected, a) {
			selected = append(selected, a)
		}
	}
	query := fmt.Sprintf("WITH d AS MATERIALIZED (SELECT DISTINCT %s FROM %s) SELECT count(*), (SELECT count(*) FROM (SELECT DISTINCT %s FROM d)), 0%s FROM d",
		idents(selected), t.from, idents(keyCols), sumList(amountCols))
	return v.scanCounts(t, query, cols, amounts, amountCols)
}

// countUnmatched counts the rows of an unmatched file.
func (v *verifier) countUnmatched(t table, key, amounts []string, reason string) (sideCounts, error) {
	cols, err := t.columns(v.ctx)
	if err != nil {
		return sideCounts{}, err
	}
	if err := requireColumns(cols, append(append(slices.Clone(key), amounts...), reason)); err != nil {
		return sideCounts{}, err
	}
	query := fmt.Sprintf("SELECT count(*), (SELECT count(*) FROM (SELECT DISTINCT %s FROM %s WHERE %s IS DISTINCT FROM %s)), count(*) FILTER (%[3]s = %[4]s)%s FROM %[2]s",
		idents(key), t.from, ident(reason), literal(string(kalla.BadKey)), sumList(amounts))
	return v.scanCounts(t, query, cols, amounts, amounts)
}

func (v *verifier) scanCounts(t table, query string, cols []column, amounts, amountCols []string) (sideCounts, error) {
	var c sideCounts
	texts := make([]string, len(amounts))
	dest := []any{&c.records, &c.keys, &c.badKeys}
	for i := range texts {
		dest = append(dest, &texts[i])
	}
	if err := t.row(v.ctx, query, dest...); err != nil {
		return sideCounts{}, err
	}
	c.sums = make(map[string]amount, len(amounts))
	for i, a := range amounts {
		d, err := decimal.NewFromString(texts[i])
		if err != nil {
			return sideCounts{}, fmt.Errorf("the sum of %s is %q", amountCols[i], texts[i])
		}
		col, _ := find(cols, amountCols[i])
		c.sums[a] = amount{d, col.float()}
	}
	return c, nil
}

func sumList(cols []string) string {
	var b strings.Builder
	for _, c := range cols {
		fmt.Fprintf(&b, ", coalesce(CAST(sum(%s) AS VARCHAR), '0')", ident(c))
	}
	return b.String()
}

// overlap counts good unmatched records that are in a match as well.
func (v *verifier) overlap(matched, unmatched table, s kalla.Side, key []string, reason string) (int64, error) {
	on := make([]string, len(key))
	for i, k := range key {
		on[i] = "u." + ident(k) + " = m." + ident(matchedColumn(s, k))
	}
	var n int64
	err := matched.row(v.ctx, fmt.Sprintf("SELECT count(*) FROM %s u SEMI JOIN %s m ON (%s) WHERE u.%s IS DISTINCT FROM %s",
		unmatched.from, matched.from, strings.Join(on, " AND "), ident(reason), literal(string(kalla.BadKey))), &n)
	return n, err
}

func requireColumns(cols []column, names []string) error {
	for _, n := range names {
		if _, ok := find(cols, n); !ok {
			return errors.New("there is no column " + n)
		}
	}
	return nil
}
