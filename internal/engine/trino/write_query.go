package trino

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kalla"
	"kalla/internal/gate"
)

// result writes a whole query; a column of NULLs alone gets a type, as it does in DuckDB.
func (w *writer) result(q *gate.Query) string {
	sql, columns := w.query(q)
	types := make([]sqlType, len(columns))
	typed := true
	for i, c := range columns {
		types[i] = c.t
		if c.t.kind == unknown {
			types[i], typed = integer, false
		}
	}
	if typed {
		return sql
	}
	return w.retyped(q.Pos(), sql, columns, types)
}

// query writes a query and returns its columns, named uniquely and by bare identifiers.
func (w *writer) query(q *gate.Query) (string, []named) {
	ctes, outer := len(w.ctes), w.scope
	defer func() { w.ctes, w.scope = w.ctes[:ctes], outer }()
	var b strings.Builder
	for i, c := range q.With {
		sql, columns := w.query(c.Query)
		columns = renamed(columns, c.Columns)
		w.ctes = append(w.ctes, withQuery{c.Name, columns})
		b.WriteString([]string{"WITH ", ", "}[min(i, 1)] + w.Ident(c.Name) + w.names(columns) + " AS (" + sql + ")")
	}
	if len(q.With) > 0 {
		b.WriteString(" ")
	}
	var columns []named
	var items []gate.Item
	if q.Set != nil {
		var sql string
		sql, columns = w.set(q)
		b.WriteString(sql)
		w.scope = &scope{outer: outer, sources: []source{{columns: columns}}}
	} else {
		w.scope = &scope{outer: outer}
		var sql string
		sql, columns = w.selectOf(q.Select)
		b.WriteString(sql)
		items = q.Select.Items
	}
	b.WriteString(w.orderBy(q.OrderBy, columns, items))
	if q.Offset != "" {
		b.WriteString(" OFFSET " + q.Offset)
	}
	if q.Limit != "" {
		b.WriteString(" LIMIT " + q.Limit)
	}
	return b.String(), columns
}

func (w *writer) set(q *gate.Query) (string, []named) {
	left, a := w.query(q.Set.Left)
	right, b := w.query(q.Set.Right)
	if len(a) != len(b) {
		w.fail(q.Pos(), fmt.Sprintf("%s joins %d columns and %d", q.Set.Op, len(a), len(b)), "select as many on both sides")
		return "", nil
	}
	types := make([]sqlType, len(a))
	columns := slices.Clone(a)
	for i := range a {
		types[i] = w.common(q.Pos(), union, a[i].value, b[i].value)
		columns[i].t = types[i]
	}
	all := ""
	if q.Set.All {
		all = " ALL"
	}
	return "(" + w.retyped(q.Pos(), left, a, types) + ") " + q.Set.Op + all + " (" + w.retyped(q.Pos(), right, b, types) + ")", columns
}

// retyped wraps a query in conversions of its columns where they have other types.
func (w *writer) retyped(at gate.Position, sql string, columns []named, types []sqlType) string {
	items := make([]string, len(columns))
	same := true
	for i, c := range columns {
		same = same && c.t == types[i]
		items[i] = w.as(at, c.value, types[i]) + " AS " + c.sql
	}
	if same {
		return sql
	}
	return "SELECT " + strings.Join(items, ", ") + " FROM (" + sql + ") kalla_typed" + w.names(columns)
}

func (w *writer) selectOf(s *gate.Select) (string, []named) {
	var b strings.Builder
	from, stars := "", []named(nil)
	if s.From != nil {
		from, stars = w.relation(s.From)
	}
	b.WriteString("SELECT ")
	if s.Distinct {
		b.WriteString("DISTINCT ")
	}
	var columns []named
	for _, item := range s.Items {
		switch {
		case !item.Star:
			columns = append(columns, named{nameOf(item), w.expr(item.Expr)})
		case item.Qualifier == "":
			columns = append(columns, stars...)
		default:
			for _, src := range w.scope.sources {
				if strings.EqualFold(src.alias, item.Qualifier) {
					columns = append(columns, src.columns...)
				}
			}
		}
	}
	out := unique(columns)
	for i := range columns {
		if i > 0 {
			b.WriteString(", ")
		}
		out[i].sql, out[i].plain, out[i].literal = w.Ident(out[i].name), true, nil
		b.WriteString(columns[i].sql + " AS " + out[i].sql)
	}
	if len(columns) == 0 {
		w.fail(gate.Position{}, "nothing is selected", "name the columns")
	}
	if from != "" {
		b.WriteString(" FROM " + from)
	}
	if s.Where != nil {
		b.WriteString(" WHERE " + w.condition(s.Where))
	}
	for i, e := range s.GroupBy {
		b.WriteString([]string{" GROUP BY ", ", "}[min(i, 1)] + w.place(e))
	}
	if s.Having != nil {
		b.WriteString(" HAVING " + w.condition(s.Having))
	}
	return b.String(), out
}

