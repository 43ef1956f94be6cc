package infer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"kalla"
)

const (
	keyTests   = 24 // combinations of columns of one size that are tried as keys
	keyColumns = 10 // columns that combinations are made of
)

// keys finds the primary key of each side.
func (d *drafter) keys() error {
	for _, s := range []*side{d.left, d.right} {
		if err := d.key(s); err != nil {
			return err
		}
	}
	return nil
}

// keyScore says how much a column looks like a key, by its name, type and place.
func keyScore(c *column) float64 {
	score := 1 / float64(c.index+2)
	w := words(c.name)
	switch {
	case len(w) > 0 && meanings[w[len(w)-1]] == "id":
		score += 4
	case means(c.name, "id"):
		score += 3
	case means(c.name, "number"):
		score += 2.5
	}
	switch c.typ.Kind {
	case kalla.DecimalKind, kalla.Float, kalla.Boolean:
		score -= 4
	case kalla.Date, kalla.Timestamp, kalla.TimestampTZ:
		score -= 2
	case kalla.Text:
		if c.meanLen > 40 || means(c.name, "text") {
			score -= 3
		}
	}
	if means(c.name, "amount") || means(c.name, "currency") {
		score -= 2
	}
	return score
}

func (d *drafter) key(s *side) error {
	var candidates []*column
	for _, c := range s.columns {
		if c.typ.Kind != kalla.Other && c.typ.Kind != kalla.Float && c.distinct > 0 {
			candidates = append(candidates, c)
		}
	}
	if len(candidates) == 0 {
		return d.nothing(s.alias + " has no column that could tell its records apart")
	}
	slices.SortStableFunc(candidates, func(a, b *column) int { return cmp.Compare(keyScore(b), keyScore(a)) })
	var best []*column
	var bestGood int64 = -2 // less than that of one that the draft shall do without
	var tried []KeyCandidate
	// try reports whether the columns are a key; else it remembers those with the fewest bad keys.
	try := func(cols []*column) (bool, error) {
		good, err := d.goodKeys(s, cols)
		if err != nil {
			return false, err
		}
		tried = append(tried, KeyCandidate{ID: keyID(s, names(cols)), Side: s.name, Columns: names(cols), Good: good, Total: s.rows})
		if d.without(keyID(s, names(cols))) {
			good = -1
		}
		if good > bestGood {
			best, bestGood = cols, good
		}
		return good == s.rows, nil
	}
	found := false
	for _, c := range d.guidance.Choose { // what a person chose is taken as it is
		if cols := s.named(c); cols != nil {
			if _, err := try(cols); err != nil {
				return err
			}
			found, best = true, cols
		}
	}
	for _, c := range candidates {
		// The count of distinct values is an estimate.
		if float64(c.distinct) < 0.85*float64(s.rows) && c != candidates[0] || found {
			continue
		}
		var err error
		if found, err = try([]*column{c}); err != nil {
			return err
		}
	}
	wide := slices.Clone(candidates)
	slices.SortStableFunc(wide, func(a, b *column) int { return cmp.Compare(rankInKey(b, s), rankInKey(a, s)) })
	wide = wide[:min(len(wide), keyColumns)]
	for size := 2; size <= 3 && !found; size++ {
		var sets [][]*column
		for _, set := range combinations(wide, size) {
			product := 1.0
			for _, c := range set {
				product *= float64(c.distinct) * 1.1
			}
			if product >= float64(s.rows) {
				sets = append(sets, set)
			}
		}
		for _, set := range sets[:min(len(sets), keyTests)] {
			var err error
			if found, err = try(set); err != nil {
				return err
			}
			if found {
				break
			}
		}
	}
	slices.SortFunc(best, func(a, b *column) int { return a.index - b.index })
	s.key = names(best)
	id := keyID(s, s.key)
	for i, c := range tried {
		if tried[i].Chosen = c.ID == id; tried[i].Chosen {
			bestGood = c.Good
		}
	}
	s.badKeys = s.rows - bestGood
	slices.SortStableFunc(tried, func(a, b KeyCandidate) int { return cmp.Compare(b.Good, a.Good) })
	slices.SortStableFunc(tried, func(a, b KeyCandidate) int { return cmp.Compare(len(a.Columns), len(b.Columns)) })
	slices.SortStableFunc(tried, func(a, b KeyCandidate) int {
		switch {
		case a.Chosen:
			return -1
		case b.Chosen:
			return 1
		}
		return 0
	})
	tried = tried[:min(len(tried), 6)]
	d.candidates = append(d.candidates, tried...)
	var others []Alternative
	for _, c := range tried {
		if !c.Chosen && 2*c.Good > s.rows {
			others = append(others, Alternative{ID: c.ID, What: strings.Join(c.Columns, ", ") + " identifies a record of " + s.alias, Support: fmt.Sprintf("present and unique in %s of %s", count(c.Good), records(s.rows))})
		}
	}
	path, what := "sources."+string(s.name)+".primary_key", strings.Join(s.key, ", ")+" identifies a record of "+s.alias
	if s.badKeys == 0 {
		d.note(Evidence{ID: id, Path: path, What: what, Support: fmt.Sprintf("present and unique in all %s", records(s.rows)), Agree: s.rows, Of: s.rows, Alternatives: others})
		return nil
	}
	example, err := d.badKeyExamples(s)
	if err != nil {
		return err
	}
	d.note(Evidence{ID: id, Path: path, What: "nothing identifies every record of " + s.alias + "; " + strings.Join(s.key, ", ") + " comes closest",
		Support: fmt.Sprintf("%s of %s have an empty or repeated key and will stay unmatched", count(s.badKeys), records(s.rows)), Agree: bestGood, Of: s.rows, CounterExamples: example, Alternatives: others})
	return nil
}

