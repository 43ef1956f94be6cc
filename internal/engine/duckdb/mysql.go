package duckdb

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"kalla/internal/engine"
	"kalla/internal/source"
)

func mysqlTarget(src source.Source) string {
	quote := func(v string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"` }
	parts := []string{"host=" + quote(src.Host), "port=" + src.Port, "database=" + quote(src.Database)}
	for key, name := range map[string]string{"user": "user", "password": "password", "ssl_mode": "ssl_mode"} {
		if v := src.Get(name); v != "" {
			parts = append(parts, key+"="+quote(v))
		}
	}
	return strings.Join(parts, " ")
}

func quoteMySQL(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

var mysqlSettings = []string{
	// A tinyint(1) holds more than true and false.
	"SET mysql_tinyint1_as_boolean = false",
	"SET mysql_session_time_zone = '+00:00'",
	// Its comparisons ignore case and trailing spaces, which the recipe's do not.
	"SET mysql_experimental_filter_pushdown = false",
	// By default the server is told to give up after five minutes.
	"SET mysql_query_timeout_enabled = false",
}

// mysqlRead runs a query in the transaction. Streaming would take a connection
// of its own, and with it another snapshot.
func mysqlRead(catalog, query string) string {
	return fmt.Sprintf("mysql_query(%s, %s, stream_results=false)", text(catalog), text(query))
}

// mountMySQL mounts a table or query of MySQL or MariaDB. Filters are not
// pushed down. A table is scanned as it is where its types allow that, else by
// a query that converts them, whose result is held in memory.
func (s *Session) mountMySQL(ctx context.Context, in engine.Input, catalog string) (*mount, error) {
	src := in.Source
	if src.Query != "" {
		from := mysqlRead(catalog, src.Query)
		native, err := s.nativeColumns(ctx, "FROM "+from)
		if err != nil {
			return nil, err
		}
		return s.mysqlMount(ctx, in, from, native)
	}
	schema, table, qualified := strings.Cut(src.Table, ".")
	if !qualified {
		schema, table = src.Database, src.Table
	}
	rows, err := s.remote(ctx, src.Type, catalog, fmt.Sprintf("SELECT column_name AS n, data_type AS t, coalesce(numeric_precision, 0) AS p "+
		"FROM information_schema.columns WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position", mysqlText(schema), mysqlText(table)), 3)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		tables, err := s.remote(ctx, src.Type, catalog, "SELECT table_name AS n FROM information_schema.tables WHERE table_schema = "+mysqlText(schema)+" ORDER BY 1", 1)
		if err != nil {
			return nil, err
		}
		return nil, tableFault(src, firstColumn(tables))
	}
	list := make([]string, len(rows))
	// The extension quotes names that hold a backquote wrongly.
	detect, converted := make([]bool, len(rows)), strings.Contains(schema+table, "`")
	for i, r := range rows {
		c := quoteMySQL(*r[0])
		precision, _ := strconv.Atoi(*r[2])
		switch *r[1] {
		case "decimal":
			if precision > 38 { // wider than the engine's
				list[i], detect[i] = "CAST("+c+" AS CHAR)", true
			}
		case "enum", "set", "year", "time":
			list[i] = "CAST(" + c + " AS CHAR)"
		case "bit":
			list[i] = "CAST(" + c + " AS UNSIGNED)"
		case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
			list[i] = "concat('\\\\x', lower(hex(" + c + ")))"
		}
		converted = converted || list[i] != "" || strings.Contains(*r[0], "`")
		if list[i] == "" {
			list[i] = c
		} else {
			list[i] += " AS " + c
		}
	}
	from := ident(catalog) + "." + ident(schema) + "." + ident(table)
	if converted {
		from = mysqlRead(catalog, "SELECT "+strings.Join(list, ", ")+" FROM "+quoteMySQL(schema)+"."+quoteMySQL(table))
	}
	native, err := s.nativeColumns(ctx, "FROM "+from)
	if err != nil {
		return nil, err
	}
	for i, n := range native {
		native[i].Detect = detect[i]
		if n.Type == "BLOB" { // text with a binary collation, as the real blobs are text by now
			native[i].Raw, native[i].Type = "decode("+n.Raw+")", "VARCHAR"
		}
	}
	return s.mysqlMount(ctx, in, from, native)
}

func (s *Session) mysqlMount(ctx context.Context, in engine.Input, from string, native []nativeColumn) (*mount, error) {
	m, err := s.typedMount(ctx, in, from, native, numberFormat{point: "."})
	if err != nil {
		return nil, err
	}
	m.Consistency = "snapshot"
	return m, nil
}

// mysqlText quotes a text literal for MySQL, where a backslash escapes.
func mysqlText(v string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(v) + "'"
}
