package duckdb

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/source"
)

func postgresTarget(src source.Source) string {
	parts := []string{"host=" + libpq(src.Host), "port=" + libpq(src.Port), "dbname=" + libpq(src.Database), "application_name=kalla",
		"keepalives_idle=30", "keepalives_interval=10", "keepalives_count=3"} // a server that is gone without a word is found out within a minute
	for key, name := range map[string]string{"user": "user", "password": "password", "sslmode": "sslmode", "connect_timeout": "connect_timeout"} {
		if v := src.Get(name); v != "" {
			parts = append(parts, key+"="+libpq(v))
		}
	}
	return strings.Join(parts, " ")
}

// quotePG quotes an identifier for PostgreSQL and SQLite.
func quotePG(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// mountPostgres mounts a table or query. A table is scanned in parallel, and
// filters are pushed down. Where it holds numerics without precision, which
// would come as floats, the server casts them to the scale that is there.
func (s *Session) mountPostgres(ctx context.Context, in engine.Input, catalog string) (*mount, error) {
	src := in.Source
	relation, from := "", ""
	if src.Query != "" {
		relation = "(" + strings.TrimRight(strings.TrimSpace(src.Query), ";") + ") AS q"
		from = remoteQuery(src.Type, catalog, src.Query)
	} else {
		schema, table, err := s.postgresTable(ctx, src, catalog)
		if err != nil {
			return nil, err
		}
		relation = quotePG(schema) + "." + quotePG(table)
		from = ident(catalog) + "." + ident(schema) + "." + ident(table)
	}
	native, err := s.nativeColumns(ctx, "FROM "+from)
	if err != nil {
		return nil, err
	}
	sized, err := s.sizeNumerics(ctx, src.Type, catalog, relation, native)
	if err != nil {
		return nil, err
	}
	columns := make([]string, len(native))
	for i, n := range native {
		columns[i] = quotePG(n.Name)
		if cast := sized[n.Name]; cast != "" {
			columns[i] += "::" + cast + " AS " + quotePG(n.Name)
		}
	}
	list := strings.Join(columns, ", ")
	if len(sized) > 0 {
		from = remoteQuery(src.Type, catalog, "SELECT "+list+" FROM "+relation)
		if native, err = s.nativeColumns(ctx, "FROM "+from); err != nil {
			return nil, err
		}
	}
	described := slices.Clone(native) // before what follows, which is done here
	for i, n := range native {
		if n.Type == "BLOB" {
			native[i].Raw, native[i].Type = `'\x' || lower(hex(`+n.Raw+`))`, "VARCHAR"
		}
	}
	snapshot, err := s.remote(ctx, src.Type, catalog, "SELECT txid_current_snapshot()::text AS snapshot", 1)
	if err != nil {
		return nil, err
	}
	m, err := s.typedMount(ctx, in, from, native, numberFormat{point: "."})
	if err != nil {
		return nil, err
	}
	m.Fingerprint, m.Consistency = "snapshot:"+*snapshot[0][0], "snapshot"
	if src.Query != "" {
		list = "" // a query has no pages
	}
	m.Pieces = s.dividePostgres(src, catalog, from, relation, list, described, m.serverFilters(in))
	return m, nil
}

// postgresTable finds the table: as it is spelt, else in lower case as PostgreSQL folds it.
func (s *Session) postgresTable(ctx context.Context, src source.Source, catalog string) (schema, table string, err error) {
	schema, table, qualified := strings.Cut(src.Table, ".")
	where := "nspname NOT IN ('pg_catalog', 'information_schema') AND nspname NOT LIKE 'pg_toast%'"
	if !qualified {
		schema, table = "", src.Table
	}
	q := "SELECT nspname::text AS s, relname::text AS t, pg_table_is_visible(c.oid) AS v, has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE') AS p" +
		" FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE relkind IN ('r', 'v', 'm', 'f', 'p') AND " + where + " ORDER BY 1, 2"
	rows, err := s.remote(ctx, src.Type, catalog, q, 4)
	if err != nil {
		return "", "", err
	}
	var names []string
	for _, fold := range []bool{false, true} {
		for _, r := range rows {
			rs, rt := *r[0], *r[1]
			same := rs == schema && rt == table || !qualified && *r[2] == "true" && rt == table
			if fold {
				same = rs == strings.ToLower(schema) && rt == strings.ToLower(table) || !qualified && *r[2] == "true" && rt == strings.ToLower(table)
			}
			if !same {
				continue
			}
			if *r[3] != "true" {
				return "", "", &kalla.Error{Code: kalla.CodeSource, Where: src.Location(), Why: fmt.Sprintf("user %q may not read the table", src.User),
					Hint: fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s; GRANT SELECT ON %s.%s TO %s", rs, src.User, rs, rt, src.User)}
			}
			return rs, rt, nil
		}
	}
	for _, r := range rows {
		if *r[3] == "true" {
			name := *r[0] + "." + *r[1]
			if !qualified && *r[2] == "true" {
				name = *r[1]
			}
			names = append(names, name)
		}
	}
	return "", "", tableFault(src, names)
}

// sizeNumerics finds numerics that DuckDB would read as floats, because they
// have no precision or one over 38, and returns what to cast them to: the
// decimal that holds every value, or text where none does.
func (s *Session) sizeNumerics(ctx context.Context, t source.Type, catalog, relation string, native []nativeColumn) (map[string]string, error) {
	var suspects, types []string
	for _, n := range native {
		if n.Type == "DOUBLE" {
			suspects = append(suspects, n.Name)
			types = append(types, fmt.Sprintf("(SELECT pg_typeof(x.%s)::text FROM (SELECT NULL) AS nothing LEFT JOIN (SELECT * FROM %s LIMIT 0) AS x ON true) AS t%d", quotePG(n.Name), relation, len(types)))
		}
	}
	if len(suspects) == 0 {
		return nil, nil
	}
	found, err := s.remote(ctx, t, catalog, "SELECT "+strings.Join(types, ", "), len(types))
	if err != nil {
		return nil, err
	}
	var numerics, sizes []string
	for i, name := range suspects {
		if *found[0][i] != "numeric" {
			continue
		}
		numerics = append(numerics, name)
		// Trailing zeros count for nothing; trunc gives the digits before the point. NaN and infinity have no scale.
		c, n := quotePG(name), len(sizes)
		sizes = append(sizes, fmt.Sprintf("coalesce(max(min_scale(%[1]s)), 0)::text AS s%[2]d", c, n),
			fmt.Sprintf("coalesce(max(length(abs(trunc(%[1]s))::text)), 0)::text AS w%[2]d", c, n),
			fmt.Sprintf("count(*) FILTER (WHERE %[1]s IS NOT NULL AND min_scale(%[1]s) IS NULL)::text AS x%[2]d", c, n))
	}
	if len(numerics) == 0 {
		return nil, nil
	}
	rows, err := s.remote(ctx, t, catalog, "SELECT "+strings.Join(sizes, ", ")+" FROM "+relation, len(sizes))
	if err != nil {
		return nil, err
	}
	casts := map[string]string{}
	for i, name := range numerics {
		scale, _ := strconv.Atoi(*rows[0][3*i])
		whole, _ := strconv.Atoi(*rows[0][3*i+1])
		casts[name] = "text"
		if d, ok := decimalFor(whole, scale); ok && *rows[0][3*i+2] == "0" {
			casts[name] = fmt.Sprintf("numeric(%d,%d)", d.Precision, d.Scale)
		}
	}
	return casts, nil
}
