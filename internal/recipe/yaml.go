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
	if err := enc.Encode(plain(d.root)); err != nil {
		return nil, &kalla.Error{Code: kalla.CodeInternal, Op: "writing recipe", Where: d.name, Err: err}
	}
	if err := enc.Close(); err != nil {
		return nil, &kalla.Error{Code: kalla.CodeInternal, Op: "writing recipe", Where: d.name, Err: err}
	}
	return b.Bytes(), nil
}

// plain copies a tree without its styles: lists of values, and the mappings in
// a list such as conditions and filters, stand on one line.
func plain(n *yaml.Node) *yaml.Node {
	n = resolve(n)
	if n.Kind == yaml.ScalarNode {
		if n.ShortTag() == "!!str" {
			return text(n.Value)
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: n.ShortTag(), Value: n.Value}
	}
	out := &yaml.Node{Kind: n.Kind}
	for _, c := range n.Content {
		out.Content = append(out.Content, plain(c))
	}
	if n.Kind == yaml.SequenceNode {
		for _, c := range append(out.Content, out) {
			if c.Kind != yaml.ScalarNode && isFlat(c) {
				c.Style = yaml.FlowStyle
				for _, value := range c.Content {
					mapping{c}.quoteInFlow(value)
				}
			}
		}
	}
	return out
}

// isFlat reports whether a node holds nothing but values of one line.
func isFlat(n *yaml.Node) bool {
	for _, c := range n.Content {
		if c.Kind != yaml.ScalarNode || c.Style == yaml.LiteralStyle {
			return false
		}
	}
	return true
}
