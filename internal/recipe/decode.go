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

// decoder turns a document into a recipe, putting in the values of parameters on the way.
type decoder struct {
	*collector
	draft     bool              // parameters may be without a value
	declared  map[string]string // type by parameter
	values    map[string]string // canonical text by parameter
	failed    map[string]bool   // parameters whose value was faulted already
	paramPath map[string]string // where each parameter is declared
	expanded  int               // bytes of values put in so far
}

func newDecoder(doc *Document, draft bool) *decoder {
	return &decoder{
		collector: newCollector(doc), draft: draft,
		declared: map[string]string{}, values: map[string]string{}, failed: map[string]bool{}, paramPath: map[string]string{},
	}
}

// field is a value of the document and where it stands.
type field struct {
	path string
	node *yaml.Node // nil when the field is not written
}

func (f field) given() bool { return f.node != nil }

// object reads the fields of a mapping and in the end reports those it was not asked for.
type object struct {
	d     *decoder
	path  string
	names []*yaml.Node
	value map[string]*yaml.Node
	known []string
}

// object opens the mapping at path. Anything else is a fault, and gives a nil
// object, of which every field is absent.
func (d *decoder) object(path string, n *yaml.Node) *object {
	if n = resolve(n); n.Kind != yaml.MappingNode {
		d.add(path, "must be a mapping of fields, this is "+describe(n), "")
		return nil
	}
	o := &object{d: d, path: path, value: make(map[string]*yaml.Node, len(n.Content)/2)}
	for i := 0; i+1 < len(n.Content); i += 2 {
		o.names = append(o.names, n.Content[i])
		o.value[n.Content[i].Value] = resolve(n.Content[i+1])
	}
	return o
}

// get returns a field. A field without a value is a fault, unless it may be null.
func (o *object) get(name string) field {
	if o == nil {
		return field{}
	}
	o.known = append(o.known, name)
	f := field{path: join(o.path, name), node: o.value[name]}
	if f.given() && isNull(f.node) {
		o.d.add(f.path, "has no value", "give it one, or leave the line out")
		f.node = nil
	}
	return f
}

