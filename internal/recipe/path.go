package recipe

import (
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"kalla"
)

// A path names a field: "match[0].when[1].within", `types["a b"]`.

var simpleKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// join returns the path of field key below path.
func join(path, key string) string {
	switch {
	case !simpleKey.MatchString(key):
		return path + "[" + strconv.Quote(key) + "]"
	case path == "":
		return key
	}
	return path + "." + key
}

// item returns the path of element i of the list at path.
func item(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// step is one part of a path: a key, or an index when key is unset.
type step struct {
	key   string
	index int
	isKey bool
}

func steps(path string) []step {
	var out []step
	for path != "" {
		switch {
		case strings.HasPrefix(path, `["`):
			quoted, err := strconv.QuotedPrefix(path[1:])
			if err != nil {
				return out
			}
			key, _ := strconv.Unquote(quoted)
			out = append(out, step{key: key, isKey: true})
			path = strings.TrimPrefix(path[1+len(quoted):], "]")
		case path[0] == '[':
			number, rest, _ := strings.Cut(path[1:], "]")
			i, err := strconv.Atoi(number)
			if err != nil {
				return out
			}
			out = append(out, step{index: i})
			path = rest
		default:
			path = strings.TrimPrefix(path, ".")
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			out = append(out, step{key: path[:end], isKey: true})
			path = path[end:]
		}
	}
	return out
}

// position returns the line and column of the field at path, or of the nearest
// field around it that is written. A mapping or list is where its name stands.
func (d *Document) position(path string) (line, column int) {
	if d == nil || d.root == nil {
		return 0, 0
	}
	at, n := d.root, resolve(d.root)
	for _, s := range steps(path) {
		name, value := child(n, s)
		if value == nil {
			break
		}
		n = resolve(value)
		if at = value; name != nil && n.Kind != yaml.ScalarNode {
			at = name
		}
	}
	return at.Line, at.Column
}

// child returns the value that step leads to, and its name where it has one.
func child(n *yaml.Node, s step) (name, value *yaml.Node) {
	if !s.isKey {
		if n.Kind == yaml.SequenceNode && s.index >= 0 && s.index < len(n.Content) {
			return nil, n.Content[s.index]
		}
		return nil, nil
	}
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == s.key {
				return n.Content[i], n.Content[i+1]
			}
		}
	}
	return nil, nil
}

// resolve follows an alias; Parse has made sure that there are no cycles.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// Fault is a fault of the field at path, with its line and column in the
// document, for checks that other packages make. The document may be nil.
func (d *Document) Fault(path, problem, hint string) kalla.Fault {
	line, column := d.position(path)
	return kalla.Fault{Path: path, Line: line, Column: column, Problem: problem, Hint: hint}
}
