package oracle

import (
	"math/big"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/shopspring/decimal"

	"kalla"
)

// mode is how the two values of a plain comparison are compared.
type mode int

const (
	asText mode = iota
	asNumber
	asTime
	asBool
)

// condition is a kalla.Condition whose columns are resolved.
type condition struct {
	kalla.Condition
	l, r   int // column indexes
	lt, rt kalla.Type
	mode   mode
}

func (x *run) bindCondition(c kalla.Condition) (condition, error) {
	out := condition{Condition: c}
	var err error
	if out.l, err = column(x.schema[kalla.Left], c.Left); err != nil {
		return condition{}, err
	}
	if out.r, err = column(x.schema[kalla.Right], c.Right); err != nil {
		return condition{}, err
	}
	out.lt, out.rt = x.schema[kalla.Left][out.l].Type, x.schema[kalla.Right][out.r].Type
	out.mode = comparison(out)
	return out, nil
}

// comparison decides how values are compared: where the families of the types
// differ, or text is normalised, as text.
func comparison(c condition) mode {
	switch {
	case len(c.Normalize) > 0:
		return asText
	case c.lt.Numeric() && c.rt.Numeric():
		return asNumber
	case c.lt.Temporal() && c.rt.Temporal():
		return asTime
	case c.lt.Kind == kalla.Boolean && c.rt.Kind == kalla.Boolean:
		return asBool
	}
	return asText
}

func (c condition) numericWithin() bool {
	return c.Within != nil && (c.Within.Absolute != nil || c.Within.Percent != nil)
}

func (c condition) timeWithin() bool { return c.Within != nil && !c.numericWithin() }

func (c condition) prefix() bool { return c.Op == kalla.OpPrefixOf || c.Op == kalla.OpHasPrefix }

func (c condition) equality() bool {
	return c.Within == nil && c.Similar == nil && (c.Op == "" || c.Op == kalla.OpEq)
}

// measures reports whether the condition has a difference.
func (c condition) measures() bool { return c.Within != nil || c.Similar != nil || c.prefix() }

// texts returns both values as normalised texts; ok is false where either is
// NULL or empty.
func (c condition) texts(l, r []Value) (a, b string, ok bool) {
	a = normalize(Render(l[c.l], c.lt), c.Normalize)
	b = normalize(Render(r[c.r], c.rt), c.Normalize)
	return a, b, a != "" && b != ""
}

// numbers returns both values as numbers, binary floats to nine places.
func (c condition) numbers(l, r []Value) (a, b decimal.Decimal, ok bool) {
	a, okA := number(l[c.l])
	b, okB := number(r[c.r])
	if c.lt.Kind == kalla.Float {
		a = a.Round(floatPlaces)
	}
	if c.rt.Kind == kalla.Float {
		b = b.Round(floatPlaces)
	}
	return a, b, okA && okB
}

func (c condition) times(l, r []Value) (a, b time.Time, ok bool) {
	a, okA := l[c.l].(time.Time)
	b, okB := r[c.r].(time.Time)
	return a, b, okA && okB
}

// holds reports whether the condition is satisfied. NULL satisfies nothing.
func (c condition) holds(l, r []Value) bool {
	switch {
	case c.numericWithin():
		a, b, ok := c.numbers(l, r)
		return ok && withinTolerance(c.Within, a, b)
	case c.timeWithin():
		return c.inWindow(l, r)
	case c.Similar != nil:
		a, b, ok := c.texts(l, r)
		most := decimal.NewFromInt(1).Sub(*c.Similar).Mul(decimal.NewFromInt(million))
		return ok && decimal.NewFromInt(dissimilarity(c.Method, a, b)).LessThanOrEqual(most)
	}
	switch c.Op {
	case kalla.OpPrefixOf, kalla.OpHasPrefix, kalla.OpContainedIn, kalla.OpContains:
		a, b, ok := c.texts(l, r)
		if !ok {
			return false
		}
		switch c.Op {
		case kalla.OpPrefixOf:
			return strings.HasPrefix(b, a)
		case kalla.OpHasPrefix:
			return strings.HasPrefix(a, b)
		case kalla.OpContainedIn:
			return strings.Contains(b, a)
		}
		return strings.Contains(a, b)
	}
	order, ok := c.compare(l, r)
	if !ok {
		return false
	}
	switch c.Op {
	case "", kalla.OpEq:
		return order == 0
	case kalla.OpNeq:
		return order != 0
	case kalla.OpGt:
		return order > 0
	case kalla.OpGte:
		return order >= 0
	case kalla.OpLt:
		return order < 0
	case kalla.OpLte:
		return order <= 0
	}
	panic("oracle: unknown op " + string(c.Op))
}

