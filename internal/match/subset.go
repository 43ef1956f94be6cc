package match

import "kalla"

// subset compiles a group pass that looks for a balancing subset: SQL finds the
// candidates, a bounded search in Go picks among them.
func (c *compiler) subset(p *pass, one kalla.Side) error {
	many := one.Other()
	oid, mid := alias(one)+"_id", alias(many)+"_id"
	ones, manies := p.sumL, p.sumR
	if one == kalla.Right {
		ones, manies = p.sumR, p.sumL
	}
	c.nodes = append(c.nodes, c.buildCandidates(p)...)
	params := []string{"c", p.table("c"), "found", p.table("found"), "m", p.matches(), "oid", oid, "mid", mid, "id", c.d.RowID(),
		"lsrc", LeftTable, "rsrc", RightTable, "one", ones, "many", manies, "okeys", c.keyOrder(one, alias(one)), "mkeys", c.keyOrder(many, alias(many)),
		"vector", list(names("c.", "v", len(p.vector)), c.keyColumns(many, alias(many)))}
	x := func(t string) string { return expand(t, params...) }
	c.add("subsets found", x("CREATE TABLE {found} (one_id BIGINT, many_id BIGINT, ambiguous BOOLEAN)"))
	locked := p.table("locked_" + string(one))
	c.add("no locks", "CREATE TABLE "+locked+" (id BIGINT)")
	p.locked[one] = locked
	c.nodes = append(c.nodes, Search{
		Locked: locked,
		Name:   p.name + ": subsets that balance", Pass: p.no, Insert: p.table("found"),
		Query: x(`SELECT c.{oid} AS one_id, CAST({one} AS VARCHAR) AS one_amount, c.{mid} AS many_id, CAST({many} AS VARCHAR) AS many_amount,
 row_number() OVER (PARTITION BY c.{oid} ORDER BY {vector}) AS place
FROM {c} c JOIN {lsrc} l ON l.{id} = c.l_id JOIN {rsrc} r ON r.{id} = c.r_id ORDER BY {okeys}, {mkeys}`),
		Options: SubsetOptions{Max: p.spec.Subset.Max, Within: p.spec.Sum.Within, OneIsLeft: one == kalla.Left, Leave: p.spec.OnAmbiguous == kalla.Leave, Bound: subsetCandidates, Work: subsetWork},
	})
	if one == kalla.Left {
		c.add("matches", x("CREATE TABLE {m} AS SELECT one_id AS l_id, many_id AS r_id, one_id AS lead, ambiguous FROM {found}"))
	} else {
		c.add("matches", expand(`CREATE TABLE {m} AS SELECT f.many_id AS l_id, f.one_id AS r_id,
 first_value(f.many_id) OVER (PARTITION BY f.one_id ORDER BY {keys}) AS lead, f.ambiguous FROM {found} f JOIN {lsrc} lk ON lk.{id} = f.many_id`,
			append([]string{"keys", c.keyOrder(kalla.Left, "lk")}, params...)...))
	}
	return nil
}