func nameOf(item gate.Item) string {
	if c, ok := item.Expr.(*gate.Column); ok && item.Alias == "" {
		return c.Name
	}
	return item.Alias
}

// unique gives columns the names by which DuckDB refers to those of a
// sub-select: the second a is a_1, and one without a name gets one.
func unique(columns []named) []named {
	out := slices.Clone(columns)
	seen := map[string]bool{}
	for i := range out {
		name := out[i].name
		if name == "" {
			name = "kalla_column_" + strconv.Itoa(i+1)
		}
		out[i].name = name
		for n := 1; seen[strings.ToLower(out[i].name)]; n++ {
			out[i].name = name + "_" + strconv.Itoa(n)
		}
		seen[strings.ToLower(out[i].name)] = true
	}
	return out
}

// renamed gives the first columns the names of a list.
func renamed(columns []named, names []string) []named {
	out := slices.Clone(columns)
	for i, name := range names {
		if i < len(out) {
			out[i].name = name
		}
	}
	return out
}

// names is the list of columns behind an alias. Names of the text were made unique before or are fresh.
func (w *writer) names(columns []named) string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = w.Ident(c.name)
	}
	return "(" + strings.Join(list, ", ") + ")"
}

// place writes an element of GROUP BY: a number is a place in the select list.
func (w *writer) place(e gate.Expr) string {
	if l, ok := e.(*gate.Literal); ok && l.Kind == gate.IntegerLiteral {
		return l.Value
	}
	return w.expr(e).sql
}

// orderBy writes ORDER BY of a query. A name alone is first one of the select
// list and then one of the tables; within an expression it is the other way round.
func (w *writer) orderBy(orders []gate.Order, columns []named, items []gate.Item) string {
	if len(orders) == 0 {
		return ""
	}
	list := make([]string, len(orders))
	for i, o := range orders {
		var sql string
		ref, bare := o.Expr.(*gate.Column)
		at := slices.IndexFunc(items, func(x gate.Item) bool { return bare && x.Alias != "" && strings.EqualFold(x.Alias, ref.Name) })
		switch {
		case bare && ref.Qualifier == "" && at >= 0:
			at = slices.IndexFunc(columns, func(c named) bool { return strings.EqualFold(c.name, ref.Name) })
			sql = columns[max(at, 0)].sql
		default:
			sql = w.place(o.Expr)
		}
		list[i] = sql + direction(o)
	}
	return " ORDER BY " + strings.Join(list, ", ")
}

func direction(o gate.Order) string {
	out := " ASC"
	if o.Descending {
		out = " DESC"
	}
	if o.NullsFirst {
		return out + " NULLS FIRST"
	}
	return out + " NULLS LAST"
}

// source is a table in the scope, by the names and types of its schema.
func (w *writer) source(alias string, schema kalla.Schema, names []string) source {
	columns := make([]named, len(schema))
	prefix := ""
	if alias != "" {
		prefix = w.Ident(alias) + "."
	}
	for i, c := range schema {
		columns[i] = named{c.Name, value{sql: prefix + w.Ident(c.Name), t: typeOf(c.Type), plain: true}}
	}
	return source{alias: alias, columns: renamed(columns, names)}
}

// relation writes an element of FROM, adds its tables to the scope and returns what a star stands for.
func (w *writer) relation(r gate.Relation) (string, []named) {
	switch r := r.(type) {
	case *gate.Table:
		return w.table(r)
	case *gate.Derived:
		beside := *w.scope
		beside.lateral = true
		outer := w.scope
		w.scope = &scope{outer: &beside}
		sql, columns := w.query(r.Query)
		w.scope = outer
		return w.fresh("("+sql+")", r.Alias, renamed(columns, r.Columns))
	case *gate.Values:
		return w.values(r)
	case *gate.Join:
		return w.join(r)
	}
	w.fail(gate.Position{}, fmt.Sprintf("%T cannot be written", r), "")
	return "", nil
}

