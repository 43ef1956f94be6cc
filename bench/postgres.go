package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/jackc/pgx/v5"

	"kalla/internal/demo"
)

// schemaOf is the PostgreSQL schema that holds a data set.
func schemaOf(d dataset) string { return "kalla_bench_" + strings.ReplaceAll(d.name, "-", "_") }

// postgresEnv tells both contenders where the tables are. Credentials go by
// the environment, where a process list does not show them.
func (b *bench) postgresEnv(d dataset) ([]string, error) {
	extensions := os.Getenv("KALLA_DUCKDB_EXTENSIONS")
	if extensions == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return nil, err
		}
		platform := strings.Replace(runtime.GOOS, "darwin", "osx", 1) + "_" + runtime.GOARCH
		extensions = filepath.Join(cache, "kalla", "duckdb", "v1.5.5", platform)
	}
	extension := filepath.Join(extensions, "postgres_scanner.duckdb_extension")
	if _, err := os.Stat(extension); err != nil {
		return nil, fmt.Errorf("%w: fetch it with scripts/duckdb-extensions.sh", err)
	}
	return []string{
		"URL=" + b.databaseURL, "SCHEMA=" + schemaOf(d), "EXTENSION=" + extension,
		"KALLA_DUCKDB_EXTENSIONS=" + extensions,
		"KALLA_BENCH_LEFT=" + b.tableURI(d, "invoices"), "KALLA_BENCH_RIGHT=" + b.tableURI(d, "payments"),
	}, nil
}

func (b *bench) tableURI(d dataset, table string) string {
	sep := "?"
	if strings.Contains(b.databaseURL, "?") {
		sep = "&"
	}
	return b.databaseURL + sep + "table=" + url.QueryEscape(schemaOf(d)+"."+table)
}

// tables are the two tables as a careful engineer declares them.
var tables = []struct{ name, file, columns string }{
	{"invoices", demo.InvoicesFile, `invoice_id text PRIMARY KEY, settlement_ref text, customer_id text NOT NULL, customer_name text NOT NULL,
		invoice_date date NOT NULL, due_date date NOT NULL, amount numeric(18,2) NOT NULL, currency text NOT NULL, status text NOT NULL, description text`},
	{"payments", demo.PaymentsFile, `payment_id text PRIMARY KEY, reference_number text, payer_id text NOT NULL, payer_name text NOT NULL,
		payment_date date NOT NULL, paid_amount numeric(18,2) NOT NULL, currency text NOT NULL, method text NOT NULL, bank text NOT NULL, memo text`},
}

// load copies a data set into its schema, unless an earlier run did.
func (b *bench) load(ctx context.Context, d dataset) (err error) {
	if b.databaseURL == "" {
		return errors.New("pg1m needs a database: name one with -postgres or KALLA_BENCH_DATABASE_URL (README.md says how to start one)")
	}
	conn, err := pgx.Connect(ctx, b.databaseURL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()

	schema, marker := schemaOf(d), fmt.Sprintf("%+v", d.cfg)
	var have *string
	err = conn.QueryRow(ctx, "SELECT obj_description(to_regnamespace($1), 'pg_namespace')", schema).Scan(&have)
	if err != nil {
		return err
	}
	if have != nil && *have == marker {
		return nil
	}
	b.logf("loading %s into PostgreSQL", d.name)
	if _, err := conn.Exec(ctx, "DROP SCHEMA IF EXISTS "+schema+" CASCADE; CREATE SCHEMA "+schema); err != nil {
		return err
	}
	for _, t := range tables {
		if _, err := conn.Exec(ctx, "CREATE TABLE "+schema+"."+t.name+" ("+t.columns+")"); err != nil {
			return err
		}
		f, err := os.Open(filepath.Join(b.dir, d.name, t.file))
		if err != nil {
			return err
		}
		_, err = conn.PgConn().CopyFrom(ctx, f, "COPY "+schema+"."+t.name+" FROM STDIN (FORMAT csv, HEADER)")
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, "VACUUM ANALYZE "+schema+"."+t.name); err != nil {
			return err
		}
	}
	_, err = conn.Exec(ctx, "COMMENT ON SCHEMA "+schema+" IS "+literal(marker))
	return err
}
