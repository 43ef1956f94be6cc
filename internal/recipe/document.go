package recipe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"kalla"
)

// MaxSize is the size of the largest recipe that Parse reads, in bytes.
const MaxSize = 1 << 20

const (
	maxDepth  = 16      // levels of nesting; the format needs seven
	maxNodes  = 100_000 // values after aliases are expanded
	maxKeyLen = 256     // bytes of a field name or column name
)

// Document is a recipe as written, with the position of every value. It is
// not changed after Parse and may be used by several goroutines.
type Document struct {
	name string
	root *yaml.Node // the top-level mapping
}

// Parse reads one recipe, as YAML or JSON. The name (usually the file's) is
// what errors call it. Parse reports what keeps the text from being read at
// all: syntax, size, several documents, repeated fields. What the fields hold
// is the business of Validate and Bind.
//
// The error is a *kalla.Error of class recipe that wraps kalla.Faults.
func Parse(data []byte, name string) (*Document, error) {
	root, faults := parse(data)
	if len(faults) > 0 {
		return nil, failure("reading recipe", name, faults)
	}
	return &Document{name: name, root: root}, nil
}

// Name returns the name that the document was parsed under.
func (d *Document) Name() string { return d.name }

func failure(op, name string, faults kalla.Faults) error {
	return &kalla.Error{Code: kalla.CodeRecipe, Op: op, Where: name, Err: faults}
}

func parse(data []byte) (*yaml.Node, kalla.Faults) {
	one := func(line int, problem, hint string) kalla.Faults {
		return kalla.Faults{{Line: line, Problem: problem, Hint: hint}}
	}
	if len(data) > MaxSize {
		return nil, one(0, fmt.Sprintf("the recipe is %d bytes long; the limit is %d", len(data), MaxSize),
			"a recipe holds rules, not records: put reference data in a file and name it under extras")
	}
	if !utf8.Valid(data) && !bytes.HasPrefix(data, []byte{0xff, 0xfe}) && !bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return nil, one(invalidLine(data), "the text is not UTF-8", "save the recipe as UTF-8")
	}
	data = yamlEscapes(data)
	text, shielded := shield(data)
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, one(0, "the recipe is empty", "start with kalla: 1")
		}
		return nil, kalla.Faults{syntaxFault(err, data)}
	}
	var second yaml.Node
	if err := dec.Decode(&second); err == nil {
		return nil, one(second.Line, "a second document begins here", "write one recipe a file")
	} else if !errors.Is(err, io.EOF) {
		return nil, kalla.Faults{syntaxFault(err, data)}
	}
	if len(doc.Content) != 1 {
		return nil, one(0, "the recipe is empty", "start with kalla: 1")
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, kalla.Faults{{Line: root.Line, Column: root.Column,
			Problem: "a recipe is a mapping of fields, this is " + describe(root), Hint: "start with kalla: 1"}}
	}
	if shielded {
		unshield(&doc)
	}
	if f := (&inspector{open: map[*yaml.Node]bool{}}).inspect(root); len(f) > 0 {
		return nil, f
	}
	return root, nil
}

// invalidLine returns the line of the first byte that is not UTF-8.
func invalidLine(data []byte) int {
	line := 1
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		if r == utf8.RuneError && n == 1 {
			break
		}
		if r == '\n' {
			line++
		}
		data = data[n:]
	}
	return line
}

var jsonEscape = regexp.MustCompile(`\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|.)`)

