package recipe

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"kalla"
)

// Sentence says in plain words what a part of the recipe does.
type Sentence struct {
	Path string `json:"path"` // the part: "sources.left", "match[0]", …
	Text string `json:"text"`
}

// Explain says what the recipe does, in sentences for people who know the
// business and not the format. They follow the order of the document.
func Explain(r *kalla.Recipe) []Sentence {
	x := newExplainer(r)
	s := r.Sources
	x.say("sources", "Compares %s (%s) with %s (%s).", x.left.many, place(s.Left), x.right.many, place(s.Right))
	x.source("sources.left", s.Left, x.left)
	x.source("sources.right", s.Right, x.right)
	for i, e := range r.Extras {
		x.say(item("extras", i), "The table %s (%s) can be looked up.", e.Alias, redactURI(e.URI))
	}
	for i, p := range r.Match {
		name := ""
		if p.Name != defaultName(i) {
			name = ", " + p.Name
		}
		x.say(item("match", i), "Pass %d%s: %s", i+1, name, x.pass(p))
	}
	if r.MatchSQL != "" {
		x.say("match_sql", "Every pair that this query returns is a match: %s.", oneLine(r.MatchSQL))
	}
	for i, c := range r.Compare {
		x.say(item("compare", i), "On matched pairs it is checked that %s; a difference is reported as a break and does not undo the match.",
			x.comparePhrase(c))
	}
	if r.OnBadKey == kalla.FailOnBadKeys {
		x.say("on_bad_key", "The run fails if a record has an empty or repeated key.")
	} else {
		x.say("on_bad_key", "Records with an empty or repeated key are counted and reported as unmatched.")
	}
	if r.Consistency == kalla.OneSnapshot {
		x.say("consistency", "The run fails if a source cannot be read as of one point in time.")
	}
	return x.out
}

type explainer struct {
	left, right noun
	out         []Sentence
}

func newExplainer(r *kalla.Recipe) *explainer {
	return &explainer{left: nounOf(r.Sources.Left.Alias), right: nounOf(r.Sources.Right.Alias)}
}

func (x *explainer) say(path, format string, args ...any) {
	x.out = append(x.out, Sentence{path, fmt.Sprintf(format, args...)})
}

// noun is what one and several records of a source are called.
type noun struct{ one, many string }

// nounOf makes words of an alias: invoices are called so, one is an invoice;
// an alias that is no plural gets "record" and "records".
func nounOf(alias string) noun {
	many := strings.ReplaceAll(alias, "_", " ")
	for _, end := range []struct{ plural, singular string }{
		{"ies", "y"}, {"sses", "ss"}, {"xes", "x"}, {"ches", "ch"}, {"shes", "sh"}, {"ss", ""}, {"us", ""}, {"is", ""}, {"s", ""},
	} {
		if one, ok := strings.CutSuffix(many, end.plural); ok && len(one) > 1 {
			if end.singular == "" && end.plural != "s" {
				break
			}
			return noun{one + end.singular, many}
		}
	}
	return noun{many + " record", many + " records"}
}

