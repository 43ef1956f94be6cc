package recipe

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"kalla"
)

// Marshal writes the recipe as canonical YAML: fields in the order of the
// reference, conditions on one line, decimals in quotes. Parse and Bind of the
// result give the same recipe again.
func Marshal(r *kalla.Recipe) ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(tree(r)); err != nil {
		return nil, &kalla.Error{Code: kalla.CodeInternal, Op: "writing recipe", Where: r.ID, Err: err}
	}
	if err := enc.Close(); err != nil {
		return nil, &kalla.Error{Code: kalla.CodeInternal, Op: "writing recipe", Where: r.ID, Err: err}
	}
	return b.Bytes(), nil
}

// mapping builds a mapping node, leaving out what is empty.
type mapping struct{ node *yaml.Node }

func block() mapping { return mapping{&yaml.Node{Kind: yaml.MappingNode}} }
func flow() mapping  { return mapping{&yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}} }

func (m mapping) add(name string, value *yaml.Node) {
	if value != nil {
		m.quoteInFlow(value)
		m.node.Content = append(m.node.Content, text(name), value)
	}
}

// quoteInFlow quotes what would end a plain text inside { }.
func (m mapping) quoteInFlow(n *yaml.Node) {
	if m.node.Style == yaml.FlowStyle && n.Tag == "!!str" && n.Style == 0 && strings.ContainsAny(n.Value, ",:#[]{}'\"&*") {
		n.Style = yaml.DoubleQuotedStyle
	}
}

// text adds a text, its ${ escaped, unless it is empty.
func (m mapping) text(name, s string) {
	if s != "" {
		m.add(name, text(escape(s)))
	}
}

// verbatim adds a text in which ${ stands for itself.
func (m mapping) verbatim(name, s string) {
	if s != "" {
		m.add(name, text(s))
	}
}

