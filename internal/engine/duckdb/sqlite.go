package duckdb

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"kalla/internal/engine"
)

// mountSQLite mounts a table or query. SQLite's declared types promise nothing
// about the values, so these are read as text and typed by what they are:
//
//   - columns declared as text stay text;
//   - columns declared REAL, FLOAT or DOUBLE stay floats while all values are numbers;
//   - the others, DECIMAL and NUMERIC among them, become integers, decimals,
//     dates or text. Decimals that SQLite stores as floats have the 15 digits that SQLite shows.
func (s *Session) mountSQLite(ctx context.Context, in engine.Input, catalog string) (*mount, error) {
	src := in.Source
	relation := "(" + strings.TrimRight(strings.TrimSpace(src.Query), ";") + ")"
	var names, declared []string
	if src.Query != "" {
		found, err := s.nativeColumns(ctx, "FROM "+remoteQuery(src.Type, catalog, src.Query))
		if err != nil {
			return nil, err
		}
		for _, c := range found {
			names, declared = append(names, c.Name), append(declared, "")
		}
	} else {
		relation = quotePG(src.Table)
		rows, err := s.remote(ctx, src.Type, catalog, "SELECT name, type FROM pragma_table_info("+text(src.Table)+")", 2)
		if err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			tables, err := s.remote(ctx, src.Type, catalog, "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name", 1)
			if err != nil {
				return nil, err
			}
			return nil, tableFault(src, firstColumn(tables))
		}
		for _, r := range rows {
			names, declared = append(names, *r[0]), append(declared, strings.ToUpper(*r[1]))
		}
	}
	native := make([]nativeColumn, len(names))
	list := make([]string, len(names))
	var floats, tests []string
	for i, name := range names {
		c := quotePG(name)
		native[i] = nativeColumn{Name: name, Type: "VARCHAR", Raw: rawName(i), Detect: true}
		value := "CAST(" + c + " AS TEXT)"
		switch d := declared[i]; {
		case containsAny(d, "CHAR", "CLOB", "TEXT"):
			native[i].Detect = false
		case containsAny(d, "REAL", "FLOA", "DOUB"):
			floats = append(floats, name)
			tests = append(tests, fmt.Sprintf("CAST(coalesce(max(typeof(%s) NOT IN ('real', 'integer', 'null')), 0) AS TEXT) AS t%d", c, len(tests)))
		}
		list[i] = "CASE typeof(" + c + ") WHEN 'blob' THEN '\\x' || lower(hex(" + c + ")) ELSE " + value + " END AS " + rawName(i)
	}
	if len(floats) > 0 {
		mixed, err := s.remote(ctx, src.Type, catalog, "SELECT "+strings.Join(tests, ", ")+" FROM "+relation, len(tests))
		if err != nil {
			return nil, err
		}
		for i, name := range names {
			for j, f := range floats {
				if f == name && *mixed[0][j] == "0" {
					// Seventeen digits bring back the same float.
					list[i] = fmt.Sprintf("printf('%%.17g', %s) AS %s", quotePG(name), rawName(i))
					list[i] = "CASE WHEN " + quotePG(name) + " IS NOT NULL THEN " + strings.Replace(list[i], " AS ", " END AS ", 1)
					native[i] = nativeColumn{Name: name, Type: "DOUBLE", Raw: "CAST(" + rawName(i) + " AS DOUBLE)"}
				}
			}
		}
	}
	from := remoteQuery(src.Type, catalog, "SELECT "+strings.Join(list, ", ")+" FROM "+relation)
	// The transaction's first read takes the lock, or the snapshot of the log,
	// that holds to its end; the fingerprint before it may be older, never newer.
	fingerprint, err := sqliteFingerprint(src.Path)
	if err != nil {
		return nil, err
	}
	m, err := s.typedMount(ctx, in, from, native, numberFormat{point: "."})
	if err != nil {
		return nil, err
	}
	m.Fingerprint, m.Consistency = fingerprint, "snapshot"
	return m, nil
}

// sqliteFingerprint is the size and time of the database and of its log.
func sqliteFingerprint(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fileError(path, err)
	}
	out := fmt.Sprintf("size:%d,mtime:%s", info.Size(), info.ModTime().UTC().Format(timeFormat))
	if log, err := os.Stat(path + "-wal"); err == nil && log.Size() > 0 {
		out += fmt.Sprintf(",log:%d,%s", log.Size(), log.ModTime().UTC().Format(timeFormat))
	}
	return out, nil
}

func containsAny(s string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(s, p) })
}