func place(s kalla.Source) string {
	if s.Source != "" {
		return "the registered source " + s.Source
	}
	return redactURI(s.URI)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func (x *explainer) source(path string, s kalla.Source, n noun) {
	x.say(join(path, "primary_key"), "%s is told apart by %s.", capital("every "+n.one), list(s.PrimaryKey, "and"))
	if s.Anchor {
		x.say(join(path, "anchor"), "The result is complete when every %s is matched; what is left on the other side is surplus.", n.one)
	}
	if len(s.Filters) > 0 {
		var all []string
		for _, f := range s.Filters {
			all = append(all, filterPhrase(f))
		}
		x.say(join(path, "filters"), "Of the %s only those count where %s.", n.many, list(all, "and"))
	}
	for _, d := range s.Derive {
		x.say(join(join(path, "derive"), d.Name), "Every %s gets a column %s, computed as %s.", n.one, d.Name, oneLine(d.SQL))
	}
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

var filterWords = map[kalla.FilterOp]string{
	kalla.FilterEq: "is", kalla.FilterNeq: "is not", kalla.FilterGt: "is greater than", kalla.FilterGte: "is at least",
	kalla.FilterLt: "is less than", kalla.FilterLte: "is at most", kalla.FilterLike: "is like",
}

func filterPhrase(f kalla.Filter) string {
	switch f.Op {
	case kalla.FilterIsNull:
		return f.Column + " is empty"
	case kalla.FilterIsNotNull:
		return f.Column + " is not empty"
	case kalla.FilterIn:
		return f.Column + " is " + list(f.Values, "or")
	case kalla.FilterBetween:
		return f.Column + " is from " + list(f.Values, "to")
	}
	value := ""
	if len(f.Values) > 0 {
		value = f.Values[0]
	}
	if len(value) == len("2006-01-02") && isDate(value) {
		switch f.Op {
		case kalla.FilterGt:
			return f.Column + " is after " + value
		case kalla.FilterGte:
			return f.Column + " is on or after " + value
		case kalla.FilterLt:
			return f.Column + " is before " + value
		case kalla.FilterLte:
			return f.Column + " is on or before " + value
		}
	}
	return f.Column + " " + filterWords[f.Op] + " " + value
}

// pass describes one pass, without its name.
func (x *explainer) pass(p kalla.Pass) string {
	var all []string
	for _, c := range p.When {
		all = append(all, x.phrase(c))
	}
	if p.SQL != "" {
		all = append(all, "this holds: "+oneLine(p.SQL))
	}
	where := list(all, "and")
	sum := ""
	if p.Sum != nil {
		sum = x.balance(*p.Sum)
	}
	var b strings.Builder
	switch p.Cardinality {
	case kalla.OneToOne:
		fmt.Fprintf(&b, "one %s to one %s, where %s", x.left.one, x.right.one, where)
	case kalla.OneToMany:
		b.WriteString(x.group(x.left.one, x.right, where, sum, p))
	case kalla.ManyToOne:
		b.WriteString(x.group(x.right.one, x.left, where, sum, p))
	case kalla.ManyToMany:
		fmt.Fprintf(&b, "all %s and %s together, where %s", x.left.many, x.right.many, where)
		if sum != "" {
			b.WriteString(", if " + sum)
		}
		return b.String() + "."
	default:
		return fmt.Sprintf("every pair of one %s and one %s is a match, where %s.", x.left.one, x.right.one, where)
	}
	b.WriteString(". " + x.winner(p))
	if len(p.Block) > 0 {
		var blocks []string
		for _, c := range p.Block {
			blocks = append(blocks, blockPhrase(c))
		}
		b.WriteString(" Only pairs are looked at where " + list(blocks, "or") + ".")
	}
	return b.String()
}

// group describes a pass in which one record takes several.
func (x *explainer) group(one string, several noun, where, sum string, p kalla.Pass) string {
	s := fmt.Sprintf("one %s to one or more %s, where %s", one, several.many, where)
	switch {
	case p.Subset != nil:
		s += fmt.Sprintf("; the smallest set of at most %d %s is looked for so that %s", p.Subset.Max, several.many, sum)
	case sum != "":
		s += ", if " + sum
	}
	return s
}

func (x *explainer) balance(s kalla.Sum) string {
	left, right := x.columns(s.Left, s.Right)
	if s.Within == nil {
		return fmt.Sprintf("the sums of %s and %s are equal", left, right)
	}
	return fmt.Sprintf("the sums of %s and %s differ by at most %s", left, right, tolerance(*s.Within, left))
}

// winner says which of several candidates is taken.
func (x *explainer) winner(p kalla.Pass) string {
	var best []string
	add := func(c kalla.Condition) {
		if w := nearestWords(c); !slices.Contains(best, w) {
			best = append(best, w)
		}
	}
	if len(p.Prefer) > 0 {
		for _, name := range p.Prefer {
			if i := slices.IndexFunc(p.When, func(c kalla.Condition) bool { return measures(c) && (c.Left == name || c.Right == name) }); i >= 0 {
				add(p.When[i])
			}
		}
	} else {
		for _, c := range p.When {
			if measures(c) {
				add(c)
			}
		}
	}
	several := "Of several"
	switch {
	case p.Subset != nil:
		best, several = nil, "Of several sets of that size"
	case p.Cardinality == kalla.OneToMany:
		several += " " + x.left.many
	case p.Cardinality == kalla.ManyToOne:
		several += " " + x.right.many
	}
	s, equals := "", several
	for i, w := range best {
		if i == 0 {
			s = several + ", the one with " + w + " wins"
		} else {
			s += ", then the one with " + w
		}
	}
	if s != "" {
		s += "; "
		equals = "of equally good ones"
	}
	if p.OnAmbiguous == kalla.Leave {
		return s + equals + ", none is matched."
	}
	return s + equals + ", the first in the order of the keys is taken and the match is marked ambiguous."
}

func nearestWords(c kalla.Condition) string {
	switch {
	case c.Similar != nil:
		return "the most similar " + c.Left
	case isPrefix(c):
		return "the closest length of " + c.Left
	}
	return "the nearest " + c.Left
}

// columns names a left and a right column so that they can be told apart.
func (x *explainer) columns(left, right string) (string, string) {
	if left != right {
		return left, right
	}
	return left + " of the " + x.left.one, right + " of the " + x.right.one
}

var opWords = map[kalla.Op]string{
	kalla.OpNeq: "differs from", kalla.OpGt: "is greater than", kalla.OpGte: "is at least", kalla.OpLt: "is less than", kalla.OpLte: "is at most",
	kalla.OpPrefixOf: "is the beginning of", kalla.OpHasPrefix: "begins with", kalla.OpContainedIn: "occurs in", kalla.OpContains: "contains",
}

// Phrase says a condition of the recipe: "invoice_id equals reference_number".
func Phrase(r *kalla.Recipe, c kalla.Condition) string { return newExplainer(r).phrase(c) }

func (x *explainer) phrase(c kalla.Condition) string {
	left, right := x.columns(c.Left, c.Right)
	s := ""
	switch w := c.Within; {
	case w != nil && w.Days != nil:
		return right + " is " + windowPhrase(*w.Days, "day") + left
	case w != nil && w.Hours != nil:
		return right + " is " + windowPhrase(*w.Hours, "hour") + left
	case w != nil:
		return fmt.Sprintf("%s differs from %s by at most %s", left, right, tolerance(*w, left))
	case c.Similar != nil:
		s = fmt.Sprintf("%s is at least %s%% like %s (%s)", left, c.Similar.Mul(decimal.NewFromInt(100)), right, methodName(c.Method))
	case isEquality(c) && c.Left == c.Right:
		s = c.Left + " is the same on both"
	case isEquality(c):
		s = left + " equals " + right
	default:
		s = left + " " + opWords[c.Op] + " " + right
	}
	if len(c.Normalize) > 0 {
		var steps []string
		for _, n := range c.Normalize {
			steps = append(steps, normalizeWords[n])
		}
		s += " (" + strings.Join(steps, ", then ") + ")"
	}
	return s
}

func (x *explainer) comparePhrase(c kalla.Compare) string {
	return x.phrase(kalla.Condition{Left: c.Left, Right: c.Right, Within: c.Within, Normalize: c.Normalize})
}

func methodName(m kalla.Method) string {
	switch m {
	case kalla.JaroWinkler:
		return "Jaro-Winkler"
	case kalla.TokenSet:
		return "by their words"
	}
	return "Levenshtein"
}

var normalizeWords = map[kalla.Normalize]string{
	kalla.Trim: "without spaces around", kalla.Upper: "in capitals", kalla.Alnum: "letters and digits only", kalla.Digits: "digits only",
	kalla.StripLeadingZeros: "without leading zeros", kalla.Unaccent: "without accents", kalla.CollapseSpaces: "with single spaces",
}

func tolerance(w kalla.Within, left string) string {
	if w.Percent != nil {
		return w.Percent.String() + "% of " + left
	}
	return w.Absolute.String()
}

// windowPhrase says where a window of right − left puts right, up to the name of left.
func windowPhrase(w kalla.Window, unit string) string {
	count := func(n int) string {
		if n == 1 {
			return "1 " + unit
		}
		return fmt.Sprintf("%d %ss", n, unit)
	}
	switch {
	case w.From == 0 && w.To == 0 && unit == "day":
		return "the same day as "
	case w.From == -w.To:
		return "within " + count(w.To) + " of "
	case w.From == w.To && w.From > 0:
		return count(w.From) + " after "
	case w.From == w.To:
		return count(-w.From) + " before "
	case w.From >= 0:
		return fmt.Sprintf("%d to %s after ", w.From, count(w.To))
	case w.To <= 0:
		return fmt.Sprintf("%d to %s before ", -w.To, count(-w.From))
	}
	return fmt.Sprintf("from %s before to %s after ", count(-w.From), count(w.To))
}

func blockPhrase(b kalla.Block) string {
	switch b.Transform {
	case kalla.BlockSoundex:
		return b.Left + " and " + b.Right + " sound alike"
	case kalla.BlockFirst:
		return fmt.Sprintf("%s and %s begin with the same %d characters", b.Left, b.Right, b.N)
	case kalla.BlockNgram:
		return fmt.Sprintf("%s and %s share %d characters in a row", b.Left, b.Right, b.N)
	}
	return b.Left + " equals " + b.Right
}
