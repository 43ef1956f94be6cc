package infer

import (
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"kalla"
)

// example is an Example with the records that it names.
type example struct {
	Example
	l, r  int64 // rows of the staged tables
	found bool
	why   string // why it was not found
	pass  int    // the pass that matches the pair, or −1
}

// agrees reports whether the draft does what the person said.
func (x *example) agrees() bool { return x.Match == (x.pass >= 0) }

const exampleTable = "kalla_infer_examples" // n, l, r: the rows of the pairs

// resolve finds the records of the examples. Rows change when a table is written anew.
func (d *drafter) resolve() error {
	if len(d.guidance.Examples) == 0 {
		return nil
	}
	d.examples = nil
	var values []string
	for n, e := range d.guidance.Examples {
		x := &example{Example: e, pass: -1}
		for _, s := range []*side{d.left, d.right} {
			cells, row := e.Left, &x.l
			if s == d.right {
				cells, row = e.Right, &x.r
			}
			if err := d.locate(x, s, cells, row); err != nil {
				return err
			}
		}
		if x.found = x.why == ""; x.found {
			values = append(values, fmt.Sprintf("(%d, %d, %d)", n, x.l, x.r))
		}
		d.examples = append(d.examples, x)
	}
	if len(values) == 0 {
		values = []string{"(-1, -1, -1)"}
	}
	return d.exec("CREATE OR REPLACE TABLE %s AS SELECT * FROM (VALUES %s) v(n, l, r)", exampleTable, strings.Join(values, ", "))
}

// locate finds the only record of a side with these values.
func (d *drafter) locate(x *example, s *side, cells map[string]string, row *int64) error {
	var where, shown []string
	for _, name := range slices.Sorted(maps.Keys(cells)) {
		c := s.find(name)
		if c == nil {
			x.why = fmt.Sprintf("%s has no column %s", s.alias, name)
			return nil
		}
		where = append(where, fmt.Sprintf("(%[1]s = %[2]s OR %[3]s = TRY_CAST(%[2]s AS %[4]s))", d.text(c, "t"), d.d.Text(cells[name]), "t."+d.d.Ident(c.name), d.d.TypeName(c.typ)))
		shown = append(shown, name+" "+cells[name])
	}
	if len(where) == 0 {
		x.why = "the example names no record of " + s.alias
		return nil
	}
	var n int64
	var first sql.NullInt64
	if err := d.row(fmt.Sprintf("SELECT count(*), min(t.rowid) FROM %s t WHERE %s", s.table, strings.Join(where, " AND ")), &n, &first); err != nil {
		return err
	}
	if *row = first.Int64; n != 1 && x.why == "" {
		x.why = fmt.Sprintf("%s of %s have %s", records(n), s.alias, strings.Join(shown, ", "))
	}
	return nil
}

// judge notes which examples the pass that was just tried matches.
func (d *drafter) judge(t trial, pass int) error {
	if len(d.examples) == 0 {
		return nil
	}
	pairs := ""
	switch t.cardinality {
	case kalla.OneToOne:
		pairs = fmt.Sprintf("SELECT x.n FROM %s x JOIN %s m ON m.l = x.l AND m.r = x.r", exampleTable, matchTable)
	case kalla.ManyToMany:
		var same []string
		for i := range t.on {
			same = append(same, fmt.Sprintf("l.e%[1]d = r.e%[1]d", i))
		}
		pairs = fmt.Sprintf("SELECT x.n FROM %s x JOIN %s l ON l.id = x.l JOIN %s r ON r.id = x.r WHERE %s AND x.l IN (SELECT id FROM %s)",
			exampleTable, d.items(t, d.left, false), d.items(t, d.right, false), strings.Join(same, " AND "), matchedTable(d.left))
	default:
		pairs = fmt.Sprintf("SELECT x.n FROM %s x JOIN %s p ON p.l = x.l AND p.r = x.r WHERE x.l IN (SELECT id FROM %s) AND x.r IN (SELECT id FROM %s)",
			exampleTable, pairTable, matchedTable(d.left), matchedTable(d.right))
	}
	return d.each(pairs, func(scan func(...any) error) error {
		var n int
		if err := scan(&n); err != nil {
			return err
		}
		d.examples[n].pass = pass
		return nil
	})
}

// seen is what the two records of an example show.
type seen struct {
	l, r       kalla.Decimal // the amounts
	amounts    bool          // both are present
	days       int           // right − left
	dates      bool
	unlike     []sql.NullInt64 // by the names of the facts: millionths
	same       []bool          // by facts.same: both are present and equal
	equal      []bool          // by the links
	normalised []int           // by the links: the first of variants by which they are equal, or −1
}

// look reads what the records of an example show.
func (d *drafter) look(x *example) (seen, error) {
	f := d.facts
	var s seen
	list, into := []string{}, []any{}
	add := func(expr string, dest any) { list, into = append(list, expr), append(into, dest) }
	var la, ra sql.NullString
	var days sql.NullInt64
	if f.amount != nil {
		add("CAST("+exact("l."+d.d.Ident(f.amount.l.name))+" AS VARCHAR)", &la)
		add("CAST("+exact("r."+d.d.Ident(f.amount.r.name))+" AS VARCHAR)", &ra)
	}
	if f.date != nil {
		add(day("r."+d.d.Ident(f.date.r.name))+" - "+day("l."+d.d.Ident(f.date.l.name)), &days)
	}
	s.unlike = make([]sql.NullInt64, len(f.names))
	for i, n := range f.names {
		steps := nameSteps(n.l, n.r)
		add("CAST("+d.d.Dissimilarity(n.method, "nullif("+d.normal(steps, "l."+d.d.Ident(n.l.name))+", '')", "nullif("+d.normal(steps, "r."+d.d.Ident(n.r.name))+", '')")+" AS BIGINT)", &s.unlike[i])
	}
	holds := func(expr string, dest *bool) { add("coalesce("+expr+", FALSE)", dest) }
	s.same = make([]bool, len(f.same))
	for i, p := range f.same {
		holds(d.equal(p.pairing, p.l, "l")+" = "+d.equal(p.pairing, p.r, "r"), &s.same[i])
	}
	s.equal = make([]bool, len(d.links))
	by := make([][]bool, len(d.links))
	for i, k := range d.links {
		var all []string
		for _, p := range k.on {
			all = append(all, d.equal(p, p.l, "l")+" = "+d.equal(p, p.r, "r"))
		}
		holds(strings.Join(all, " AND "), &s.equal[i])
		if by[i] = make([]bool, len(variants)); len(k.on) == 1 {
			for v, steps := range variants {
				p := pairing{l: k.on[0].l, r: k.on[0].r, steps: steps}
				holds(d.equal(p, p.l, "l")+" = "+d.equal(p, p.r, "r"), &by[i][v])
			}
		}
	}
	if len(list) == 0 {
		return s, nil
	}
	err := d.row(fmt.Sprintf("SELECT %s FROM (SELECT * FROM %s WHERE rowid = %d) l, (SELECT * FROM %s WHERE rowid = %d) r", strings.Join(list, ", "), d.left.table, x.l, d.right.table, x.r), into...)
	if err != nil {
		return s, err
	}
	if s.amounts = la.Valid && ra.Valid; s.amounts {
		if s.l, err = decimalOf(la.String); err == nil {
			s.r, err = decimalOf(ra.String)
		}
		if err != nil {
			return s, err
		}
	}
	s.days, s.dates = int(days.Int64), days.Valid
	for i := range by {
		s.normalised = append(s.normalised, slices.Index(by[i], true))
	}
	return s, nil
}
