package recipe

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"kalla"
)

// The words of the format.
var (
	cardinalities = []kalla.Cardinality{kalla.OneToOne, kalla.OneToMany, kalla.ManyToOne, kalla.ManyToMany}
	ambiguities   = []kalla.Ambiguity{kalla.Best, kalla.Leave}
	onBadKeys     = []kalla.OnBadKey{kalla.ReportBadKeys, kalla.FailOnBadKeys}
	consistencies = []kalla.Consistency{kalla.AnyConsistency, kalla.OneSnapshot}
	ops           = []kalla.Op{kalla.OpEq, kalla.OpNeq, kalla.OpGt, kalla.OpGte, kalla.OpLt, kalla.OpLte,
		kalla.OpPrefixOf, kalla.OpHasPrefix, kalla.OpContainedIn, kalla.OpContains}
	methods        = []kalla.Method{kalla.Levenshtein, kalla.JaroWinkler, kalla.TokenSet}
	normalizations = []kalla.Normalize{kalla.Trim, kalla.Upper, kalla.Alnum, kalla.Digits,
		kalla.StripLeadingZeros, kalla.Unaccent, kalla.CollapseSpaces}
	filterOps = []kalla.FilterOp{kalla.FilterEq, kalla.FilterNeq, kalla.FilterGt, kalla.FilterGte, kalla.FilterLt, kalla.FilterLte,
		kalla.FilterBetween, kalla.FilterIn, kalla.FilterLike, kalla.FilterIsNull, kalla.FilterIsNotNull}
	roles = []string{"lookup"}
)

// Bounds of numbers in a recipe.
const (
	maxDays   = 100_000
	maxHours  = 24 * maxDays
	maxSubset = 32
	maxFirst  = 64
	minNgram  = 2
	maxNgram  = 16
)

// recipe decodes and validates the whole document.
func (d *decoder) recipe(params map[string]string) *kalla.Recipe {
	o := d.object("", d.doc.root)
	r := &kalla.Recipe{}
	r.Parameters = d.bind(d.parameters(o), params)

	if version := o.get("kalla"); version.given() {
		if r.Version = d.integer(version, 0, 1_000_000); r.Version != 1 && !d.unknown(version.path) {
			d.add(version.path, fmt.Sprintf("this Kalla does not know version %d of the format", r.Version), "write kalla: 1")
		}
	}
	r.ID = d.text(o.get("recipe_id"), inLiteral)
	r.Name = o.name("name")
	r.Description = d.text(o.get("description"), inText)
	if f := o.get("sources"); f.given() {
		s := d.object(f.path, f.node)
		r.Sources.Left = d.source(s.get("left"))
		r.Sources.Right = d.source(s.get("right"))
		s.done()
	}
	for _, f := range o.list("extras", "[{alias: fx, uri: fx.csv}]") {
		r.Extras = append(r.Extras, d.extra(f))
	}
	match := o.nullable("match")
	for i, f := range d.elements(match, "- {name: reference, cardinality: one_to_one, when: […]}", maxPasses) {
		r.Match = append(r.Match, d.pass(f, i))
	}
	for _, f := range o.list("compare", "[{left: currency, right: currency}]") {
		r.Compare = append(r.Compare, d.compare(f))
	}
	r.MatchSQL = d.text(o.nullable("match_sql"), inSQL)
	r.OnBadKey = oneOf(d, o.get("on_bad_key"), onBadKeys)
	r.Consistency = oneOf(d, o.get("consistency"), consistencies)
	o.done()

	v := validator{d.collector}
	v.recipe(r)
	return r
}

