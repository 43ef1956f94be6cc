package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// check compares the three Parquet files of a folder with a truth, key by key.
func check(ctx context.Context, args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("usage: bench check TRUTH.csv FOLDER LEFT-KEY RIGHT-KEY (columns of matched.parquet)")
	}
	truth, dir, left, right := args[0], args[1], args[2], args[3]
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return err
	}
	defer db.Close()
	file := func(name string) string {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err != nil { // a cluster writes a folder of parts
			path = filepath.Join(strings.TrimSuffix(path, ".parquet"), "*.parquet")
		}
		return "read_parquet(" + literal(path) + ")"
	}
	// EXCEPT ALL both ways: a pair that is listed twice is a difference.
	query := fmt.Sprintf(`
WITH truth AS MATERIALIZED (
  SELECT left_key, right_key FROM read_csv(%s, header = true, all_varchar = true)
), found AS MATERIALIZED (
  SELECT %s::VARCHAR AS left_key, %s::VARCHAR AS right_key FROM %s
  UNION ALL SELECT invoice_id::VARCHAR, NULL FROM %s
  UNION ALL SELECT NULL, payment_id::VARCHAR FROM %s
), differences AS (
  SELECT 'not true' AS what, * FROM (FROM found EXCEPT ALL FROM truth)
  UNION ALL SELECT 'not found', * FROM (FROM truth EXCEPT ALL FROM found)
)
SELECT what, count(*), coalesce(min(coalesce(left_key, '-') || ' with ' || coalesce(right_key, '-')), '') FROM differences GROUP BY what ORDER BY what`,
		literal(truth), identifier(left), identifier(right), file("matched.parquet"),
		file("unmatched_left.parquet"), file("unmatched_right.parquet"))
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	var faults []string
	for rows.Next() {
		var what, example string
		var n int64
		if err := rows.Scan(&what, &n, &example); err != nil {
			return err
		}
		faults = append(faults, fmt.Sprintf("%d lines are %s, such as %s", n, what, example))
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if len(faults) > 0 {
		return fmt.Errorf("%s: %s", dir, strings.Join(faults, "; "))
	}
	return nil
}

func literal(s string) string    { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
func identifier(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
