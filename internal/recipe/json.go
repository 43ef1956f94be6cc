package recipe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"kalla"
)

// JSON writes the recipe in the same format as Marshal, as compact JSON. The
// order of fields matters in derive:, so it is to be stored as text, not in a
// form that sorts fields.
func JSON(r *kalla.Recipe) ([]byte, error) {
	b, err := appendJSON(nil, tree(r))
	if err != nil {
		return nil, &kalla.Error{Code: kalla.CodeInternal, Op: "writing recipe", Where: r.ID, Err: err}
	}
	return b, nil
}

// JSON returns the document as it is written, parameters unbound, as compact
// JSON: what a JSON Schema validator or a browser takes. Comments are lost.
func (d *Document) JSON() ([]byte, error) {
	b, err := appendJSON(nil, d.root)
	if err != nil {
		return nil, &kalla.Error{Code: kalla.CodeInternal, Op: "writing recipe", Where: d.name, Err: err}
	}
	return b, nil
}

var jsonNumber = regexp.MustCompile(`^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$`)

func appendJSON(b []byte, n *yaml.Node) ([]byte, error) {
	n = resolve(n)
	var err error
	switch n.Kind {
	case yaml.MappingNode:
		b = append(b, '{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendString(b, n.Content[i].Value); err != nil {
				return nil, err
			}
			if b, err = appendJSON(append(b, ':'), n.Content[i+1]); err != nil {
				return nil, err
			}
		}
		return append(b, '}'), nil
	case yaml.SequenceNode:
		b = append(b, '[')
		for i, c := range n.Content {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendJSON(b, c); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	}
	switch tag := n.ShortTag(); {
	case tag == "!!null":
		return append(b, "null"...), nil
	case tag == "!!bool" && (n.Value == "true" || n.Value == "false"),
		(tag == "!!int" || tag == "!!float") && jsonNumber.MatchString(n.Value):
		return append(b, n.Value...), nil
	}
	return appendString(b, n.Value)
}

// appendString writes a JSON string that the YAML reader takes too: JSON leaves
// some characters as they are that YAML wants escaped.
func appendString(b []byte, s string) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return nil, err
	}
	for _, r := range string(bytes.TrimSuffix(buf.Bytes(), []byte("\n"))) {
		if isControl(r) || needsQuotes(r) && r <= 0xffff {
			b = fmt.Appendf(b, `\u%04x`, r)
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return b, nil
}