// parameters decodes the declarations of parameters.
func (d *decoder) parameters(o *object) []kalla.Parameter {
	var out []kalla.Parameter
	first := map[string]string{}
	for _, f := range o.list("parameters", "[{name: tolerance, type: decimal, default: \"0.02\"}]") {
		p := d.object(f.path, f.node)
		if p == nil {
			continue
		}
		name, def := p.get("name"), p.get("default")
		typ := p.get("type")
		param := kalla.Parameter{
			Name: d.text(name, inLiteral), Required: d.boolean(p.get("required")),
			Description: d.text(p.get("description"), inLiteral),
		}
		if typ.given() {
			param.Type = d.text(typ, inLiteral)
		}
		p.done()
		switch {
		case !name.given():
			d.add(join(f.path, "name"), "is missing", "a parameter is written {name: tolerance, type: decimal}")
			continue
		case !paramName.MatchString(param.Name) || len(param.Name) > maxKeyLen:
			d.add(name.path, quote(param.Name)+" cannot be the name of a parameter", "use letters, digits and _, beginning with a letter")
			continue
		case first[param.Name] != "":
			d.add(name.path, "there is a parameter "+param.Name+" already, at "+first[param.Name], "give each its own name")
			continue
		}
		first[param.Name], d.paramPath[param.Name] = f.path, f.path
		if !slices.Contains(parameterTypes, param.Type) {
			if !typ.given() {
				d.add(join(f.path, "type"), "is missing", "it is "+list(parameterTypes, "or"))
			} else {
				d.add(typ.path, quote(param.Type)+" is no type of a parameter", wordHint(param.Type, parameterTypes))
			}
			param.Type = typeText
		}
		if def.given() {
			text, known := d.scalar(def, inLiteral)
			if value, why := parameterValue(param.Type, text); known && why != "" {
				d.add(def.path, quote(text)+" "+why, parameterHint(param.Type))
			} else {
				param.Default, param.HasDefault = value, true
			}
			if param.Required {
				d.add(join(f.path, "required"), "a parameter with a default is never missing", "drop either required or default")
			}
		}
		out = append(out, param)
	}
	return out
}

func (d *decoder) source(f field) kalla.Source {
	if !f.given() {
		return kalla.Source{}
	}
	o := d.object(f.path, f.node)
	if o == nil {
		return kalla.Source{}
	}
	defer o.done()
	s := kalla.Source{
		Alias: o.name("alias"), URI: d.text(o.get("uri"), inURI), Source: o.name("source"),
		PrimaryKey: o.nameList("primary_key", "[invoice_id]"), Anchor: d.boolean(o.get("anchor")),
	}
	for _, f := range o.list("filters", "[{column: status, op: neq, value: cancelled}]") {
		s.Filters = append(s.Filters, d.filter(f))
	}
	s.Types = d.types(o.get("types"))
	s.Options = d.options(o.get("options"))
	names, values := d.entries(o.get("derive"), `{ref: "upper(description)"}`)
	for i, name := range names {
		s.Derive = append(s.Derive, kalla.Derived{Name: name, SQL: d.text(values[i], inSQL)})
	}
	return s
}

func (d *decoder) extra(f field) kalla.Extra {
	o := d.object(f.path, f.node)
	if o == nil {
		return kalla.Extra{}
	}
	defer o.done()
	return kalla.Extra{
		Alias: o.name("alias"), URI: d.text(o.get("uri"), inURI), Role: oneOf(d, o.get("role"), roles),
		Types: d.types(o.get("types")), Options: d.options(o.get("options")),
	}
}

func (d *decoder) filter(f field) kalla.Filter {
	o := d.object(f.path, f.node)
	if o == nil {
		return kalla.Filter{}
	}
	defer o.done()
	out := kalla.Filter{Column: o.name("column")}
	op, value := o.get("op"), o.get("value")
	out.Op = oneOf(d, op, filterOps)
	if !value.given() {
		return out
	}
	several := out.Op == kalla.FilterIn || out.Op == kalla.FilterBetween
	switch isList := value.node.Kind == yaml.SequenceNode; {
	case d.unknown(op.path):
	case isList && !several:
		d.add(value.path, fmt.Sprintf("%s takes one value, this is a list", out.Op), "use op: in for any of several values, op: between for a range")
		return out
	case !isList && several:
		d.add(value.path, fmt.Sprintf("%s takes a list", out.Op), "write it like value: [a, b]")
		return out
	}
	if value.node.Kind != yaml.SequenceNode {
		text, _ := d.scalar(value, inText)
		out.Values = []string{text}
		return out
	}
	for _, v := range d.elements(value, "[a, b]", maxNodes) {
		text, _ := d.scalar(v, inText)
		out.Values = append(out.Values, text)
	}
	return out
}

var decimalType = regexp.MustCompile(`^decimal\(\s*([0-9]{1,3})\s*,\s*([0-9]{1,3})\s*\)$`)

// typeNames are the types that a column can be given.
var typeNames = []string{"text", "integer", "decimal(18,2)", "boolean", "date", "timestamp", "timestamptz"}

// typeSynonyms are what other systems call them.
var typeSynonyms = map[string]string{
	"string": "text", "varchar": "text", "char": "text", "str": "text", "int": "integer", "bigint": "integer", "number": "decimal(18,2)",
	"numeric": "decimal(18,2)", "money": "decimal(18,2)", "decimal": "decimal(18,2)", "float": "decimal(18,2)", "double": "decimal(18,2)",
	"real": "decimal(18,2)", "bool": "boolean", "datetime": "timestamp", "time": "timestamp",
}

