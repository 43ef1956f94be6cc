package match

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"

	"kalla"
)

var (
	one     = decimal.NewFromInt(1)
	hundred = decimal.NewFromInt(100)
)

func decimalOf(n int64) kalla.Decimal { return decimal.NewFromInt(n) }

// Names of the tables that staging makes.
const (
	LeftTable  = "left_src"
	RightTable = "right_src"
)

// Input is what Compile needs to know of a staged source.
type Input struct {
	Schema kalla.Schema // source columns, then derived ones
	Rows   int64
}

// Options bound the work of a plan. The zero value means the defaults.
type Options struct {
	MaxPairs int64 // candidate pairs that a pass may build; default 200 million
	// Pairs sharing all equalities, above which a one_to_one pass works on
	// classes of equal records instead of pairs. Default 4 a record; negative means always.
	ManyPairs int64
	Detail    Detail // what the evidence files hold
	// Embedded, where there is one, is the dialect that work that can be divided is
	// compiled in too.
	Embedded Dialect
}

// Detail is how much of the records the evidence holds.
type Detail string

// The zero value means Full.
const (
	Full Detail = "full"
	Keys Detail = "keys" // key columns only
)

// Compile turns a recipe whose SQL has passed the gate into a plan. The recipe
// must have been checked against the schemas; what is found wrong all the same
// is returned as a *kalla.Error with CodeRecipe.
func Compile(r *kalla.Recipe, left, right Input, d Dialect, o Options) (*Plan, error) {
	if o.MaxPairs == 0 {
		o.MaxPairs = 200_000_000
	}
	if o.ManyPairs == 0 {
		o.ManyPairs = 4*(left.Rows+right.Rows) + 100_000
	}
	compile := func(d Dialect) (*Plan, error) {
		c := &compiler{recipe: r, d: d, options: o, in: map[kalla.Side]Input{kalla.Left: left, kalla.Right: right}}
		plan, err := c.compile()
		if err != nil {
			return nil, &kalla.Error{Code: kalla.CodeRecipe, Op: "compiling recipe", Where: r.ID, Err: err}
		}
		return plan, nil
	}
	plan, err := compile(d)
	if err != nil || o.Embedded == nil {
		return plan, err
	}
	embedded, err := compile(o.Embedded)
	if err != nil {
		return nil, err
	}
	// SQL of the recipe itself, which the search for reasons repeats, is of the one dialect.
	pair(plan, embedded, !slices.ContainsFunc(r.Match, func(p kalla.Pass) bool { return p.SQL != "" }))
	return plan, nil
}

type compiler struct {
	recipe  *kalla.Recipe
	d       Dialect
	options Options
	in      map[kalla.Side]Input
	keys    map[kalla.Side][]kalla.Column
	passes  []*pass
	nodes   []Node
}

// pass is a pass being compiled.
type pass struct {
	no         int // from 1
	name       string
	spec       kalla.Pass
	conditions []condition
	vector     []string              // SQL of the differences that rank candidates
	sumL, sumR string                // SQL of the summed columns, or empty
	rivals     string                // query of (side, l_id, r_id, chosen) for candidates.parquet, or empty
	locked     map[kalla.Side]string // table (id) of records left as ambiguous, where there may be some
	multi      bool                  // a match may have several left records, so its leader is looked up
}

func (c *compiler) compile() (*Plan, error) {
	c.keys = map[kalla.Side][]kalla.Column{}
	for side, src := range map[kalla.Side]kalla.Source{kalla.Left: c.recipe.Sources.Left, kalla.Right: c.recipe.Sources.Right} {
		for _, name := range src.PrimaryKey {
			col, err := c.column(side, name)
			if err != nil {
				return nil, err
			}
			c.keys[side] = append(c.keys[side], col)
		}
	}
	c.badKeys(kalla.Left)
	c.badKeys(kalla.Right)
	if c.recipe.MatchSQL != "" {
		c.matchSQL()
	}
	for i, spec := range c.recipe.Match {
		if err := c.pass(i+1, spec); err != nil {
			return nil, fmt.Errorf("pass %q: %w", passName(i+1, spec), err)
		}
	}
	c.collect()
	c.reasons()
	plan := &Plan{Nodes: c.nodes}
	for _, p := range c.passes {
		plan.Passes = append(plan.Passes, p.name)
	}
	if err := c.output(plan); err != nil {
		return nil, err
	}
	return plan, nil
}

func passName(no int, spec kalla.Pass) string {
	if spec.Name != "" {
		return spec.Name
	}
	return "pass " + strconv.Itoa(no)
}

func (c *compiler) add(name, sql string) { c.nodes = append(c.nodes, Exec{name, sql}) }

