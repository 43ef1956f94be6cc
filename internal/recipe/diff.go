package recipe

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"kalla"
)

// Change is one difference between two versions of a recipe.
type Change struct {
	Path   string `json:"path"`             // the field in the newer version, in the older if it is gone
	Where  string `json:"where,omitempty"`  // the part it belongs to: `pass "part payments"`; empty for the recipe as a whole
	What   string `json:"what"`             // what changed: "tolerance of amount"
	Before string `json:"before,omitempty"` // empty when the thing is new
	After  string `json:"after,omitempty"`  // empty when the thing is gone
}

// String returns the change in one line: `pass "part payments": tolerance of amount 0.02 → 0.05`.
func (c Change) String() string {
	s := c.What
	if c.Where != "" {
		s = c.Where + ": " + s
	}
	switch {
	case c.Before == "" && c.After == "":
		return s
	case c.Before == "":
		return s + " added: " + c.After
	case c.After == "":
		return s + " removed: " + c.Before
	}
	return s + " " + c.Before + " → " + c.After
}

// Diff says what changed from recipe a to recipe b, in the terms of the
// recipe; what is written differently and means the same is no change. Credentials are masked.
func Diff(a, b *kalla.Recipe) []Change {
	a, b = Redact(a), Redact(b)
	d := &differ{is: newExplainer(b)}
	d.value("recipe_id", "", "recipe id", a.ID, b.ID)
	d.value("name", "", "name", a.Name, b.Name)
	d.value("description", "", "description", a.Description, b.Description)
	d.parameters(a.Parameters, b.Parameters)
	d.source("sources.left", "left source", a.Sources.Left, b.Sources.Left)
	d.source("sources.right", "right source", a.Sources.Right, b.Sources.Right)
	d.extras(a.Extras, b.Extras)
	d.passes(a.Match, b.Match)
	d.value("match_sql", "", "match_sql", oneLine(a.MatchSQL), oneLine(b.MatchSQL))
	d.compare(a.Compare, b.Compare)
	d.value("on_bad_key", "", "on_bad_key", orDefault(a.OnBadKey, kalla.ReportBadKeys), orDefault(b.OnBadKey, kalla.ReportBadKeys))
	d.value("consistency", "", "consistency", orDefault(a.Consistency, kalla.AnyConsistency), orDefault(b.Consistency, kalla.AnyConsistency))
	return d.out
}

func orDefault[T ~string](x, def T) string {
	if x == "" {
		x = def
	}
	return string(x)
}

type differ struct {
	is  *explainer // words for both versions, in the nouns of the newer
	out []Change
}

func (d *differ) value(path, where, what, before, after string) {
	if before != after {
		d.out = append(d.out, Change{path, where, what, before, after})
	}
}

// keyed is an element of a list, named so that versions of it are recognised.
type keyed[T any] struct {
	key  string
	path string
	item T
}

// index names the elements of a list; those of one name are told apart by number.
func index[T any](path string, items []T, key func(T) string) []keyed[T] {
	out := make([]keyed[T], len(items))
	seen := map[string]int{}
	for i, x := range items {
		k := key(x)
		seen[k]++
		out[i] = keyed[T]{fmt.Sprintf("%s\x00%d", k, seen[k]), item(path, i), x}
	}
	return out
}

// match pairs the elements of two lists: both sides of a pair, or one that has none.
func match[T any](a, b []keyed[T], both func(a, b keyed[T]), gone, added func(keyed[T])) {
	inA := map[string]keyed[T]{}
	for _, x := range a {
		inA[x.key] = x
	}
	inB := map[string]bool{}
	for _, y := range b {
		inB[y.key] = true
	}
	for _, x := range a {
		if !inB[x.key] {
			gone(x)
		}
	}
	for _, y := range b {
		if x, ok := inA[y.key]; ok {
			both(x, y)
		} else {
			added(y)
		}
	}
}

// reordered reports the order of the elements that both lists have, where it differs.
func reordered[T any](d *differ, path, where, what string, a, b []keyed[T], label func(T) string) {
	pick := func(from, other []keyed[T]) (keys, labels []string) {
		for _, x := range from {
			if slices.ContainsFunc(other, func(y keyed[T]) bool { return y.key == x.key }) {
				keys, labels = append(keys, x.key), append(labels, label(x.item))
			}
		}
		return keys, labels
	}
	before, old := pick(a, b)
	after, now := pick(b, a)
	if !slices.Equal(before, after) {
		d.value(path, where, what, strings.Join(old, ", "), strings.Join(now, ", "))
	}
}

func (d *differ) parameters(a, b []kalla.Parameter) {
	key := func(p kalla.Parameter) string { return p.Name }
	words := func(p kalla.Parameter) string {
		s := p.Type
		if p.Required {
			s += ", required"
		}
		if p.HasDefault {
			s += ", default " + quote(p.Default)
		}
		return s
	}
	match(index("parameters", a, key), index("parameters", b, key),
		func(x, y keyed[kalla.Parameter]) {
			d.value(y.path, "", "parameter "+y.item.Name, words(x.item), words(y.item))
			d.value(join(y.path, "description"), "parameter "+y.item.Name, "description", x.item.Description, y.item.Description)
		},
		func(x keyed[kalla.Parameter]) { d.value(x.path, "", "parameter "+x.item.Name, words(x.item), "") },
		func(y keyed[kalla.Parameter]) { d.value(y.path, "", "parameter "+y.item.Name, "", words(y.item)) })
}

