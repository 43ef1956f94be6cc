package match

import (
	"fmt"
	"strconv"
	"strings"

	"kalla"
)

// condition is one compiled condition; all SQL is over the aliases l and r.
type condition struct {
	spec   kalla.Condition
	left   kalla.Type
	right  kalla.Type
	l, r   string // both sides as they are compared
	pred   string // true where the condition holds
	diff   string // what it measures, or empty
	signed string // right − left, for people, where it is a number
	window string // the same condition written so that an engine can join by range, or empty
	form   form
	low    string // for ordered forms: the bounds of right − left in the unit of l and r
	high   string
	limit  string // for similar: the most that diff may be

	leftColumn, rightColumn string // quoted
	column                  string // the name of the prepared text of both sides, or empty; see prepared
}

type form int

const (
	equal form = iota
	prefix
	number   // within on numbers
	calendar // within on dates or times
	similar
	other
)

// number of decimal places to which binary floats are taken
const floatScale = 9

// compileCondition compiles the condition of that index in its pass; a negative
// index gives one that stands alone, over columns of the records only. It needs
// columns that exist; recipe.Check has seen to it.
func (c *compiler) compileCondition(spec kalla.Condition, index int) (condition, error) {
	lc, err := c.column(kalla.Left, spec.Left)
	if err != nil {
		return condition{}, err
	}
	rc, err := c.column(kalla.Right, spec.Right)
	if err != nil {
		return condition{}, err
	}
	k := condition{spec: spec, left: lc.Type, right: rc.Type}
	if index >= 0 && (len(spec.Normalize) > 0 || spec.Similar != nil) {
		k.column = fmt.Sprintf("kalla_t%d", index)
	}
	k.leftColumn, k.rightColumn = c.d.Ident(lc.Name), c.d.Ident(rc.Name)
	k.l, k.r = "l."+k.leftColumn, "r."+k.rightColumn
	switch {
	case spec.Within != nil:
		return k, c.within(&k)
	case spec.Similar != nil:
		c.texts(&k)
		k.form = similar
		k.limit = spec.Similar.Neg().Add(one).Shift(6).String()
		k.diff = c.d.Dissimilarity(methodOf(spec), k.l, k.r)
		k.pred = k.diff + " <= " + k.limit
		return k, nil
	}
	switch spec.Op {
	case "", kalla.OpEq:
		k.form = equal
		c.comparable(&k)
		k.pred = k.l + " = " + k.r
	case kalla.OpNeq, kalla.OpGt, kalla.OpGte, kalla.OpLt, kalla.OpLte:
		k.form = other
		c.comparable(&k)
		sign := map[kalla.Op]string{kalla.OpNeq: "<>", kalla.OpGt: ">", kalla.OpGte: ">=", kalla.OpLt: "<", kalla.OpLte: "<="}
		k.pred = k.l + " " + sign[spec.Op] + " " + k.r
	case kalla.OpPrefixOf, kalla.OpHasPrefix:
		k.form = prefix
		c.texts(&k)
		if spec.Op == kalla.OpPrefixOf {
			k.pred = c.d.StartsWith(k.r, k.l)
			k.diff = "abs(length(" + k.r + ") - length(" + k.l + "))"
		} else {
			k.pred = c.d.StartsWith(k.l, k.r)
			k.diff = "abs(length(" + k.l + ") - length(" + k.r + "))"
		}
	case kalla.OpContainedIn:
		k.form = other
		c.texts(&k)
		k.pred = c.d.Contains(k.r, k.l)
	case kalla.OpContains:
		k.form = other
		c.texts(&k)
		k.pred = c.d.Contains(k.l, k.r)
	default:
		return k, fmt.Errorf("unknown operation %q", spec.Op)
	}
	return k, nil
}

func methodOf(spec kalla.Condition) kalla.Method {
	if spec.Method == "" {
		return kalla.Levenshtein
	}
	return spec.Method
}

// texts turns both sides into normalised text, empty text into NULL.
func (c *compiler) texts(k *condition) {
	if k.column != "" {
		k.l, k.r = "l."+k.column, "r."+k.column
		return
	}
	k.l = c.normalized(k.l, k.left, k.spec.Normalize)
	k.r = c.normalized(k.r, k.right, k.spec.Normalize)
}

// prepared is a select list, with a leading comma, of the texts that the pass
// prepares once a record, over that alias.
func (c *compiler) prepared(p *pass, side kalla.Side, alias string) string {
	var b strings.Builder
	for _, k := range p.conditions {
		if k.column == "" {
			continue
		}
		column, t := k.leftColumn, k.left
		if side == kalla.Right {
			column, t = k.rightColumn, k.right
		}
		b.WriteString(", " + c.normalized(alias+"."+column, t, k.spec.Normalize) + " AS " + k.column)
	}
	return b.String()
}

func (c *compiler) normalized(expr string, t kalla.Type, steps []kalla.Normalize) string {
	expr = c.text(expr, t)
	for _, s := range steps {
		expr = c.d.Normalize(s, expr)
	}
	return "nullif(" + expr + ", '')"
}

func (c *compiler) text(expr string, t kalla.Type) string {
	if t.Kind == kalla.Text {
		return expr
	}
	return c.d.TextOf(expr, t)
}