// fresh adds a relation that is computed in the text.
func (w *writer) fresh(sql, alias string, columns []named) (string, []named) {
	written := alias
	if alias == "" {
		w.derived++
		written = fmt.Sprintf("kalla_derived_%d", w.derived)
	}
	src := source{alias: alias, columns: unique(columns)}
	for i, c := range src.columns {
		src.columns[i].value = value{sql: w.Ident(written) + "." + w.Ident(c.name), t: c.t, plain: true}
	}
	w.scope.sources = append(w.scope.sources, src)
	return sql + " AS " + w.Ident(written) + w.names(src.columns), src.columns
}

func (w *writer) table(t *gate.Table) (string, []named) {
	if t.Name == "" {
		for _, c := range w.ctes {
			if strings.EqualFold(c.name, t.Physical) {
				return w.fresh(w.Ident(c.name), t.Alias, renamed(c.columns, t.Columns))
			}
		}
	}
	schema, ok := w.schemas[t.Name]
	if !ok {
		w.fail(t.Pos(), "there is no table "+t.Physical, "put it under extras and join it by its alias")
	}
	src := w.source(t.Alias, schema, t.Columns)
	w.scope.sources = append(w.scope.sources, src)
	return w.Ident(t.Physical) + " AS " + w.Ident(t.Alias), src.columns
}

func (w *writer) values(v *gate.Values) (string, []named) {
	rows := make([][]value, len(v.Rows))
	for i, row := range v.Rows {
		rows[i] = w.exprs(row)
	}
	columns := make([]named, len(rows[0]))
	for i := range columns {
		all := make([]value, len(rows))
		for j, row := range rows {
			if len(row) != len(columns) {
				w.fail(v.Pos(), "the rows of VALUES differ in length", "give each as many values")
				return "", nil
			}
			all[j] = row[i]
		}
		t := w.common(v.Pos(), strict, all...)
		if t.kind == unknown {
			t = integer
		}
		columns[i] = named{"col" + strconv.Itoa(i), value{t: t}}
	}
	list := make([]string, len(rows))
	for j, row := range rows {
		cells := make([]string, len(row))
		for i, x := range row {
			cells[i] = w.as(v.Pos(), x, columns[i].t)
		}
		list[j] = "ROW(" + strings.Join(cells, ", ") + ")"
	}
	return w.fresh("(VALUES "+strings.Join(list, ", ")+")", v.Alias, renamed(columns, v.Columns))
}

func (w *writer) join(j *gate.Join) (string, []named) {
	left, a := w.relation(j.Left)
	right, b := w.relation(j.Right)
	if j.Kind == "CROSS" {
		return left + " CROSS JOIN " + w.grouped(j.Right, right), append(slices.Clone(a), b...)
	}
	on := ""
	stars := append(slices.Clone(a), b...)
	switch {
	case len(j.Using) > 0:
		on, stars = w.using(j, a, b)
	case j.On != nil:
		on = w.condition(j.On)
	default:
		w.fail(j.Pos(), "a join has no condition", "write ON, or CROSS JOIN")
	}
	return left + " " + j.Kind + " JOIN " + w.grouped(j.Right, right) + " ON " + on, stars
}

func (w *writer) grouped(r gate.Relation, sql string) string {
	if _, ok := r.(*gate.Join); ok {
		return "(" + sql + ")"
	}
	return sql
}

// using writes USING as a condition: of the two columns of each name one is in sight, as the kind of the join has it.
func (w *writer) using(j *gate.Join, a, b []named) (string, []named) {
	find := func(columns []named, name string) value {
		at := slices.IndexFunc(columns, func(c named) bool { return strings.EqualFold(c.name, name) })
		if at < 0 {
			return w.fail(j.Pos(), "USING names "+name+", which not both tables have", "write ON a."+name+" = b.…")
		}
		return columns[at].value
	}
	var conditions []string
	stars := slices.Clone(a)
	for _, name := range j.Using {
		left, right := find(a, name), find(b, name)
		conditions = append(conditions, w.compare(j.Pos(), "=", left, right))
		one := left
		switch j.Kind {
		case "RIGHT":
			one = right
		case "FULL":
			t := w.common(j.Pos(), equality, left, right)
			one = value{sql: "coalesce(" + w.as(j.Pos(), left, t) + ", " + w.as(j.Pos(), right, t) + ")", t: t}
		}
		w.scope.merged = append([]named{{name, one}}, w.scope.merged...)
		for i := range stars {
			if strings.EqualFold(stars[i].name, name) {
				stars[i].value = one
			}
		}
	}
	for _, c := range b {
		if !slices.ContainsFunc(j.Using, func(name string) bool { return strings.EqualFold(name, c.name) }) {
			stars = append(stars, c)
		}
	}
	return strings.Join(conditions, " AND "), stars
}