// compare orders the left value against the right one; ok is false where either is NULL.
func (c condition) compare(l, r []Value) (order int, ok bool) {
	if l[c.l] == nil || r[c.r] == nil {
		return 0, false
	}
	switch c.mode {
	case asNumber:
		a, b, ok := c.numbers(l, r)
		return a.Cmp(b), ok
	case asTime:
		a, b, ok := c.times(l, r)
		return a.Compare(b), ok
	case asBool:
		return compareValues(l[c.l], r[c.r]), true
	}
	a, b, ok := c.texts(l, r)
	return strings.Compare(a, b), ok
}

func (c condition) inWindow(l, r []Value) bool {
	a, b, ok := c.times(l, r)
	if !ok {
		return false
	}
	if w := c.Within.Days; w != nil {
		d := dayNumber(b) - dayNumber(a)
		return int64(w.From) <= d && d <= int64(w.To)
	}
	const microsPerHour = 3600 * 1_000_000
	w, d := c.Within.Hours, b.UnixMicro()-a.UnixMicro()
	return int64(w.From)*microsPerHour <= d && d <= int64(w.To)*microsPerHour
}

// difference is how far apart the two values are: in the unit of the numbers,
// in days, microseconds, millionths or characters; nil where either is NULL.
func (c condition) difference(l, r []Value) *big.Rat {
	switch {
	case c.numericWithin():
		if a, b, ok := c.numbers(l, r); ok {
			return exact(a.Sub(b).Abs())
		}
	case c.timeWithin():
		if a, b, ok := c.times(l, r); ok {
			if c.Within.Days != nil {
				d := big.NewRat(dayNumber(b)-dayNumber(a), 1)
				return d.Abs(d)
			}
			d := big.NewRat(b.UnixMicro()-a.UnixMicro(), 1)
			return d.Abs(d)
		}
	case c.Similar != nil:
		if a, b, ok := c.texts(l, r); ok {
			return big.NewRat(dissimilarity(c.Method, a, b), 1)
		}
	case c.prefix():
		if a, b, ok := c.texts(l, r); ok {
			d := big.NewRat(int64(utf8.RuneCountInString(a)-utf8.RuneCountInString(b)), 1)
			return d.Abs(d)
		}
	}
	return nil
}

// withinTolerance is |a − b| ≤ t, or |a − b| · 100 ≤ |a| · p; a nil tolerance means equal.
func withinTolerance(w *kalla.Within, a, b decimal.Decimal) bool {
	d := a.Sub(b).Abs()
	switch {
	case w == nil:
		return d.IsZero()
	case w.Absolute != nil:
		return d.LessThanOrEqual(*w.Absolute)
	}
	return d.Mul(decimal.NewFromInt(100)).LessThanOrEqual(a.Abs().Mul(*w.Percent))
}

// block is a cheap equality that candidates must share.
type block struct {
	condition
	transform kalla.BlockTransform
	n         int // characters, for first and ngram
}

func (b block) holds(l, r []Value) bool {
	if b.transform == kalla.BlockExact {
		return b.condition.holds(l, r)
	}
	x, y, ok := b.texts(l, r)
	if !ok {
		return false
	}
	switch b.transform {
	case kalla.BlockSoundex:
		s, t := soundex(x), soundex(y)
		return s != "" && s == t
	case kalla.BlockFirst:
		s, t := firstRunes(x, b.n), firstRunes(y, b.n)
		return s != "" && s == t
	case kalla.BlockNgram:
		return shareNgram(x, y, b.n)
	}
	panic("oracle: unknown transform " + string(b.transform))
}

// candidate reports whether the pair is one of the pass, its records being free.
func (p pass) candidate(l, r []Value) bool {
	if p.Sum != nil {
		_, okL := number(l[p.sumL])
		_, okR := number(r[p.sumR])
		if !okL || !okR {
			return false
		}
	}
	for _, c := range p.when {
		if !c.holds(l, r) {
			return false
		}
	}
	if len(p.blocks) == 0 {
		return true
	}
	for _, b := range p.blocks {
		if b.holds(l, r) {
			return true
		}
	}
	return false
}