func (d *differ) source(path, where string, a, b kalla.Source) {
	yes := map[bool]string{true: "yes", false: "no"}
	d.value(join(path, "alias"), where, "alias", a.Alias, b.Alias)
	d.value(path, where, "place", place(a), place(b))
	d.value(join(path, "primary_key"), where, "primary key", strings.Join(a.PrimaryKey, ", "), strings.Join(b.PrimaryKey, ", "))
	d.value(join(path, "anchor"), where, "anchor", yes[a.Anchor], yes[b.Anchor])
	filters := join(path, "filters")
	key := func(f kalla.Filter) string { return f.Column + "\x00" + string(f.Op) }
	match(index(filters, a.Filters, key), index(filters, b.Filters, key),
		func(x, y keyed[kalla.Filter]) {
			d.value(y.path, where, "filter", filterPhrase(x.item), filterPhrase(y.item))
		},
		func(x keyed[kalla.Filter]) { d.value(x.path, where, "filter", filterPhrase(x.item), "") },
		func(y keyed[kalla.Filter]) { d.value(y.path, where, "filter", "", filterPhrase(y.item)) })
	d.words(join(path, "types"), where, "type of ", typeWords(a.Types), typeWords(b.Types))
	d.words(join(path, "options"), where, "option ", quoted(a.Options), quoted(b.Options))
	d.derive(join(path, "derive"), where, a.Derive, b.Derive)
}

// words compares two mappings of names to words.
func (d *differ) words(path, where, what string, a, b map[string]string) {
	names := maps.Clone(a)
	if names == nil {
		names = map[string]string{}
	}
	maps.Copy(names, b)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		d.value(join(path, name), where, what+name, a[name], b[name])
	}
}

func typeWords(types map[string]kalla.Type) map[string]string {
	out := map[string]string{}
	for name, t := range types {
		out[name] = typeName(t)
		if t.Format != "" {
			out[name] += " written " + t.Format
		}
	}
	return out
}

// quoted makes the values of options visible: a space, a tab, nothing.
func quoted(options map[string]string) map[string]string {
	out := map[string]string{}
	for name, v := range options {
		out[name] = quote(v)
	}
	return out
}

func (d *differ) derive(path, where string, a, b []kalla.Derived) {
	key := func(x kalla.Derived) string { return x.Name }
	before, after := index(path, a, key), index(path, b, key)
	at := func(x keyed[kalla.Derived]) string { return join(path, x.item.Name) }
	match(before, after,
		func(x, y keyed[kalla.Derived]) {
			d.value(at(y), where, "derived column "+y.item.Name, oneLine(x.item.SQL), oneLine(y.item.SQL))
		},
		func(x keyed[kalla.Derived]) {
			d.value(at(x), where, "derived column "+x.item.Name, oneLine(x.item.SQL), "")
		},
		func(y keyed[kalla.Derived]) {
			d.value(at(y), where, "derived column "+y.item.Name, "", oneLine(y.item.SQL))
		})
	reordered(d, path, where, "order of derived columns", before, after, key)
}

func (d *differ) extras(a, b []kalla.Extra) {
	key := func(e kalla.Extra) string { return e.Alias }
	match(index("extras", a, key), index("extras", b, key),
		func(x, y keyed[kalla.Extra]) {
			where := "table " + y.item.Alias
			d.value(join(y.path, "uri"), where, "place", x.item.URI, y.item.URI)
			d.value(join(y.path, "role"), where, "role", x.item.Role, y.item.Role)
			d.words(join(y.path, "types"), where, "type of ", typeWords(x.item.Types), typeWords(y.item.Types))
			d.words(join(y.path, "options"), where, "option ", quoted(x.item.Options), quoted(y.item.Options))
		},
		func(x keyed[kalla.Extra]) { d.value(x.path, "", "table "+x.item.Alias, x.item.URI, "") },
		func(y keyed[kalla.Extra]) { d.value(y.path, "", "table "+y.item.Alias, "", y.item.URI) })
}

func (d *differ) compare(a, b []kalla.Compare) {
	key := func(c kalla.Compare) string { return c.Left + "\x00" + c.Right }
	match(index("compare", a, key), index("compare", b, key),
		func(x, y keyed[kalla.Compare]) {
			d.value(y.path, "", "comparison", d.is.comparePhrase(x.item), d.is.comparePhrase(y.item))
		},
		func(x keyed[kalla.Compare]) { d.value(x.path, "", "comparison", d.is.comparePhrase(x.item), "") },
		func(y keyed[kalla.Compare]) { d.value(y.path, "", "comparison", "", d.is.comparePhrase(y.item)) })
}
