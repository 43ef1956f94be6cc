package oracle

import (
	"fmt"
	"strconv"
	"time"

	"github.com/shopspring/decimal"

	"kalla"
)

// result counts, explains and compares once all passes are done.
func (x *run) result() (Result, error) {
	x.sortMatches()
	out := Result{
		Matches:   x.matches,
		Unmatched: map[kalla.Side][]Unmatched{},
		Passes:    make([]PassCount, len(x.passes)),
		Sides:     map[kalla.Side]SideCount{},
	}
	inPass := map[kalla.Side][]map[string]bool{}
	for _, side := range []kalla.Side{kalla.Left, kalla.Right} {
		for range x.passes {
			inPass[side] = append(inPass[side], map[string]bool{})
		}
	}
	for _, m := range x.matches {
		n := &out.Passes[m.Pass-1]
		n.Matches++
		n.Pairs += len(m.Pairs)
		if m.Ambiguous {
			n.Ambiguous++
		}
		for _, k := range m.Left {
			inPass[kalla.Left][m.Pass-1][k] = true
		}
		for _, k := range m.Right {
			inPass[kalla.Right][m.Pass-1][k] = true
		}
	}
	for i := range out.Passes {
		out.Passes[i].Left = len(inPass[kalla.Left][i])
		out.Passes[i].Right = len(inPass[kalla.Right][i])
	}
	for _, side := range []kalla.Side{kalla.Left, kalla.Right} {
		for _, rec := range x.all[side] {
			switch {
			case !rec.good:
				out.Unmatched[side] = append(out.Unmatched[side], Unmatched{Row: rec.row, Key: rec.name, Reason: kalla.BadKey})
			case rec.match < 0:
				out.Unmatched[side] = append(out.Unmatched[side], x.explain(side, rec))
			}
		}
		n, err := x.count(side)
		if err != nil {
			return Result{}, err
		}
		out.Sides[side] = n
	}
	out.Rate = x.rate(out.Sides)
	breaks, err := x.compare()
	out.Breaks = breaks
	return out, err
}

func (x *run) rate(sides map[kalla.Side]SideCount) decimal.Decimal {
	l, r := sides[kalla.Left], sides[kalla.Right]
	matched, total := l.Matched+r.Matched, l.Total+r.Total
	switch {
	case x.recipe.Sources.Left.Anchor:
		matched, total = l.Matched, l.Total
	case x.recipe.Sources.Right.Anchor:
		matched, total = r.Matched, r.Total
	}
	if total == 0 {
		return decimal.NewFromInt(1)
	}
	// Whole ten-thousandths, by integer division.
	return decimal.New(int64(matched)*10_000/int64(total), -4)
}

func (x *run) count(side kalla.Side) (SideCount, error) {
	n := SideCount{Sums: map[string]kalla.SumTriple{}}
	for _, rec := range x.all[side] {
		n.Total++
		if rec.match >= 0 {
			n.Matched++
		} else {
			n.Unmatched++
		}
		if !rec.good {
			n.BadKeys++
		}
	}
	for _, name := range x.amountColumns(side) {
		col, err := column(x.schema[side], name)
		if err != nil {
			return SideCount{}, err
		}
		var sum kalla.SumTriple
		for _, rec := range x.all[side] {
			d, ok := number(rec.vals[col])
			if !ok {
				continue
			}
			sum.Total = sum.Total.Add(d)
			if rec.match >= 0 {
				sum.Matched = sum.Matched.Add(d)
			} else {
				sum.Unmatched = sum.Unmatched.Add(d)
			}
		}
		n.Sums[name] = sum
	}
	return n, nil
}

// amountColumns are the columns of a side whose sums are kept.
func (x *run) amountColumns(side kalla.Side) []string {
	var out []string
	seen := map[string]bool{}
	add := func(l, r string, wanted func(kalla.Type) bool) {
		name := l
		if side == kalla.Right {
			name = r
		}
		c, ok := x.schema[side].Find(name)
		if ok && wanted(c.Type) && !seen[c.Name] {
			seen[c.Name] = true
			out = append(out, c.Name)
		}
	}
	isDecimal := func(t kalla.Type) bool { return t.Kind == kalla.DecimalKind }
	for _, p := range x.passes {
		for _, c := range p.when {
			switch {
			case c.numericWithin():
				add(c.Left, c.Right, kalla.Type.Numeric)
			case c.equality():
				add(c.Left, c.Right, isDecimal)
			}
		}
		if p.Sum != nil {
			add(p.Sum.Left, p.Sum.Right, kalla.Type.Numeric)
		}
	}
	for _, c := range x.recipe.Compare {
		add(c.Left, c.Right, kalla.Type.Numeric)
	}
	return out
}