// named are the columns of a key that a person chose by its ID; nil where it is none of this side.
func (s *side) named(id string) []*column {
	list, ok := strings.CutPrefix(id, keyID(s, nil))
	if !ok {
		return nil
	}
	var out []*column
	for name := range strings.SplitSeq(list, ",") {
		c := s.find(name)
		if c == nil || slices.Contains(out, c) {
			return nil
		}
		out = append(out, c)
	}
	return out
}

func names(columns []*column) []string {
	var out []string
	for _, c := range columns {
		out = append(out, c.name)
	}
	return out
}

// rankInKey orders columns for combinations: those that look like keys, then those with many values.
func rankInKey(c *column, s *side) float64 {
	return keyScore(c) + 2*float64(c.distinct)/float64(s.rows) + float64(c.filled)/float64(s.rows)
}

// combinations lists the subsets of that size, those of the first columns first.
func combinations(columns []*column, size int) [][]*column {
	var out [][]*column
	var walk func(from int, set []*column)
	walk = func(from int, set []*column) {
		if len(set) == size {
			out = append(out, slices.Clone(set))
			return
		}
		for i := from; i < len(columns); i++ {
			walk(i+1, append(set, columns[i]))
		}
	}
	walk(0, nil)
	slices.SortStableFunc(out, func(a, b []*column) int { return sumIndex(columns, a) - sumIndex(columns, b) })
	return out
}

func sumIndex(all, set []*column) int {
	n := 0
	for _, c := range set {
		n += slices.Index(all, c)
	}
	return n
}

// goodKeys counts the records whose key is present and unique.
func (d *drafter) goodKeys(s *side, cols []*column) (int64, error) {
	list, present := d.idents(cols)
	var good int64
	q := fmt.Sprintf("SELECT CASE WHEN count(*) = count(DISTINCT hash(%[1]s)) AND bool_and(%[2]s) THEN count(*) ELSE -1 END FROM %[3]s", list, present, s.table)
	if err := d.row(q, &good); err != nil || good >= 0 {
		return good, err
	}
	q = fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM %[3]s WHERE %[2]s GROUP BY %[1]s HAVING count(*) = 1)", list, present, s.table)
	err := d.row(q, &good)
	return good, err
}

func (d *drafter) idents(cols []*column) (list, present string) {
	var names, filled []string
	for _, c := range cols {
		names = append(names, d.d.Ident(c.name))
		filled = append(filled, d.d.Ident(c.name)+" IS NOT NULL")
	}
	return strings.Join(names, ", "), strings.Join(filled, " AND ")
}

func (d *drafter) badKeyExamples(s *side) ([]string, error) {
	var names, show []string
	for _, k := range s.key {
		names = append(names, d.d.Ident(k))
		show = append(show, "coalesce(CAST("+d.d.Ident(k)+" AS VARCHAR), 'NULL')")
	}
	list := strings.Join(names, ", ")
	return d.texts(fmt.Sprintf("SELECT %s || ' (' || count(*) || ' records)' FROM %s GROUP BY %s HAVING count(*) > 1 ORDER BY count(*) DESC, %s LIMIT 3",
		strings.Join(show, " || ', ' || "), s.table, list, list))
}

// keyOf is ORDER BY text of a side's key.
func (d *drafter) keyOf(s *side, alias string) string {
	var out []string
	for _, k := range s.key {
		out = append(out, alias+"."+d.d.Ident(k))
	}
	return strings.Join(out, ", ")
}