// nullable returns a field for which null is another way to say absent.
func (o *object) nullable(name string) field {
	if o == nil || o.value[name] == nil || !isNull(o.value[name]) {
		return o.get(name)
	}
	o.known = append(o.known, name)
	return field{path: join(o.path, name)}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// done reports the fields that nobody asked for.
func (o *object) done() {
	if o == nil {
		return
	}
	for _, n := range o.names {
		if slices.Contains(o.known, n.Value) {
			continue
		}
		if o.d.full() {
			return
		}
		if meant := nearest(n.Value, o.known); meant != "" && o.value[meant] == nil {
			o.d.quiet[join(o.path, meant)] = true // it is not missing, only misspelt
		}
		hint := suggest(n.Value, o.known, "the fields here are")
		if n.Value == "<<" {
			hint = "write the fields out: YAML merge keys are not part of the format"
		}
		o.d.add(join(o.path, n.Value), "unknown field "+quote(n.Value), hint)
	}
}

// Lists are bounded so that no check of all against all takes long.
const (
	maxList   = 1000
	maxPasses = 100
)

// list returns the elements of a list field.
func (o *object) list(name, example string) []field {
	return o.d.elements(o.get(name), example, maxList)
}

func (d *decoder) elements(f field, example string, most int) []field {
	if !f.given() {
		return nil
	}
	if f.node.Kind != yaml.SequenceNode {
		d.add(f.path, "must be a list, this is "+describe(f.node), "write it like "+example)
		return nil
	}
	if len(f.node.Content) == 0 {
		d.add(f.path, "is an empty list", "fill it, or leave the field out")
	}
	if n := len(f.node.Content); n > most {
		d.add(f.path, fmt.Sprintf("has %d elements; the limit is %d", n, most), "")
		return nil
	}
	out := make([]field, len(f.node.Content))
	for i, n := range f.node.Content {
		out[i] = field{item(f.path, i), resolve(n)}
	}
	return out
}

// entries returns the fields of a mapping with free names, in order.
func (d *decoder) entries(f field, example string) (names []string, values []field) {
	if !f.given() {
		return nil, nil
	}
	if f.node.Kind != yaml.MappingNode {
		d.add(f.path, "must be a mapping of names, this is "+describe(f.node), "write it like "+example)
		return nil, nil
	}
	if len(f.node.Content) == 0 {
		d.add(f.path, "is empty", "fill it, or leave the field out")
	}
	if n := len(f.node.Content) / 2; n > maxList {
		d.add(f.path, fmt.Sprintf("has %d names; the limit is %d", n, maxList), "")
		return nil, nil
	}
	for i := 0; i+1 < len(f.node.Content); i += 2 {
		name := f.node.Content[i].Value
		path := join(f.path, name)
		if why := badName(name); why != "" {
			d.add(path, "the name "+quote(name)+" "+why, "")
		}
		names = append(names, name)
		values = append(values, field{path, resolve(f.node.Content[i+1])})
	}
	return names, values
}

// badName says why a text cannot name anything, or "".
func badName(s string) string {
	switch {
	case strings.TrimSpace(s) == "":
		return "is empty"
	case strings.ContainsFunc(s, isControl):
		return "holds control characters"
	case len(s) > maxKeyLen:
		return fmt.Sprintf("is longer than %d bytes", maxKeyLen)
	}
	return ""
}

func isControl(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029'
}

// context is how parameters go into a scalar.
type context int

const (
	inText    context = iota // their text
	inSQL                    // a typed literal
	inURI                    // their text; any other ${NAME} stays
	inLiteral                // not at all
)

// scalar returns the text of a scalar with the parameters put in. Known is
// false where the value is faulty or hangs on a parameter without a value; the text
// then still holds the reference.
func (d *decoder) scalar(f field, in context) (text string, known bool) {
	if f.node.Kind != yaml.ScalarNode {
		d.add(f.path, "must be a single value, this is "+describe(f.node), "")
		return "", false
	}
	if isNull(f.node) {
		d.add(f.path, "has no value", "give it one, or leave it out")
		return "", false
	}
	text = f.node.Value
	if strings.ContainsRune(text, 0) {
		d.add(f.path, "holds a NUL character", "remove it")
		return "", false
	}
	if in == inLiteral || !strings.Contains(text, "${") {
		return text, true
	}
	e := &expansion{decoder: d, path: f.path}
	text, err := e.expand(text, in)
	if err != nil {
		hint := "a parameter is written ${name}; write $${ for a plain ${"
		if in == inSQL {
			hint = "a parameter stands for a whole value in SQL: write ${name} without quotes, apart from other text; write $${ for a plain ${"
		}
		d.add(f.path, err.Error(), hint)
	}
	return text, !e.open && !d.unknown(f.path)
}

// expansion puts the values of parameters into one scalar.
type expansion struct {
	*decoder
	path string
	open bool // a parameter has no value
}

// expand leaves references to parameters without a value as they are.
func (e *expansion) expand(text string, in context) (string, error) {
	switch in {
	case inURI:
		return expandURI(text, func(name string) (string, bool) {
			if _, ok := e.declared[name]; !ok {
				return "", false
			}
			value, ok := e.lookup(name)
			if strings.Contains(value, "$") {
				e.add(e.path, "the value of parameter "+name+" holds a $, which stands for an environment variable in a URI", "")
			}
			return value, ok
		}), nil
	case inSQL:
		return expandSQL(text, func(name string) string {
			if value, ok := e.lookup(name); ok {
				return sqlLiteral(e.declared[name], value)
			}
			return "${" + name + "}"
		})
	}
	parts, err := pieces(text)
	if err != nil {
		return text, err
	}
	var b strings.Builder
	for _, p := range parts {
		if p.name == "" {
			b.WriteString(p.text)
		} else if value, ok := e.lookup(p.name); ok {
			b.WriteString(value)
		} else {
			b.WriteString("${" + p.name + "}")
		}
	}
	return b.String(), nil
}

// lookup returns the value of a parameter. All values together are bounded,
// lest a long value in many places fill the memory.
func (e *expansion) lookup(name string) (string, bool) {
	value, ok := e.values[name]
	if !ok {
		e.open = true
		e.missing(e.path, name)
		return "", false
	}
	if e.expanded += len(value); e.expanded > MaxSize {
		e.add(e.path, fmt.Sprintf("the values of parameters come to more than %d bytes here", MaxSize), "shorten the values")
		return "", true
	}
	return value, true
}

// missing deals with a reference to a parameter that has no value.
func (d *decoder) missing(path, name string) {
	if d.at[path] {
		return // one reference without a value is enough
	}
	_, declared := d.declared[name]
	switch {
	case !declared:
		hint := nearest(name, slices.Sorted(maps.Keys(d.declared)))
		if hint != "" {
			hint = "did you mean ${" + hint + "}?"
		} else {
			hint = "declare it: parameters: [{name: " + name + ", type: text}]; write $${ for a plain ${"
		}
		d.add(path, "there is no parameter "+name, hint)
	case !d.draft && !d.failed[name]:
		d.add(path, "parameter "+name+" has no value", "pass one (--param "+name+"=…), or give it a default")
	default:
		d.quiet[path] = true
	}
}

// text reads a field that is a text; numbers and booleans must be quoted, lest
// 007 and no mean something else to another reader of the file.
func (d *decoder) text(f field, in context) string {
	if !f.given() {
		return ""
	}
	if f.node.Kind == yaml.ScalarNode && !isNull(f.node) {
		switch f.node.ShortTag() {
		case "!!int", "!!float", "!!bool":
			d.add(f.path, "must be text, this is "+describe(f.node), "put it in quotes: "+quote(f.node.Value))
			return f.node.Value
		}
	}
	s, known := d.scalar(f, in)
	if known && strings.TrimSpace(s) == "" {
		d.add(f.path, "is empty", "give it a value, or leave the line out")
	}
	return s
}

// name reads a text that names something: one line, no control characters.
func (o *object) name(name string) string { return o.d.name(o.get(name)) }

func (d *decoder) name(f field) string {
	s := d.text(f, inText)
	if f.given() && !d.unknown(f.path) {
		if why := badName(s); why != "" {
			d.add(f.path, why, "")
		}
	}
	return s
}

// nameList reads a list of names.
func (o *object) nameList(name, example string) []string {
	var out []string
	for _, f := range o.list(name, example) {
		out = append(out, o.d.name(f))
	}
	return out
}

// oneOf reads a word of a closed set.
func oneOf[T ~string](d *decoder, f field, words []T) T {
	if !f.given() {
		return ""
	}
	s, known := d.scalar(f, inText)
	if known && !slices.Contains(words, T(s)) {
		d.add(f.path, quote(s)+" is not known here", wordHint(s, words))
	}
	return T(s)
}

// synonyms are words of other systems.
var synonyms = map[string]string{
	"=": "eq", "==": "eq", "equal": "eq", "equals": "eq", "is": "eq", "!=": "neq", "<>": "neq", "ne": "neq", "not": "neq",
	">": "gt", ">=": "gte", "ge": "gte", "<": "lt", "<=": "lte", "le": "lte", "null": "is_null", "is_not_null": "not_null",
	"starts_with": "has_prefix", "startswith": "has_prefix", "prefix": "has_prefix", "lower": "upper", "lowercase": "upper", "uppercase": "upper",
	"strip": "trim", "jaro": "jaro_winkler", "gz": "gzip",
}

func wordHint[T ~string](s string, words []T) string {
	if w := synonyms[strings.ToLower(s)]; slices.Contains(words, T(w)) {
		return "write " + w
	}
	if n := nearest(s, words); n != "" {
		return "did you mean " + n + "?"
	}
	return "it is " + list(words, "or")
}

var integerText = regexp.MustCompile(`^-?(?:0|[1-9][0-9]{0,40})$`)

// integer reads a whole number between low and high.
func (d *decoder) integer(f field, low, high int) int {
	if !f.given() {
		return 0
	}
	s, known := d.scalar(f, inText)
	if !known {
		return low
	}
	if !integerText.MatchString(s) || !d.plain(f, "!!int", "!!float") {
		d.add(f.path, "must be a whole number, this is "+describeValue(f.node, s), "")
		return low
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		d.add(f.path, s+" is out of range", fmt.Sprintf("it is from %d to %d", low, high))
		return low
	}
	return n
}

// boolean reads true or false.
func (d *decoder) boolean(f field) bool {
	if !f.given() {
		return false
	}
	s, known := d.scalar(f, inText)
	if known && (s != "true" && s != "false" || !d.plain(f, "!!bool")) {
		d.add(f.path, "must be true or false, this is "+describeValue(f.node, s), "")
	}
	return s == "true"
}

// plain reports whether a value was written as one of the YAML types, or came from a parameter.
func (d *decoder) plain(f field, tags ...string) bool {
	return slices.Contains(tags, f.node.ShortTag()) || strings.Contains(f.node.Value, "${")
}

// describeValue is describe for the text that came out of a scalar.
func describeValue(n *yaml.Node, s string) string {
	if strings.Contains(n.Value, "${") {
		return quote(n.Value) + " = " + quote(s)
	}
	return describe(n)
}

// decimal reads an exact number, with or without quotes.
func (d *decoder) decimal(f field) kalla.Decimal {
	s, known := d.scalar(f, inText)
	if !known {
		return kalla.Decimal{}
	}
	n, ok := parseDecimal(strings.TrimSpace(s))
	if !ok {
		d.add(f.path, "is no decimal number of at most 38 digits: "+quote(s), decimalHint(s))
	}
	return n
}

// decimalHint guesses which number was meant.
func decimalHint(s string) string {
	if n, ok := decimalWithComma(s); ok {
		return "write the decimals with a point: " + n.String()
	}
	return parameterHint(typeDecimal)
}

func decimalWithComma(s string) (kalla.Decimal, bool) {
	return parseDecimal(strings.Replace(strings.TrimSpace(s), ",", ".", 1))
}