// yamlEscapes rewrites the two escapes of JSON that the YAML reader does not know: the
// pair that spells a character beyond U+FFFF ("\ud83d\ude00"), and "\/".
func yamlEscapes(data []byte) []byte {
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) || !bytes.Contains(data, []byte(`\`)) {
		return data
	}
	return jsonEscape.ReplaceAllFunc(data, func(m []byte) []byte {
		if string(m) == `\/` {
			return []byte("/")
		}
		if len(m) != 12 {
			return m
		}
		hi, _ := strconv.ParseUint(string(m[2:6]), 16, 32)
		lo, _ := strconv.ParseUint(string(m[8:12]), 16, 32)
		return fmt.Appendf(nil, `\U%08X`, 0x10000+(hi-0xd800)<<10+(lo-0xdc00))
	})
}

// The braces of a reference to a parameter end a plain text inside { } and
// [ ]. While YAML is read they are therefore other characters, as many as they
// are themselves, so that {value: ${start}} means what it seems to.
const shieldOpen, shieldClose = "\ue000\ue001", "\ue002"

var unquotedReference = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

var shieldInUse = regexp.MustCompile(`[\x{e000}-\x{e002}]|\\(?i:u|u0000)(?i:e00[0-2])`)

// shield reports false when the text holds those characters itself; references inside { } must be quoted then.
func shield(data []byte) ([]byte, bool) {
	if !bytes.Contains(data, []byte("${")) || shieldInUse.Match(data) {
		return data, false
	}
	return unquotedReference.ReplaceAll(data, []byte(shieldOpen+"${1}"+shieldClose)), true
}

func unshield(n *yaml.Node) {
	if strings.Contains(n.Value, shieldOpen) {
		n.Value = strings.NewReplacer(shieldOpen, "${", shieldClose, "}").Replace(n.Value)
	}
	for _, c := range n.Content {
		unshield(c)
	}
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)$`)

// zeroBased matches the errors of the YAML reader whose lines count from 0:
// those of its parser, as against its scanner.
var zeroBased = regexp.MustCompile(`did not find expected (key|node content|'-' indicator|',' or '[\]}]'|<)`)

// syntaxFault puts an error of the YAML reader into words.
func syntaxFault(err error, data []byte) kalla.Fault {
	text := strings.ReplaceAll(err.Error(), "\n", " ")
	m := yamlLine.FindStringSubmatch(text)
	line, _ := strconv.Atoi(m[1])
	if line > 0 && zeroBased.MatchString(m[2]) {
		line++
	}
	f := kalla.Fault{Line: line, Problem: "cannot be read as YAML: " + m[2]}
	switch {
	case strings.Contains(text, "cannot start any token"):
		f.Hint = "indent with spaces, not tabs, and put values that begin with a special character (@, %, `) in quotes"
	case strings.Contains(text, "mapping values are not allowed"):
		f.Hint = `a value that holds ": " must stand in quotes`
	case strings.Contains(text, "did not find expected"):
		f.Hint = "check the indentation and the brackets, braces and quotes on this line and the one before"
	case strings.Contains(text, "could not find expected ':'"):
		f.Hint = `every field is written "name: value"`
	case strings.Contains(text, "unknown anchor"):
		f.Hint = `a value that begins with * must stand in quotes`
	}
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		f.Problem = "cannot be read as JSON or YAML: " + m[2]
	}
	return f
}

// inspector makes sure that a tree is bounded and that no field is given twice.
type inspector struct {
	nodes  int
	open   map[*yaml.Node]bool // the nodes between the root and here, to find cycles
	faults kalla.Faults
}

func (in *inspector) inspect(root *yaml.Node) kalla.Faults {
	in.walk(root, 0)
	sortFaults(in.faults)
	return in.faults
}

// walk returns false when there is no sense in going on.
func (in *inspector) walk(n *yaml.Node, depth int) bool {
	stop := func(problem, hint string) bool {
		in.faults = append(in.faults, kalla.Fault{Line: n.Line, Column: n.Column, Problem: problem, Hint: hint})
		return false
	}
	if in.nodes++; in.nodes > maxNodes {
		return stop(fmt.Sprintf("the recipe holds more than %d values, aliases expanded", maxNodes), "a recipe holds rules, not records")
	}
	if depth > maxDepth {
		return stop(fmt.Sprintf("more than %d levels of nesting", maxDepth), "check the indentation")
	}
	if in.open[n] {
		return stop("an alias that contains itself", "write the value out")
	}
	in.open[n] = true
	defer delete(in.open, n)
	if n.Style&yaml.TaggedStyle != 0 && n.ShortTag() != "!!str" {
		return stop("a YAML tag ("+quote(n.Tag)+") has no meaning in a recipe", "leave the tag out")
	}
	if n.Kind == yaml.AliasNode {
		return in.walk(n.Alias, depth)
	}
	if n.Kind == yaml.MappingNode && !in.keys(n) {
		return false
	}
	for _, c := range n.Content {
		if !in.walk(c, depth+1) {
			return false
		}
	}
	return true
}

// keys reports fields that are given twice or are no names.
func (in *inspector) keys(n *yaml.Node) bool {
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		f := kalla.Fault{Line: k.Line, Column: k.Column}
		line, again := first[k.Value]
		switch {
		case k.Kind != yaml.ScalarNode:
			f.Problem = "a field name must be plain text, this is " + describe(k)
			f.Hint = "values that begin with {, [, * or & must stand in quotes"
		case len(k.Value) > maxKeyLen:
			f.Problem = fmt.Sprintf("a name of %d bytes; the limit is %d", len(k.Value), maxKeyLen)
		case again:
			f.Problem = fmt.Sprintf("%s is given twice, first on line %d", quote(k.Value), line)
			f.Hint = "keep one of them"
		default:
			first[k.Value] = k.Line
			continue
		}
		if in.faults = append(in.faults, f); len(in.faults) >= maxFaults {
			return false
		}
	}
	return true
}

// describe names the kind of a node as people say it.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!bool":
		return "the boolean " + quote(n.Value)
	case "!!int", "!!float":
		return "the number " + quote(n.Value)
	}
	return "the text " + quote(n.Value)
}
