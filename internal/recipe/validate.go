package recipe

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"kalla"
)

var (
	notSlug    = regexp.MustCompile(`[^a-z0-9]+`)
	slug       = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,99}$`)
	identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)
)

// reservedAliases have a meaning of their own in SQL text.
var reservedAliases = []string{"left_src", "right_src", "l", "r"}

// validator finds what is wrong with a recipe in itself.
type validator struct{ *collector }

// missing reports a field that must be written and is not.
func (v validator) missing(path string, absent bool, hint string) bool {
	if absent {
		v.add(path, "is missing", hint)
	}
	return absent
}

func (v validator) recipe(r *kalla.Recipe) {
	v.missing("kalla", r.Version == 0, "write kalla: 1, the version of the format")
	switch {
	case v.missing("recipe_id", r.ID == "", "give the recipe a name of its own, such as invoice-payment-match"):
	case !slug.MatchString(r.ID):
		v.add("recipe_id", quote(r.ID)+" is no recipe id", "use small letters, digits, - and _ (at most 100)"+like(slugOf(r.ID)))
	}
	v.sources(r)
	v.rules(r)
	v.compare(r)
}

// slugOf makes an id of a title.
func slugOf(s string) string {
	return strings.Trim(notSlug.ReplaceAllString(strings.ToLower(s), "-"), "-")
}

func like(example string) string {
	if example == "" || len(example) > 100 {
		return ""
	}
	return ": " + example
}

func (v validator) sources(r *kalla.Recipe) {
	s := &r.Sources
	if isEmpty(s.Left) && isEmpty(s.Right) && !v.unknown("sources.left") && !v.unknown("sources.right") {
		v.missing("sources", true, "say what is compared: sources: {left: {alias: …, uri: …, primary_key: […]}, right: {…}}")
		return
	}
	aliases := map[string]string{}
	v.source("sources.left", s.Left, aliases)
	v.source("sources.right", s.Right, aliases)
	if s.Left.Anchor && s.Right.Anchor {
		v.add("sources.right.anchor", "both sides are the anchor", "only one side says when a run is complete: drop anchor from the other")
	}
	for i, e := range r.Extras {
		path := item("extras", i)
		v.alias(path, e.Alias, aliases)
		v.missing(join(path, "uri"), e.URI == "", "say where the table is, such as uri: fx.csv")
	}
}

func isEmpty(s kalla.Source) bool {
	return s.Alias == "" && s.URI == "" && s.Source == "" && len(s.PrimaryKey) == 0
}

func (v validator) source(path string, s kalla.Source, aliases map[string]string) {
	if isEmpty(s) && !v.unknown(path) {
		v.missing(path, true, "describe the source: {alias: …, uri: …, primary_key: […]}")
		return
	}
	if v.unknown(path) {
		return
	}
	v.alias(path, s.Alias, aliases)
	uri, source := join(path, "uri"), join(path, "source")
	switch {
	case v.unknown(uri) || v.unknown(source):
	case s.URI == "" && s.Source == "":
		v.missing(uri, true, "say where the records are: a file or URI (uri: payments.csv), or a registered source (source: payments)")
	case s.URI != "" && s.Source != "":
		v.add(source, "the source is given twice, as uri and as source", "keep one of them")
	case strings.Contains(s.Source, "://"):
		v.add(source, "is a URI, not the name of a registered source", "call the field uri")
	}
	key := join(path, "primary_key")
	v.missing(key, len(s.PrimaryKey) == 0, "name the columns that tell the records apart: primary_key: [invoice_id]")
	for i, c := range s.PrimaryKey {
		if slices.Contains(s.PrimaryKey[:i], c) {
			v.add(item(key, i), "column "+quote(c)+" is in the key twice", "name it once")
		}
	}
	derived := map[string]string{}
	for _, c := range s.Derive {
		if first, again := derived[strings.ToLower(c.Name)]; again {
			v.add(join(join(path, "derive"), c.Name), "column "+quote(first)+" is derived already; upper and lower case do not tell columns apart", "give it another name")
		}
		derived[strings.ToLower(c.Name)] = c.Name
	}
	for i, f := range s.Filters {
		v.filter(item(join(path, "filters"), i), f, derived)
	}
}

func (v validator) alias(path, alias string, taken map[string]string) {
	where := join(path, "alias")
	if v.missing(where, alias == "", "give the table a short name, such as alias: invoices") || v.unknown(where) {
		return
	}
	fold := strings.ToLower(alias)
	switch {
	case !identifier.MatchString(alias):
		v.add(where, quote(alias)+" is no alias", "use letters, digits and _, beginning with a letter (at most 63)"+like(strings.ReplaceAll(slugOf(alias), "-", "_")))
	case slices.Contains(reservedAliases, fold):
		v.add(where, quote(alias)+" has a meaning of its own in SQL", "choose another name than "+list(reservedAliases, "or"))
	case taken[fold] != "":
		v.add(where, quote(alias)+" is the alias of "+taken[fold]+" too", "give every table its own")
	default:
		taken[fold] = path
	}
}

func (v validator) filter(path string, f kalla.Filter, derived map[string]string) {
	column, op, value := join(path, "column"), join(path, "op"), join(path, "value")
	v.missing(column, f.Column == "", "a filter is written {column: status, op: neq, value: cancelled}")
	if _, ok := derived[strings.ToLower(f.Column)]; ok {
		v.add(column, quote(f.Column)+" is a derived column; filters see the columns of the source only", "filter on the column that it is derived from")
	}
	if v.missing(op, f.Op == "", "it is "+list(filterOps, "or")) || v.unknown(op) || v.unknown(value) {
		return
	}
	n := len(f.Values)
	switch f.Op {
	case kalla.FilterIsNull, kalla.FilterIsNotNull:
		if n > 0 {
			v.add(value, string(f.Op)+" takes no value", "leave it out")
		}
	case kalla.FilterBetween:
		if n != 2 {
			v.add(value, fmt.Sprintf("between takes two values, this has %d", n), "write it like value: [100, 200]; both ends are included")
		}
	case kalla.FilterIn:
		v.missing(value, n == 0, "name the values: value: [open, overdue]")
	default:
		v.missing(value, n == 0, "say what the column is compared with: value: cancelled; for no value use op: is_null")
	}
}

// rules checks that there is one way of matching, and each of its passes.
func (v validator) rules(r *kalla.Recipe) {
	switch {
	case v.unknown("match") || v.unknown("match_sql"):
	case len(r.Match) > 0 && r.MatchSQL != "":
		v.add("match_sql", "the recipe has both match and match_sql", "keep one: passes under match, or one SELECT under match_sql")
	case len(r.Match) == 0 && r.MatchSQL == "":
		v.missing("match", true, "say what a match is: match: [{cardinality: one_to_one, when: [{left: invoice_id, right: reference}]}]")
	}
	names := map[string]int{}
	for i, p := range r.Match {
		path := item("match", i)
		if v.unknown(path) {
			continue
		}
		if first, again := names[p.Name]; again {
			v.add(join(path, "name"), fmt.Sprintf("pass %d is called %s too", first+1, quote(p.Name)), "give every pass its own name")
		} else {
			names[p.Name] = i
		}
		passValidator{v, path, p}.check()
	}
}

func (v validator) compare(r *kalla.Recipe) {
	seen := map[string]bool{}
	for i, c := range r.Compare {
		path := item("compare", i)
		if v.unknown(path) {
			continue
		}
		v.pair(path, c.Left, c.Right, "a comparison is written {left: currency, right: currency}")
		if len(c.Normalize) > 0 && c.Within != nil {
			v.add(join(path, "normalize"), "texts are normalized, and within is for numbers and dates", "keep one of them")
		}
		if seen[c.Left] && c.Left != "" {
			v.add(join(path, "left"), "column "+quote(c.Left)+" is compared already", "breaks are counted by left column: compare each once")
		}
		seen[c.Left] = true
	}
}

// pair checks that both columns are named.
func (v validator) pair(path, left, right, hint string) {
	v.missing(join(path, "left"), left == "", hint)
	v.missing(join(path, "right"), right == "", hint)
}