func (c *compiler) column(side kalla.Side, name string) (kalla.Column, error) {
	col, ok := c.in[side].Schema.Find(name)
	if !ok {
		return col, fmt.Errorf("the %s source has no column %q", side, name)
	}
	return col, nil
}

func (c *compiler) source(side kalla.Side) kalla.Source {
	if side == kalla.Left {
		return c.recipe.Sources.Left
	}
	return c.recipe.Sources.Right
}

// alias is l or r, the names of the sides in all SQL.
func alias(side kalla.Side) string { return string(side)[:1] }

func table(side kalla.Side) string {
	if side == kalla.Left {
		return LeftTable
	}
	return RightTable
}

// keyColumns lists a side's key columns, qualified.
func (c *compiler) keyColumns(side kalla.Side, qualifier string) []string {
	var out []string
	for _, k := range c.keys[side] {
		out = append(out, qualifier+"."+c.d.Ident(k.Name))
	}
	return out
}

// keyOrder is ORDER BY text for a side's key order.
func (c *compiler) keyOrder(side kalla.Side, qualifier string) string {
	return strings.Join(c.keyColumns(side, qualifier), ", ")
}

// keyText is a record's key as people see it: a single column as it is, a
// compound one joined by | with \ before any | or \ inside.
func (c *compiler) keyText(side kalla.Side, qualifier string) string {
	return c.keyTextOf(side, c.keyColumns(side, qualifier))
}

// keyTextOf is keyText of key columns that have other names.
func (c *compiler) keyTextOf(side kalla.Side, cols []string) string {
	keys := c.keys[side]
	if len(keys) == 1 {
		return c.text(cols[0], keys[0].Type)
	}
	var parts []string
	for i, k := range keys {
		e := c.text(cols[i], k.Type)
		if k.Type.Kind == kalla.Text || k.Type.Kind == kalla.Other {
			e = `replace(replace(` + e + `, '\', '\\'), '|', '\|')`
		}
		parts = append(parts, e)
	}
	return "(" + strings.Join(parts, " || '|' || ") + ")"
}

// badKeys makes kalla_bad_left (id): the rows whose key is NULL or not unique.
// Most sources have none, which one cheap aggregate proves.
func (c *compiler) badKeys(side kalla.Side) {
	cols := c.keyColumns(side, "t")
	var nulls, counts, same []string
	for _, k := range cols {
		nulls = append(nulls, k+" IS NULL")
		counts = append(counts, "count("+k+") = count(*)")
		same = append(same, strings.Replace(k, "t.", "u.", 1)+" = "+k)
	}
	params := []string{"bad", badTable(side), "src", table(side), "id", c.d.RowID(), "nulls", strings.Join(nulls, " OR "),
		"keys", strings.Join(cols, ", "), "counts", strings.Join(counts, " AND "), "hash", c.d.KeyHash(cols), "same", strings.Join(same, " AND ")}
	c.nodes = append(c.nodes, If{
		Name:  "keys of " + c.source(side).Alias + " are present and unique",
		Query: expand("SELECT "+allDistinct("{hash}", "{src} t")+" AND {counts} FROM {src} t", params...),
		Then:  []Node{Exec{"no bad keys", expand("CREATE TABLE {bad} (id BIGINT)", params...)}},
		Else: []Node{Exec{"find bad keys", expand(`CREATE TABLE {bad} AS
SELECT t.{id} AS id FROM {src} t WHERE {nulls}
UNION ALL
SELECT t.{id} AS id FROM {src} t JOIN (SELECT {keys} FROM {src} t GROUP BY {keys} HAVING count(*) > 1) u ON {same}`, params...)}},
	})
}

// allDistinct is a condition that no two rows of a FROM item, which the query
// reads too, have the same value. Groups spill where count(DISTINCT) does not.
func allDistinct(expr, from string) string {
	return "(SELECT count(*) FROM (SELECT " + expr + " AS v FROM " + from + " GROUP BY 1) g) = count(*)"
}

func badTable(side kalla.Side) string { return "kalla_bad_" + string(side) }

// gone is a query of the ids of a side that no longer take part before a pass.
func (c *compiler) gone(side kalla.Side, before int) string {
	q := "SELECT id FROM " + badTable(side)
	for no := 1; no < before; no++ {
		q += expand(" UNION ALL SELECT {a}_id FROM kalla_m{n}", "a", alias(side), "n", strconv.Itoa(no))
	}
	return q
}

// free is a FROM item, aliased l or r, of the records that take part in a pass,
// with all columns and their row number as kalla_id.
func (c *compiler) free(side kalla.Side, p *pass) string {
	return expand(`(SELECT s.*, s.{id} AS kalla_id{prepared} FROM {src} s WHERE NOT EXISTS (SELECT 1 FROM ({gone}) g WHERE g.id = s.{id}){amount}) {a}`,
		"id", c.d.RowID(), "src", table(side), "gone", c.gone(side, p.no), "a", alias(side), "amount", c.hasAmount(side, p), "prepared", c.prepared(p, side, "s"))
}

