package recipe

import (
	"slices"
	"strconv"
	"strings"

	"kalla"
)

func (d *differ) passes(a, b []kalla.Pass) {
	key := func(p kalla.Pass) string { return p.Name }
	before, after := index("match", a, key), index("match", b, key)
	d.renamed(before, after)
	match(before, after,
		func(x, y keyed[kalla.Pass]) { d.pass(y.path, x.item, y.item) },
		func(x keyed[kalla.Pass]) {
			d.value(x.path, "", "pass "+strconv.Quote(x.item.Name), d.is.pass(x.item), "")
		},
		func(y keyed[kalla.Pass]) {
			d.value(y.path, "", "pass "+strconv.Quote(y.item.Name), "", d.is.pass(y.item))
		})
	reordered(d, "match", "", "order of passes", before, after, func(p kalla.Pass) string { return strconv.Quote(p.Name) })
}

// renamed finds passes that only got another name, and makes them one.
func (d *differ) renamed(before, after []keyed[kalla.Pass]) {
	has := func(list []keyed[kalla.Pass], key string) bool {
		return slices.ContainsFunc(list, func(x keyed[kalla.Pass]) bool { return x.key == key })
	}
	for i := range before {
		x := &before[i]
		if has(after, x.key) {
			continue
		}
		for _, y := range after {
			if has(before, y.key) {
				continue
			}
			same := x.item
			same.Name = y.item.Name
			if equalPasses(same, y.item) {
				d.value(join(y.path, "name"), "pass "+strconv.Quote(x.item.Name), "name", strconv.Quote(x.item.Name), strconv.Quote(y.item.Name))
				x.key, x.item = y.key, same
				break
			}
		}
	}
}

// equalPasses compares two passes as they are written.
func equalPasses(a, b kalla.Pass) bool {
	x, errA := appendJSON(nil, passNode(a))
	y, errB := appendJSON(nil, passNode(b))
	return errA == nil && errB == nil && string(x) == string(y)
}

func (d *differ) pass(path string, a, b kalla.Pass) {
	where := "pass " + strconv.Quote(b.Name)
	d.value(join(path, "cardinality"), where, "cardinality",
		orDefault(a.Cardinality, "all pairs"), orDefault(b.Cardinality, "all pairs"))
	d.conditions(path, where, a.When, b.When)
	d.value(join(path, "sql"), where, "sql", oneLine(a.SQL), oneLine(b.SQL))
	blocks := func(list []kalla.Block) string {
		var all []string
		for _, c := range list {
			all = append(all, blockPhrase(c))
		}
		return strings.Join(all, ", or ")
	}
	d.value(join(path, "block"), where, "block", blocks(a.Block), blocks(b.Block))
	d.sum(join(path, "sum"), where, a.Sum, b.Sum)
	size := func(s *kalla.Subset) string {
		if s == nil {
			return ""
		}
		return "at most " + strconv.Itoa(s.Max)
	}
	d.value(join(path, "subset"), where, "subset", size(a.Subset), size(b.Subset))
	d.value(join(path, "prefer"), where, "prefer", strings.Join(a.Prefer, ", "), strings.Join(b.Prefer, ", "))
	d.value(join(path, "on_ambiguous"), where, "on_ambiguous", orDefault(a.OnAmbiguous, kalla.Best), orDefault(b.OnAmbiguous, kalla.Best))
}

func (d *differ) sum(path, where string, a, b *kalla.Sum) {
	switch {
	case a == nil && b == nil:
	case a == nil:
		d.value(path, where, "sum", "", d.is.balance(*b))
	case b == nil:
		d.value(path, where, "sum", d.is.balance(*a), "")
	case a.Left == b.Left && a.Right == b.Right:
		d.value(join(path, "within"), where, "tolerance of the sum of "+b.Left, withinWords(a.Within), withinWords(b.Within))
	default:
		d.value(path, where, "sum", d.is.balance(*a), d.is.balance(*b))
	}
}

func (d *differ) conditions(path, where string, a, b []kalla.Condition) {
	when := join(path, "when")
	key := func(c kalla.Condition) string { return c.Left + "\x00" + c.Right }
	before, after := index(when, a, key), index(when, b, key)
	match(before, after,
		func(x, y keyed[kalla.Condition]) { d.condition(y.path, where, x.item, y.item) },
		func(x keyed[kalla.Condition]) { d.value(x.path, where, "condition", d.is.phrase(x.item), "") },
		func(y keyed[kalla.Condition]) { d.value(y.path, where, "condition", "", d.is.phrase(y.item)) })
	reordered(d, when, where, "order of conditions", before, after, d.is.phrase)
}

// condition compares two conditions on the same columns.
func (d *differ) condition(path, where string, a, b kalla.Condition) {
	form := func(c kalla.Condition) string {
		switch w := c.Within; {
		case w != nil && w.Days != nil:
			return "days"
		case w != nil && w.Hours != nil:
			return "hours"
		case w != nil:
			return "tolerance"
		case c.Similar != nil:
			return "similar"
		}
		return orDefault(c.Op, kalla.OpEq)
	}
	if form(a) != form(b) {
		d.value(path, where, "condition", d.is.phrase(a), d.is.phrase(b))
		return
	}
	switch form(b) {
	case "days", "hours":
		d.value(join(path, "within"), where, "window of "+b.Left, withinWords(a.Within), withinWords(b.Within))
	case "tolerance":
		d.value(join(path, "within"), where, "tolerance of "+b.Left, withinWords(a.Within), withinWords(b.Within))
	case "similar":
		d.value(join(path, "similar"), where, "least similarity of "+b.Left, a.Similar.String(), b.Similar.String())
		d.value(join(path, "method"), where, "method of similarity of "+b.Left, orDefault(a.Method, kalla.Levenshtein), orDefault(b.Method, kalla.Levenshtein))
	}
	steps := func(list []kalla.Normalize) string {
		var words []string
		for _, n := range list {
			words = append(words, string(n))
		}
		return strings.Join(words, ", ")
	}
	d.value(join(path, "normalize"), where, "normalization of "+b.Left, steps(a.Normalize), steps(b.Normalize))
}

// withinWords says a tolerance in short: "0.02", "1%", "-2 to 5 days".
func withinWords(w *kalla.Within) string {
	window := func(w kalla.Window, unit string) string {
		if w.From == -w.To {
			return "±" + strconv.Itoa(w.To) + " " + unit
		}
		return strconv.Itoa(w.From) + " to " + strconv.Itoa(w.To) + " " + unit
	}
	switch {
	case w == nil:
		return "none"
	case w.Days != nil:
		return window(*w.Days, "days")
	case w.Hours != nil:
		return window(*w.Hours, "hours")
	case w.Percent != nil:
		return w.Percent.String() + "%"
	}
	return w.Absolute.String()
}