func (d *decoder) types(f field) map[string]kalla.Type {
	names, values := d.entries(f, `{amount: "decimal(18,2)", paid_on: date}`)
	if len(names) == 0 {
		return nil
	}
	out := make(map[string]kalla.Type, len(names))
	for i, name := range names {
		out[name] = d.columnType(values[i])
	}
	return out
}

// columnType reads "decimal(18,2)", "date", or {type: date, format: "%d.%m.%Y"}.
func (d *decoder) columnType(f field) kalla.Type {
	if f.node.Kind != yaml.MappingNode {
		text, known := d.scalar(f, inText)
		return d.typeName(f.path, text, known)
	}
	o := d.object(f.path, f.node)
	defer o.done()
	name, format := o.get("type"), o.get("format")
	if !name.given() {
		d.add(join(f.path, "type"), "is missing", `a type with a format is written {type: date, format: "%d.%m.%Y"}`)
		return kalla.Type{}
	}
	text, known := d.scalar(name, inText)
	t := d.typeName(name.path, text, known)
	if !format.given() {
		return t
	}
	t.Format = d.name(format)
	switch {
	case d.unknown(format.path) || d.unknown(name.path):
	case !t.Temporal():
		d.add(format.path, "only dates and times have a format", "leave it out, or say type: date")
	case !strings.Contains(t.Format, "%"):
		d.add(format.path, quote(t.Format)+" has no % directives", formatHint(t.Format))
	}
	return t
}

func (d *decoder) typeName(path, text string, known bool) kalla.Type {
	if !known {
		return kalla.Type{Kind: kalla.Text}
	}
	if m := decimalType.FindStringSubmatch(text); m != nil {
		p, _ := strconv.Atoi(m[1])
		s, _ := strconv.Atoi(m[2])
		if p < 1 || p > maxDigits || s > p {
			d.add(path, fmt.Sprintf("decimal(%d,%d) does not exist", p, s), fmt.Sprintf("decimal(p,s) has 1 to %d digits, s of them after the point", maxDigits))
		}
		return kalla.Type{Kind: kalla.DecimalKind, Precision: p, Scale: s}
	}
	switch t := kalla.Kind(text); t {
	case kalla.Text, kalla.Integer, kalla.Boolean, kalla.Date, kalla.Timestamp, kalla.TimestampTZ:
		return kalla.Type{Kind: t}
	}
	base, _, _ := strings.Cut(strings.ToLower(text), "(")
	switch better := typeSynonyms[strings.TrimSpace(base)]; {
	case text == "decimal":
		d.add(path, "a decimal needs its digits", "write decimal(18,2): 18 digits, 2 of them after the point")
	case text == "float":
		d.add(path, "a column is not made a binary float: it cannot hold 0.02 exactly", "write decimal(18,2)")
	case better != "":
		d.add(path, quote(text)+" is no type", "write "+better)
	default:
		d.add(path, quote(text)+" is no type", wordHint(text, typeNames))
	}
	return kalla.Type{Kind: kalla.Text}
}

// ParseTypes reads types by column as a recipe writes them, with a format
// behind a date or time: "decimal(18,2)", "date %d.%m.%Y". The paths of the faults begin with path.
func ParseTypes(path string, texts map[string]string) (map[string]kalla.Type, kalla.Faults) {
	d := newDecoder(&Document{}, false)
	out := make(map[string]kalla.Type, len(texts))
	for _, column := range slices.Sorted(maps.Keys(texts)) {
		at := join(path, column)
		word, format, formatted := strings.Cut(texts[column], " ")
		if strings.HasPrefix(word, "decimal") {
			word, formatted = texts[column], false
		}
		t := d.typeName(at, word, true)
		switch t.Format = format; {
		case !formatted:
			t.Format = ""
		case !t.Temporal():
			d.add(at, "only dates and times have a format", "write "+word)
		case !strings.Contains(format, "%"):
			d.add(at, quote(format)+" has no % directives", formatHint(format))
		}
		out[column] = t
	}
	return out, d.sorted()
}

// formatHint translates the pattern letters of spreadsheets.
func formatHint(s string) string {
	guess := strings.NewReplacer("YYYY", "%Y", "yyyy", "%Y", "YY", "%y", "yy", "%y", "MM", "%m", "DD", "%d", "dd", "%d",
		"HH", "%H", "hh", "%H", "mm", "%m", "SS", "%S", "ss", "%S").Replace(s)
	if guess != s && !strings.Contains(guess, "H%m") {
		return "write " + strconv.Quote(guess)
	}
	return `%d is the day, %m the month, %Y the year, %H:%M:%S the time: "%d.%m.%Y"`
}
