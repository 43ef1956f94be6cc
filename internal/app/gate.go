package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/gate"
	"kalla/internal/match"
	"kalla/internal/recipe"
)

// gated is a recipe whose SQL has passed the gate and is written anew, with
// what is known of each text.
type gated struct {
	recipe *kalla.Recipe
	doc    *recipe.Document
	texts  []gatedText
	keys   []string // by which match_sql is to be read, where its columns are not in their order
}

type gatedText struct {
	path    string
	checked *gate.Checked
	side    kalla.Side // of a derived column
	derived int        // its index
	pass    int        // index of the pass of a predicate
}

// passGate checks every SQL text of a recipe. All faults are reported at once.
func passGate(ctx context.Context, sqlGate *gate.Gate, r *kalla.Recipe, doc *recipe.Document) (*gated, error) {
	g := &gated{recipe: clone(r), doc: doc}
	var faults kalla.Faults
	check := func(path string, text *string, t gatedText, by func(context.Context, string, gate.Tables) (*gate.Checked, error), tables gate.Tables) (*gate.Checked, error) {
		checked, err := by(ctx, *text, tables)
		var known *kalla.Error
		switch {
		case errors.As(err, &known) && known.Code == kalla.CodeRecipe:
			problem := known.Why
			if known.Where != "" {
				problem = known.Where + ": " + problem
			}
			faults = append(faults, doc.Fault(path, problem, known.Hint))
			return nil, nil
		case err != nil:
			return nil, err
		}
		*text = checked.SQL
		t.path, t.checked = path, checked
		g.texts = append(g.texts, t)
		return checked, nil
	}
	extras := gate.Tables{}
	for _, x := range r.Extras {
		extras[x.Alias] = x.Alias
	}
	for _, s := range []struct {
		side kalla.Side
		src  *kalla.Source
	}{{kalla.Left, &g.recipe.Sources.Left}, {kalla.Right, &g.recipe.Sources.Right}} {
		for i := range s.src.Derive {
			d := &s.src.Derive[i]
			if _, err := check(fmt.Sprintf("sources.%s.derive.%s", s.side, d.Name), &d.SQL, gatedText{side: s.side, derived: i}, sqlGate.Expression, extras); err != nil {
				return nil, err
			}
		}
	}
	for i := range g.recipe.Match {
		p := &g.recipe.Match[i]
		if p.SQL == "" {
			continue
		}
		path := fmt.Sprintf("match[%d].sql", i)
		checked, err := check(path, &p.SQL, gatedText{pass: i}, sqlGate.Predicate, extras)
		if err != nil {
			return nil, err
		}
		if checked != nil && len(checked.Equalities) == 0 && !canBlock(*p) {
			faults = append(faults, doc.Fault(path, "the pass would compare every left record with every right record: nothing in it can be looked up",
				"add an equality of a column of l and a column of r, joined by AND, or a condition under when"))
		}
	}
	if r.MatchSQL != "" {
		tables := gate.Tables{match.LeftTable: match.LeftTable, match.RightTable: match.RightTable,
			r.Sources.Left.Alias: match.LeftTable, r.Sources.Right.Alias: match.RightTable}
		for name := range extras {
			tables[name] = name
		}
		checked, err := check("match_sql", &g.recipe.MatchSQL, gatedText{}, sqlGate.Select, tables)
		if err != nil {
			return nil, err
		}
		want := len(r.Sources.Left.PrimaryKey) + len(r.Sources.Right.PrimaryKey)
		if checked != nil && checked.Outputs != nil && len(checked.Outputs) < want {
			faults = append(faults, doc.Fault("match_sql", fmt.Sprintf("it selects %d columns, but both primary keys have %d", len(checked.Outputs), want),
				"select both primary keys by their names"))
		}
	}
	if len(faults) > 0 {
		return nil, invalid(r, faults)
	}
	return g, nil
}

func invalid(r *kalla.Recipe, faults kalla.Faults) error {
	return &kalla.Error{Code: kalla.CodeRecipe, Op: "checking recipe", Where: r.ID, Err: faults}
}

// canBlock reports whether the conditions of a pass spare it the cross product.
func canBlock(p kalla.Pass) bool {
	return len(p.Block) > 0 || slices.ContainsFunc(p.When, func(c kalla.Condition) bool {
		return c.Within != nil || c.Similar == nil && (c.Op == "" || c.Op == kalla.OpEq || c.Op == kalla.OpPrefixOf || c.Op == kalla.OpHasPrefix)
	})
}

// clone copies what the gate rewrites.
func clone(r *kalla.Recipe) *kalla.Recipe {
	c := *r
	c.Match = slices.Clone(r.Match)
	c.Sources.Left.Derive = slices.Clone(r.Sources.Left.Derive)
	c.Sources.Right.Derive = slices.Clone(r.Sources.Right.Derive)
	return &c
}