// comparable brings both sides to one type.
func (c *compiler) comparable(k *condition) {
	l, r := k.left, k.right
	switch {
	case len(k.spec.Normalize) > 0:
		c.texts(k)
	case l.Numeric() && r.Numeric():
		k.l, k.r = c.exact(k.l, l), c.exact(k.r, r)
	case l.Temporal() && r.Temporal():
		if l.Kind != r.Kind {
			k.l, k.r = c.timestamp(k.l, l), c.timestamp(k.r, r)
		}
	case l.Kind == kalla.Boolean && r.Kind == kalla.Boolean:
	default:
		// One side's NULL is enough to make empty text equal nothing; any other text differs from it.
		k.l, k.r = "nullif("+c.text(k.l, l)+", '')", c.text(k.r, r)
		if k.form == other {
			k.r = "nullif(" + k.r + ", '')"
		}
	}
}

// exact is a number as it is compared: binary floats as decimals.
func (c *compiler) exact(expr string, t kalla.Type) string {
	if t.Kind == kalla.Float {
		return c.d.Decimal(expr, 28, floatScale)
	}
	return expr
}

func (c *compiler) timestamp(expr string, t kalla.Type) string {
	if t.Kind == kalla.Timestamp {
		return expr
	}
	return "CAST(" + expr + " AS " + c.d.TypeName(kalla.Type{Kind: kalla.Timestamp}) + ")"
}

func (c *compiler) date(expr string, t kalla.Type) string {
	if t.Kind == kalla.Date {
		return expr
	}
	return "CAST(" + expr + " AS " + c.d.TypeName(kalla.Type{Kind: kalla.Date}) + ")"
}

func (c *compiler) within(k *condition) error {
	w := k.spec.Within
	switch {
	case w.Absolute != nil || w.Percent != nil:
		if !k.left.Numeric() || !k.right.Numeric() {
			return fmt.Errorf("within compares numbers, but %s is %s and %s is %s", k.spec.Left, k.left.Kind, k.spec.Right, k.right.Kind)
		}
		k.form = number
		k.l, k.r = c.exact(k.l, k.left), c.exact(k.r, k.right)
		k.diff = "abs(" + k.l + " - " + k.r + ")"
		k.signed = k.r + " - " + k.l
		if w.Absolute != nil {
			t := w.Absolute.String()
			k.low, k.high = "-"+t, t
			k.pred = k.diff + " <= " + t
			k.window = k.r + " BETWEEN " + k.l + " - " + t + " AND " + k.l + " + " + t
		} else {
			p := w.Percent.String()
			k.pred = k.diff + " * 100 <= abs(" + k.l + ") * " + p
			k.window = k.r + " * 100 BETWEEN " + k.l + " * 100 - abs(" + k.l + ") * " + p + " AND " + k.l + " * 100 + abs(" + k.l + ") * " + p
		}
	case w.Days != nil:
		if !k.left.Temporal() || !k.right.Temporal() {
			return fmt.Errorf("within days compares dates, but %s is %s and %s is %s", k.spec.Left, k.left.Kind, k.spec.Right, k.right.Kind)
		}
		k.form = calendar
		k.l, k.r = c.date(k.l, k.left), c.date(k.r, k.right)
		k.signed = c.d.Days(k.l, k.r)
		k.diff = "abs(" + k.signed + ")"
		k.low, k.high = strconv.Itoa(w.Days.From), strconv.Itoa(w.Days.To)
		k.pred = k.signed + " BETWEEN " + k.low + " AND " + k.high
		k.window = k.r + " BETWEEN " + c.d.AddDays(k.l, w.Days.From) + " AND " + c.d.AddDays(k.l, w.Days.To)
	default:
		if !k.left.Temporal() || !k.right.Temporal() {
			return fmt.Errorf("within hours compares times, but %s is %s and %s is %s", k.spec.Left, k.left.Kind, k.spec.Right, k.right.Kind)
		}
		k.form = calendar
		k.l, k.r = c.timestamp(k.l, k.left), c.timestamp(k.r, k.right)
		k.signed = c.d.Microseconds(k.l, k.r)
		k.diff = "abs(" + k.signed + ")"
		from, to := int64(w.Hours.From)*3600, int64(w.Hours.To)*3600
		k.low, k.high = fmt.Sprint(from*1e6), fmt.Sprint(to*1e6)
		k.pred = k.signed + " BETWEEN " + k.low + " AND " + k.high
		k.window = k.r + " BETWEEN " + c.d.AddSeconds(k.l, from) + " AND " + c.d.AddSeconds(k.l, to)
	}
	return nil
}

// failure is the reason that a record is given when this condition is the first to fail.
func (k condition) failure(identity bool) kalla.Reason {
	numeric := k.left.Numeric() && k.right.Numeric()
	temporal := k.left.Temporal() && k.right.Temporal()
	switch {
	case identity:
		return kalla.NoCandidate
	case k.form == number || numeric:
		return kalla.AmountDiffers
	case k.form == calendar || temporal:
		return kalla.DateOutsideWindow
	case k.form == similar:
		return kalla.TextBelowThreshold
	case isCurrency(k.spec.Left) || isCurrency(k.spec.Right):
		return kalla.CurrencyDiffers
	}
	return kalla.ValueDiffers
}

func isCurrency(column string) bool {
	for _, word := range strings.FieldsFunc(strings.ToLower(column), func(r rune) bool { return r < 'a' || r > 'z' }) {
		switch word {
		case "currency", "curr", "ccy":
			return true
		}
	}
	return false
}

// balance is true where two sums, SQL of exact numbers, differ by no more than the tolerance.
func balance(left, right string, w *kalla.Within) string {
	switch {
	case w == nil:
		return left + " = " + right
	case w.Percent != nil:
		return "abs(" + left + " - " + right + ") * 100 <= abs(" + left + ") * " + w.Percent.String()
	}
	return "abs(" + left + " - " + right + ") <= " + w.Absolute.String()
}