func (m mapping) truth(name string, b bool) {
	if b {
		m.add(name, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"})
	}
}

func (m mapping) names(name string, names []string) { m.add(name, flowList(names)) }

func text(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	switch {
	case readsAsBlock(s):
		n.Style = yaml.LiteralStyle
	case strings.ContainsFunc(s, needsQuotes) || s != strings.TrimSpace(s) || s == "":
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// readsAsBlock reports whether a text of several lines survives a YAML block,
// whose indentation is found from the first line.
func readsAsBlock(s string) bool {
	if !strings.Contains(s, "\n") || strings.HasPrefix(s, " ") || strings.HasPrefix(s, "\n") || strings.HasSuffix(s, "\n\n") {
		return false
	}
	for line := range strings.SplitSeq(s, "\n") {
		if strings.ContainsFunc(line, needsQuotes) || strings.HasSuffix(line, " ") {
			return false
		}
	}
	return true
}

func needsQuotes(r rune) bool {
	return isControl(r) || r == '\ufeff' || r >= 0xfff0
}

func number(n int) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(n)}
}

func flowList[T ~string](items []T) *yaml.Node {
	if len(items) == 0 {
		return nil
	}
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, s := range items {
		n.Content = append(n.Content, text(escape(string(s))))
	}
	return n
}

// rows builds a list with an element a line.
func rows[T any](items []T, build func(T) *yaml.Node) *yaml.Node {
	if len(items) == 0 {
		return nil
	}
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for _, x := range items {
		n.Content = append(n.Content, build(x))
	}
	return n
}

// tree builds the recipe as a document.
func tree(r *kalla.Recipe) *yaml.Node {
	m := block()
	m.add("kalla", number(r.Version))
	m.verbatim("recipe_id", r.ID)
	m.text("name", r.Name)
	m.text("description", r.Description)
	m.add("parameters", rows(r.Parameters, parameterNode))
	sources := block()
	sources.add("left", sourceNode(r.Sources.Left))
	sources.add("right", sourceNode(r.Sources.Right))
	m.add("sources", sources.node)
	m.add("extras", rows(r.Extras, extraNode))
	m.add("match", rows(r.Match, passNode))
	m.add("compare", rows(r.Compare, compareNode))
	m.text("match_sql", r.MatchSQL)
	m.text("on_bad_key", string(r.OnBadKey))
	m.text("consistency", string(r.Consistency))
	return m.node
}

func parameterNode(p kalla.Parameter) *yaml.Node {
	m := flow()
	m.verbatim("name", p.Name)
	m.verbatim("type", p.Type)
	if p.HasDefault {
		m.add("default", text(p.Default))
	}
	m.truth("required", p.Required)
	m.verbatim("description", p.Description)
	return m.node
}

func sourceNode(s kalla.Source) *yaml.Node {
	m := block()
	m.text("alias", s.Alias)
	m.verbatim("uri", s.URI)
	m.text("source", s.Source)
	m.names("primary_key", s.PrimaryKey)
	m.truth("anchor", s.Anchor)
	m.add("filters", rows(s.Filters, filterNode))
	m.add("types", typesNode(s.Types))
	m.add("options", optionsNode(s.Options))
	if len(s.Derive) > 0 {
		d := block()
		for _, x := range s.Derive {
			d.text(x.Name, x.SQL)
		}
		m.add("derive", d.node)
	}
	return m.node
}

func extraNode(e kalla.Extra) *yaml.Node {
	m := flow()
	m.text("alias", e.Alias)
	m.verbatim("uri", e.URI)
	m.text("role", e.Role)
	m.add("types", typesNode(e.Types))
	m.add("options", optionsNode(e.Options))
	return m.node
}

func filterNode(f kalla.Filter) *yaml.Node {
	m := flow()
	m.text("column", f.Column)
	m.text("op", string(f.Op))
	switch {
	case f.Op == kalla.FilterIn || f.Op == kalla.FilterBetween:
		m.add("value", flowList(f.Values))
	case len(f.Values) > 0:
		m.add("value", text(escape(f.Values[0])))
	}
	return m.node
}

// typesNode orders the columns by name, since a map has no order.
func typesNode(types map[string]kalla.Type) *yaml.Node {
	if len(types) == 0 {
		return nil
	}
	m := flow()
	for _, name := range slices.Sorted(maps.Keys(types)) {
		t := types[name]
		word := string(t.Kind)
		if t.Kind == kalla.DecimalKind {
			word = typeName(t)
		}
		if t.Format == "" {
			m.text(name, word)
			continue
		}
		x := flow()
		x.text("type", word)
		x.text("format", t.Format)
		m.add(name, x.node)
	}
	return m.node
}

func optionsNode(options map[string]string) *yaml.Node {
	if len(options) == 0 {
		return nil
	}
	m := flow()
	for _, o := range fileOptions {
		if v, ok := options[o.name]; ok {
			m.add(o.name, text(escape(v)))
		}
	}
	return m.node
}

func passNode(p kalla.Pass) *yaml.Node {
	m := block()
	m.text("name", p.Name)
	m.text("cardinality", string(p.Cardinality))
	m.add("when", rows(p.When, conditionNode))
	m.text("sql", p.SQL)
	m.add("block", rows(p.Block, func(b kalla.Block) *yaml.Node {
		m := flow()
		m.text("left", b.Left)
		m.text("right", b.Right)
		m.text("transform", transform(b))
		return m.node
	}))
	if s := p.Sum; s != nil {
		x := flow()
		x.text("left", s.Left)
		x.text("right", s.Right)
		x.add("within", withinNode(s.Within))
		m.add("sum", x.node)
	}
	if p.Subset != nil {
		x := flow()
		x.add("max", number(p.Subset.Max))
		m.add("subset", x.node)
	}
	m.names("prefer", p.Prefer)
	m.text("on_ambiguous", string(p.OnAmbiguous))
	return m.node
}

// transform writes a block transform as a recipe does.
func transform(b kalla.Block) string {
	if b.Transform == kalla.BlockFirst || b.Transform == kalla.BlockNgram {
		return fmt.Sprintf("%s(%d)", b.Transform, b.N)
	}
	return string(b.Transform)
}

func conditionNode(c kalla.Condition) *yaml.Node {
	m := flow()
	m.text("left", c.Left)
	m.text("right", c.Right)
	m.text("op", string(c.Op))
	m.add("within", withinNode(c.Within))
	if c.Similar != nil {
		m.text("similar", c.Similar.String())
	}
	m.text("method", string(c.Method))
	m.add("normalize", flowList(c.Normalize))
	return m.node
}

func withinNode(w *kalla.Within) *yaml.Node {
	switch {
	case w == nil:
		return nil
	case w.Absolute != nil:
		return text(w.Absolute.String())
	case w.Percent != nil:
		return text(w.Percent.String() + "%")
	}
	m := flow()
	if w.Days != nil {
		m.add("days", windowNode(*w.Days))
	} else if w.Hours != nil {
		m.add("hours", windowNode(*w.Hours))
	}
	return m.node
}

func windowNode(w kalla.Window) *yaml.Node {
	if w.From == -w.To && w.To >= 0 {
		return number(w.To)
	}
	return &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle, Content: []*yaml.Node{number(w.From), number(w.To)}}
}

func compareNode(c kalla.Compare) *yaml.Node {
	m := flow()
	m.text("left", c.Left)
	m.text("right", c.Right)
	m.add("within", withinNode(c.Within))
	m.add("normalize", flowList(c.Normalize))
	return m.node
}