// derivedColumns checks that derived columns name columns of their source, before it is read.
func (g *gated) derivedColumns(ctx context.Context, look engine.Inspector, inputs []engine.Input) error {
	schemas := map[string]kalla.Schema{}
	for _, in := range inputs[2:] {
		if !slices.ContainsFunc(g.texts, func(t gatedText) bool { return t.side != "" && slices.Contains(t.checked.Tables, in.Alias) }) {
			continue
		}
		schema, err := look.Describe(ctx, in)
		if err != nil {
			return err
		}
		schemas[in.Alias] = schema
	}
	var faults kalla.Faults
	for i, side := range []kalla.Side{kalla.Left, kalla.Right} {
		in := inputs[i]
		if len(in.Derive) == 0 {
			continue
		}
		bare := in
		bare.Derive, bare.Filters = nil, nil
		schema, err := look.Describe(ctx, bare)
		if err != nil {
			return err
		}
		for _, t := range g.texts {
			if t.side != side {
				continue
			}
			schemas[""] = schema
			faults = append(faults, g.missing(t, schemas)...)
			schema = append(slices.Clone(schema), kalla.Column{Name: in.Derive[t.derived].Name, Type: kalla.Type{Kind: kalla.Other}})
		}
	}
	if len(faults) > 0 {
		return invalid(g.recipe, faults)
	}
	return nil
}

// schemas are those of the staged tables by the names that raw SQL may use.
func (g *gated) schemas(tables []engine.Table) map[string]kalla.Schema {
	schemas := map[string]kalla.Schema{
		"l": tables[0].Schema, match.LeftTable: tables[0].Schema, g.recipe.Sources.Left.Alias: tables[0].Schema,
		"r": tables[1].Schema, match.RightTable: tables[1].Schema, g.recipe.Sources.Right.Alias: tables[1].Schema,
	}
	for _, t := range tables[2:] {
		schemas[t.Name] = t.Schema
	}
	return schemas
}

// stagedColumns checks the columns of raw SQL against the staged tables.
func (g *gated) stagedColumns(tables []engine.Table) kalla.Faults {
	schemas := g.schemas(tables)
	var faults kalla.Faults
	for _, t := range g.texts {
		if t.side == "" {
			faults = append(faults, g.missing(t, schemas)...)
		}
		if t.path == "match_sql" {
			faults = append(faults, g.keysByName(t.checked, schemas)...)
		}
	}
	return faults
}

// keysByName makes match_sql give both primary keys in their order, which is how
// they are read, where it names them in another, among others, or by a star. Where
// it does not name them all, or both sides call them alike, the order counts. A
// star is refused when a name in it may be of another table.
func (g *gated) keysByName(checked *gate.Checked, schemas map[string]kalla.Schema) kalla.Faults {
	left, right := g.recipe.Sources.Left, g.recipe.Sources.Right
	keys := slices.Concat(left.PrimaryKey, right.PrimaryKey)
	alike := slices.ContainsFunc(left.PrimaryKey, func(l string) bool {
		return slices.ContainsFunc(right.PrimaryKey, func(r string) bool { return strings.EqualFold(l, r) })
	})
	star := checked.Outputs == nil
	names := checked.Outputs
	if star {
		read := map[string]bool{match.LeftTable: true, match.RightTable: true}
		for _, x := range g.recipe.Extras {
			read[x.Alias] = slices.ContainsFunc(checked.Tables, func(t string) bool { return strings.EqualFold(t, x.Alias) })
		}
		for name, is := range read {
			for _, c := range schemas[name] {
				if is {
					names = append(names, c.Name)
				}
			}
		}
	}
	inPlace := !star
	for i, key := range keys {
		times := 0
		for at, name := range names {
			if strings.EqualFold(name, key) {
				times++
				inPlace = inPlace && at == i
			}
		}
		switch {
		case times == 1 && !alike:
			continue
		case !star:
			return nil
		}
		return kalla.Faults{g.doc.Fault("match_sql", "it selects a star, in which the key column "+key+" is not that of one side alone",
			"select the left primary key, then the right one: SELECT l."+left.PrimaryKey[0]+", r."+right.PrimaryKey[0]+" …")}
	}
	if inPlace {
		return nil
	}
	g.keys = keys
	return nil
}

// write gives the recipe its raw SQL as an engine takes it. What the gate has
// written is the embedded engine's.
func (g *gated) write(tables []engine.Table, d match.Dialect, by func(*gate.Checked, map[string]kalla.Schema) (string, error)) error {
	var faults kalla.Faults
	for _, t := range g.texts {
		if t.side != "" || by == nil { // derived columns were computed when the source was read
			continue
		}
		sql, err := by(t.checked, g.schemas(tables))
		var known *kalla.Error
		switch {
		case errors.As(err, &known) && known.Code == kalla.CodeRecipe:
			faults = append(faults, g.doc.Fault(t.path, known.Where+": "+known.Why, known.Hint))
		case err != nil:
			return err
		case t.path == "match_sql":
			g.recipe.MatchSQL = sql
		default:
			g.recipe.Match[t.pass].SQL = sql
		}
	}
	if len(faults) > 0 {
		return invalid(g.recipe, faults)
	}
	if len(g.keys) > 0 {
		quoted := make([]string, len(g.keys))
		for i, key := range g.keys {
			quoted[i] = d.Ident(key)
		}
		g.recipe.MatchSQL = "SELECT " + strings.Join(quoted, ", ") + " FROM (" + g.recipe.MatchSQL + ") kalla_keys"
	}
	return nil
}

func (g *gated) missing(t gatedText, schemas map[string]kalla.Schema) kalla.Faults {
	var faults kalla.Faults
	for _, f := range t.checked.Missing(schemas) {
		faults = append(faults, g.doc.Fault(t.path, f.Problem, f.Hint))
	}
	return faults
}
