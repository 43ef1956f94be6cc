package infer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"kalla"
)

const (
	probeSize  = 2_000 // values of a text column that are looked into
	probeShare = 0.2   // of them that must hold a reference of the other side
)

// embedded looks for references of one side inside the texts of the other, and
// derives columns of them. It reports whether it found any.
func (d *drafter) embedded() (bool, error) {
	found := false
	for _, s := range []*side{d.left, d.right} {
		for _, ref := range s.references() {
			pattern, ok, err := d.pattern(s, ref)
			if err != nil {
				return false, err
			}
			if !ok {
				continue
			}
			more, err := d.extract(s.other(d), ref, pattern)
			if err != nil {
				return false, err
			}
			found = found || more
		}
	}
	return found, nil
}

// references are the columns of a side that may identify what its records are about: at most three.
func (s *side) references() []*column {
	var out []*column
	for _, c := range s.columns {
		if !c.derived && canLink(c) && c.maxLen <= 40 && c.filled >= s.rows/5 && float64(c.distinct) >= 0.5*float64(c.filled) && c.digits >= 0.5 && c.distinct >= 3 {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b *column) int {
		switch x, y := keyScore(a), keyScore(b); {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	return out[:min(len(out), 3)]
}

// mostShapes is how many shapes, of prefixes mostly, the references of a column may have.
const mostShapes = 6

// pattern is an expression for what most values of a column look like: their
// letters as they are, any digits, separators that may be missing.
func (d *drafter) pattern(s *side, c *column) (string, bool, error) {
	v := d.text(c, "t")
	var shapes []string
	var covered, total float64
	letters := false
	q := fmt.Sprintf(`SELECT shape, n, (SELECT count(%[1]s) FROM %[2]s t), least FROM (SELECT regexp_replace(v, '[0-9]+', '9', 'g') AS shape, count(*) AS n,
 CAST(quantile_disc(length(regexp_extract(v, '[0-9]+')), 0.05) AS BIGINT) AS least FROM (SELECT %[1]s AS v FROM %[2]s t) WHERE v IS NOT NULL GROUP BY 1) ORDER BY n DESC, shape LIMIT %[3]d`, v, s.table, mostShapes)
	err := d.each(q, func(scan func(...any) error) error {
		var shape string
		var n float64
		var least int64
		if err := scan(&shape, &n, &total, &least); err != nil {
			return err
		}
		if covered >= 0.8*total || !strings.Contains(shape, "9") {
			return nil
		}
		covered += n
		shapes = append(shapes, shapePattern(shape, least))
		letters = letters || strings.ContainsFunc(shape, func(r rune) bool { return r != '9' && r > 32 && !strings.ContainsRune("-_/. #", r) })
		return nil
	})
	if err != nil || len(shapes) == 0 || covered < 0.8*total {
		return "", false, err
	}
	p := "(" + strings.Join(shapes, "|") + ")"
	if letters {
		p = "(?i)" + p
	}
	return p, true, nil
}

// shapePattern is an expression for a shape, in which 9 stands for digits. Digits alone are at least so many.
func shapePattern(shape string, least int64) string {
	var b strings.Builder
	for _, r := range shape {
		switch {
		case r == '9' && shape == "9":
			fmt.Fprintf(&b, "[0-9]{%d,}", max(1, least))
		case r == '9':
			b.WriteString("[0-9]+")
		case strings.ContainsRune("-_/. #", r):
			b.WriteString("[-_/. #]?")
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	return b.String()
}

// extract derives a column from each text column in which the pattern finds references that ref has.
func (d *drafter) extract(s *side, ref *column, pattern string) (bool, error) {
	found := false
	for _, c := range slices.Clone(s.columns) {
		if c.typ.Kind != kalla.Text || c.derived || c.digits < 0.2 || c.distinct < 3 || d.linked(c, ref) {
			continue
		}
		part := fmt.Sprintf("regexp_extract(v, %s, 1)", d.d.Text(pattern))
		asText := &column{typ: kalla.Type{Kind: kalla.Text}, lower: true, separators: separators}
		var hits, probed, whole float64
		err := d.row(fmt.Sprintf(`WITH p AS (SELECT v FROM (SELECT DISTINCT %s AS v FROM %s t) ORDER BY hash(v), v LIMIT %d), e AS (SELECT v, %s AS w FROM p)
SELECT count(*) FILTER (WHERE %s IN (SELECT %s FROM (SELECT %s AS x FROM %s u) WHERE x IS NOT NULL)), count(*), count(*) FILTER (WHERE v = w) FROM e`,
			d.text(c, "t"), s.table, probeSize, part, d.reduced(asText, "nullif(w, '')"), d.reduced(asText, "x"), d.text(ref, "u"), ref.side.table), &hits, &probed, &whole)
		if err != nil {
			return false, err
		}
		if hits < probeShare*probed || hits < 2 || whole > 0.5*probed {
			continue
		}
		name := s.freeName(strings.ToLower(c.name) + "_ref")
		if d.without(deriveID(s, name)) {
			continue
		}
		sql := fmt.Sprintf("regexp_extract(%s, %s, 1)", d.d.Ident(c.name), d.d.Text(pattern))
		derived, err := d.addDerived(s, name, sql, "nullif("+sql+", '')", kalla.Type{Kind: kalla.Text})
		if err != nil {
			return false, err
		}
		d.note(Evidence{ID: deriveID(s, name), Path: "sources." + string(s.name) + ".derive." + name, What: fmt.Sprintf("%s holds references of %s.%s", c.name, ref.side.alias, ref.name),
			Support: fmt.Sprintf("%s of %s texts that were looked into", share(hits, probed), count(probed)), Agree: int64(hits), Of: int64(probed)})
		if err := d.sketch(s, []*column{derived}, false); err != nil {
			return false, err
		}
		found = true
	}
	return found, nil
}

// linked reports whether two columns share values as they are for most of their records.
func (d *drafter) linked(a, b *column) bool {
	return slices.ContainsFunc(d.links, func(k *link) bool {
		return len(k.on) == 1 && k.uses(a) && k.uses(b) && max(k.left/float64(max(1, k.on[0].l.filled)), k.right/float64(max(1, k.on[0].r.filled))) > 0.5
	})
}

func (s *side) freeName(name string) string {
	name = strings.Trim(notWord.ReplaceAllString(name, "_"), "_")
	for base, n := name, 2; s.find(name) != nil; n++ {
		name = fmt.Sprintf("%s%d", base, n)
	}
	return name
}

// addDerived gives a side a derived column: sql is how the recipe writes it, staged how the engine computes it.
func (d *drafter) addDerived(s *side, name, sql, staged string, t kalla.Type) (*column, error) {
	if err := d.exec("CREATE OR REPLACE TABLE %s AS SELECT *, %s AS %s FROM %s", s.table, staged, d.d.Ident(name), s.table); err != nil {
		return nil, err
	}
	c := &column{side: s, index: len(s.columns), name: name, typ: t, derived: true}
	s.columns = append(s.columns, c)
	s.derive = append(s.derive, kalla.Derived{Name: name, SQL: sql})
	return c, d.profileColumns(s, []*column{c})
}
