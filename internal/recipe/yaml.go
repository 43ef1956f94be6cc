package recipe

import (
	"bytes"

	"go.yaml.in/yaml/v3"

	"kalla"
)

// YAML returns the document as YAML in the order in which it is written,
// parameters unbound: what people read of a recipe that came as JSON. Comments are lost.
func (d *Document) YAML() ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(plain(d.root, false)); err != nil {
		return nil, &kalla.Error{Code: kalla.CodeInternal, Op: "writing recipe", Where: d.name, Err: err}
	}
	if err := enc.Close(); err != nil {
		return nil, &kalla.Error{Code: kalla.CodeInternal, Op: "writing recipe", Where: d.name, Err: err}
	}
	return b.Bytes(), nil
}

// lineWidth is what a mapping may take to stand on one line, without its indentation.
const lineWidth = 120

// plain copies a tree without its styles: what people keep on one line stands
// on one line (lists of values, conditions and filters with all that is in
// them, types), so that a change of a form does not touch the lines around it.
func plain(n *yaml.Node, inList bool) *yaml.Node {
	n = resolve(n)
	if n.Kind == yaml.ScalarNode {
		if n.ShortTag() == "!!str" {
			return text(n.Value)
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: n.ShortTag(), Value: n.Value}
	}
	out := &yaml.Node{Kind: n.Kind}
	for _, c := range n.Content {
		out.Content = append(out.Content, plain(c, inList || n.Kind == yaml.SequenceNode))
	}
	if isOneLine(out, inList) {
		out.Style = yaml.FlowStyle
		for _, value := range out.Content {
			mapping{out}.quoteInFlow(value)
		}
	}
	return out
}

// isOneLine reports whether a list holds values only; whether a mapping does
// and is not too wide, or, in a list, holds nothing but what is on one line.
func isOneLine(n *yaml.Node, inList bool) bool {
	width := 0
	for _, c := range n.Content {
		line := c.Kind == yaml.ScalarNode && c.Style != yaml.LiteralStyle
		if n.Kind == yaml.MappingNode && inList {
			line = line || c.Style == yaml.FlowStyle
		}
		if !line {
			return false
		}
		width += widthOf(c)
	}
	return n.Kind == yaml.SequenceNode || width <= lineWidth
}

// widthOf returns the columns that a node takes on a line, roughly.
func widthOf(n *yaml.Node) int {
	width := len(n.Value) + len(", ")
	for _, c := range n.Content {
		width += widthOf(c)
	}
	return width
}
