package infer

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"kalla"
	"kalla/internal/recipe"
)

// YAML writes the recipe with its evidence as comments above the lines that it
// justifies. It parses and validates.
func (p *Proposal) YAML() ([]byte, error) {
	data, err := recipe.Marshal(p.Recipe)
	if err != nil {
		return nil, err
	}
	fail := func(err error) error {
		return &kalla.Error{Code: kalla.CodeInternal, Op: "writing drafted recipe", Where: p.Recipe.ID, Err: err}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fail(err)
	}
	for _, e := range p.Evidence {
		n := find(doc.Content[0], e.Path)
		if n == nil {
			return nil, fail(fmt.Errorf("the recipe has no field %s", e.Path))
		}
		if n.HeadComment != "" {
			n.HeadComment += "\n"
		}
		n.HeadComment += e.comment()
	}
	doc.HeadComment = fmt.Sprintf("Drafted from the data: matches %s of %s %s and %s of %s %s.\nCheck it against what you know: numbers say what is usual, not what is right.",
		count(p.Left.Matched), count(p.Left.Total), p.Recipe.Sources.Left.Alias, count(p.Right.Matched), count(p.Right.Total), p.Recipe.Sources.Right.Alias)
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return nil, fail(err)
	}
	if err := enc.Close(); err != nil {
		return nil, fail(err)
	}
	return b.Bytes(), nil
}

// comment is the evidence as lines of a comment. Values of records may hold anything, so control characters are escaped.
func (e Evidence) comment() string {
	lines := []string{"# " + oneLine(e.What) + ": " + oneLine(e.Support)}
	for _, c := range e.CounterExamples {
		lines = append(lines, "#   but "+oneLine(c))
	}
	return strings.Join(lines, "\n")
}

func oneLine(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strconv.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}

var step = regexp.MustCompile(`[^.\[\]]+|\[\d+\]`)

// find returns the node that a path names: the key of a field, or the element of a list.
func find(n *yaml.Node, path string) *yaml.Node {
	var key *yaml.Node
	for _, s := range step.FindAllString(path, -1) {
		if i, err := strconv.Atoi(strings.Trim(s, "[]")); err == nil && strings.HasPrefix(s, "[") {
			if n.Kind != yaml.SequenceNode || i >= len(n.Content) {
				return nil
			}
			n, key = n.Content[i], n.Content[i]
			continue
		}
		found := false
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == s {
				key, n, found = n.Content[i], n.Content[i+1], true
				break
			}
		}
		if !found {
			return nil
		}
	}
	return key
}