// hasAmount keeps records without an amount out of a pass that sums.
func (c *compiler) hasAmount(side kalla.Side, p *pass) string {
	if p.spec.Sum == nil {
		return ""
	}
	name := p.spec.Sum.Left
	if side == kalla.Right {
		name = p.spec.Sum.Right
	}
	col, _ := c.column(side, name)
	return " AND " + c.exact("s."+c.d.Ident(col.Name), col.Type) + " IS NOT NULL"
}

func (c *compiler) pass(no int, spec kalla.Pass) error {
	p := &pass{no: no, name: passName(no, spec), spec: spec, locked: map[kalla.Side]string{}}
	for i, w := range spec.When {
		k, err := c.compileCondition(w, i)
		if err != nil {
			return err
		}
		p.conditions = append(p.conditions, k)
	}
	if err := p.rank(); err != nil {
		return err
	}
	if spec.Sum != nil {
		l, err := c.column(kalla.Left, spec.Sum.Left)
		if err != nil {
			return err
		}
		r, err := c.column(kalla.Right, spec.Sum.Right)
		if err != nil {
			return err
		}
		p.sumL, p.sumR = c.exact("l."+c.d.Ident(l.Name), l.Type), c.exact("r."+c.d.Ident(r.Name), r.Type)
	}
	c.passes = append(c.passes, p)
	switch spec.Cardinality {
	case kalla.OneToOne:
		return c.oneToOne(p)
	case kalla.OneToMany:
		return c.group(p, kalla.Left)
	case kalla.ManyToOne:
		p.multi = true
		return c.group(p, kalla.Right)
	case kalla.ManyToMany:
		p.multi = true
		return c.manyToMany(p)
	}
	return c.allPairs(p)
}

// rank sets the vector: prefer, or all that the conditions measure.
func (p *pass) rank() error {
	if len(p.spec.Prefer) == 0 {
		for _, k := range p.conditions {
			if k.diff != "" {
				p.vector = append(p.vector, k.diff)
			}
		}
		return nil
	}
	for _, name := range p.spec.Prefer {
		i := slices.IndexFunc(p.conditions, func(k condition) bool { return strings.EqualFold(k.spec.Left, name) && k.diff != "" })
		if i < 0 {
			i = slices.IndexFunc(p.conditions, func(k condition) bool { return strings.EqualFold(k.spec.Right, name) && k.diff != "" })
		}
		if i >= 0 {
			p.vector = append(p.vector, p.conditions[i].diff)
			continue
		}
		// A condition that measures nothing ranks nothing.
		if !slices.ContainsFunc(p.conditions, func(k condition) bool {
			return strings.EqualFold(k.spec.Left, name) || strings.EqualFold(k.spec.Right, name)
		}) {
			return fmt.Errorf("prefer names %q, which no condition of the pass compares", name)
		}
	}
	return nil
}

// equalities are the pass's equal conditions.
func (p *pass) equalities() []condition {
	var out []condition
	for _, k := range p.conditions {
		if k.form == equal {
			out = append(out, k)
		}
	}
	return out
}

// onlyEqualities reports whether equality decides everything in the pass.
func (p *pass) onlyEqualities() bool {
	return len(p.equalities()) == len(p.conditions) && p.spec.SQL == "" && len(p.spec.Block) == 0
}

// uniqueSide reports whether the equalities of the pass contain the whole key
// of a side, so that a record of the other side has one candidate at most.
func (c *compiler) uniqueSide(p *pass, side kalla.Side) bool {
	return c.coversKey(p.equalities(), side)
}

func (c *compiler) coversKey(equalities []condition, side kalla.Side) bool {
	for _, key := range c.keys[side] {
		if !slices.ContainsFunc(equalities, func(k condition) bool {
			spec, name, t := k.spec, k.spec.Left, k.left
			if side == kalla.Right {
				name, t = k.spec.Right, k.right
			}
			// Normalisation, or a cast to the other's type, may make different keys equal.
			lossless := len(spec.Normalize) == 0 && (k.left.Kind == k.right.Kind || t.Kind == kalla.Integer)
			return lossless && t.Kind != kalla.Float && strings.EqualFold(name, key.Name)
		}) {
			return false
		}
	}
	return true
}

func (p *pass) table(suffix string) string { return "kalla_p" + strconv.Itoa(p.no) + "_" + suffix }

func (p *pass) matches() string { return "kalla_m" + strconv.Itoa(p.no) }