// compare lists the compared fields that differ on matched pairs. Two NULLs do not differ.
func (x *run) compare() ([]Break, error) {
	byName := map[kalla.Side]map[string]*record{kalla.Left: {}, kalla.Right: {}}
	for _, l := range x.left {
		byName[kalla.Left][l.name] = l
	}
	for _, r := range x.right {
		byName[kalla.Right][r.name] = r
	}
	var out []Break
	for _, spec := range x.recipe.Compare {
		c, err := x.bindCondition(kalla.Condition{Left: spec.Left, Right: spec.Right, Within: spec.Within, Normalize: spec.Normalize})
		if err != nil {
			return nil, fmt.Errorf("compare: %w", err)
		}
		for _, m := range x.matches {
			for _, p := range m.Pairs {
				l, r := byName[kalla.Left][p.Left].vals, byName[kalla.Right][p.Right].vals
				if !c.holds(l, r) && !(c.isNull(l[c.l], c.lt) && c.isNull(r[c.r], c.rt)) {
					out = append(out, Break{MatchID: m.ID, Pair: p, Column: spec.Left})
				}
			}
		}
	}
	return out, nil
}

// isNull reports whether the value counts as NULL.
func (c condition) isNull(v Value, t kalla.Type) bool {
	return v == nil || c.mode == asText && normalize(Render(v, t), c.Normalize) == ""
}

// filters compiles the filters of a source; a NULL passes is_null only.
func filters(list []kalla.Filter, s kalla.Schema) (func([]Value) bool, error) {
	type bound struct {
		kalla.Filter
		col    int
		values []Value
	}
	var all []bound
	for _, f := range list {
		col, err := column(s, f.Column)
		if err != nil {
			return nil, fmt.Errorf("filter: %w", err)
		}
		b := bound{Filter: f, col: col}
		for _, text := range f.Values {
			v, err := Parse(text, s[col].Type)
			if err != nil {
				return nil, fmt.Errorf("filter on %s: %w", f.Column, err)
			}
			b.values = append(b.values, v)
		}
		all = append(all, b)
	}
	return func(row []Value) bool {
		for _, f := range all {
			if !passes(f.Op, row[f.col], f.values) {
				return false
			}
		}
		return true
	}, nil
}

func passes(op kalla.FilterOp, v Value, values []Value) bool {
	switch {
	case op == kalla.FilterIsNull:
		return v == nil
	case v == nil:
		return false
	case op == kalla.FilterIsNotNull:
		return true
	case op == kalla.FilterLike:
		return like([]rune(v.(string)), []rune(values[0].(string)))
	case op == kalla.FilterIn:
		for _, x := range values {
			if compareValues(v, x) == 0 {
				return true
			}
		}
		return false
	}
	c := compareValues(v, values[0])
	switch op {
	case kalla.FilterEq:
		return c == 0
	case kalla.FilterNeq:
		return c != 0
	case kalla.FilterGt:
		return c > 0
	case kalla.FilterGte:
		return c >= 0
	case kalla.FilterLt:
		return c < 0
	case kalla.FilterLte:
		return c <= 0
	case kalla.FilterBetween:
		return c >= 0 && compareValues(v, values[1]) <= 0
	}
	panic("oracle: unknown filter " + string(op))
}

// like matches SQL's pattern: % any text, _ any one character.
func like(s, pattern []rune) bool {
	if len(pattern) == 0 {
		return len(s) == 0
	}
	if pattern[0] == '%' {
		for i := 0; i <= len(s); i++ {
			if like(s[i:], pattern[1:]) {
				return true
			}
		}
		return false
	}
	return len(s) > 0 && (pattern[0] == '_' || pattern[0] == s[0]) && like(s[1:], pattern[1:])
}

// Parse reads the text of a value of that type: numbers in plain notation,
// true or false, dates and times in ISO 8601 (without a zone they are UTC).
func Parse(text string, t kalla.Type) (Value, error) {
	switch {
	case t.Numeric():
		return decimal.NewFromString(text)
	case t.Kind == kalla.Boolean:
		return strconv.ParseBool(text)
	case t.Kind == kalla.Date:
		return time.Parse("2006-01-02", text)
	case t.Temporal():
		for _, layout := range []string{"2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05Z07:00", "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02"} {
			if v, err := time.Parse(layout, text); err == nil {
				return v.UTC(), nil
			}
		}
		return nil, fmt.Errorf("%q is not a time", text)
	}
	return text, nil
}
