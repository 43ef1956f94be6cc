package evidence

import (
	"context"
	"database/sql"
	"strconv"
	"strings"

	"kalla"
)

// Querier runs SQL of DuckDB's dialect that may read the files of an evidence
// folder. An engine session is one.
type Querier interface {
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// column is a column of an evidence file as the engine names its type.
type column struct {
	name string
	typ  string // DuckDB's name of the type: "DECIMAL(18,2)"
}

func (c column) decimal() bool { return strings.HasPrefix(c.typ, "DECIMAL") }

func (c column) float() bool { return c.typ == "DOUBLE" || c.typ == "FLOAT" }

func (c column) integer() bool {
	switch c.typ {
	case "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT":
		return true
	}
	return false
}

func (c column) boolean() bool { return c.typ == "BOOLEAN" }

// timestamp tells times without a zone.
func (c column) timestamp() bool {
	return strings.HasPrefix(c.typ, "TIMESTAMP") && !strings.Contains(c.typ, "TIME ZONE")
}

func (c column) temporal() bool { return c.typ == "DATE" || strings.HasPrefix(c.typ, "TIME") }

// scale is the number of decimal places of a DECIMAL.
func (c column) scale() int {
	_, after, _ := strings.Cut(c.typ, ",")
	n, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(after, ")")))
	return n
}

// table is a table of the evidence as a thing to select from.
type table struct {
	Table
	q    Querier
	file string // as people are told: its file, or the folder of its parts
	from string // item of a FROM clause
}

func openTable(q Querier, dir string, t Table) table {
	return table{Table: t, q: q, file: t.Place(), from: t.From(dir)}
}

// columns describes the table from the files themselves.
func (t table) columns(ctx context.Context) ([]column, error) {
	rows, err := t.q.Query(ctx, "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM "+t.from+")")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []column
	for rows.Next() {
		var c column
		if err := rows.Scan(&c.name, &c.typ); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

// row runs a query that gives one row and scans it.
func (t table) row(ctx context.Context, query string, dest ...any) error {
	rows, err := t.q.Query(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	}
	if err := rows.Scan(dest...); err != nil {
		return err
	}
	return rows.Err()
}

// counts runs a query whose rows are a text and a number.
func (t table) counts(ctx context.Context, query string) (map[string]int64, error) {
	rows, err := t.q.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]int64{}
	for rows.Next() {
		var k sql.NullString
		var n int64
		if err := rows.Scan(&k, &n); err != nil {
			return nil, err
		}
		out[k.String] += n
	}
	return out, rows.Err()
}

// find returns the column of that name, ignoring case as SQL does.
func find(cols []column, name string) (column, bool) {
	for _, c := range cols {
		if strings.EqualFold(c.name, name) {
			return c, true
		}
	}
	return column{}, false
}

// matchedColumn is the name that a source's column has in matched.parquet.
func matchedColumn(s kalla.Side, name string) string { return string(s) + "_" + name }

// reasonColumn is the name of the reason in an unmatched file: it gives way to
// columns of the source that are called so.
func reasonColumn(src Source, level Level) string {
	taken := map[string]bool{}
	if level != Keys {
		for _, c := range src.Schema {
			taken[strings.ToLower(c.Name)] = true
		}
	}
	for _, k := range src.PrimaryKey {
		taken[strings.ToLower(k)] = true
	}
	name := "reason"
	for taken[name] {
		name = "kalla_" + name
	}
	return name
}

func ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func idents(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = ident(n)
	}
	return strings.Join(quoted, ", ")
}

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// globSafe writes a path so that the engine does not read its characters as a pattern.
func globSafe(path string) string {
	return strings.NewReplacer("[", "[[]", "*", "[*]", "?", "[?]").Replace(path)
}
