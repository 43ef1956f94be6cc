package main

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	_ "github.com/duckdb/duckdb-go/v2" // the database/sql driver "duckdb", of Kalla's version
)

//go:embed plain/*.sql
var scripts embed.FS

var (
	variable = regexp.MustCompile(`\$\{([A-Z]+)\}`)
	stepLine = regexp.MustCompile(`(?m)^-- step: (.*)$`)
)

// plain executes a script in a fresh in-memory DuckDB and prints what each of
// its steps took. ${NAME} in it is taken from the environment.
func plain(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: bench plain csv|postgres|FILE.sql")
	}
	text, err := scripts.ReadFile("plain/" + args[0] + ".sql")
	if err != nil {
		if text, err = os.ReadFile(filepath.Clean(args[0])); err != nil {
			return err
		}
	}
	var missing error
	script := variable.ReplaceAllStringFunc(string(text), func(m string) string {
		name := variable.FindStringSubmatch(m)[1]
		value, ok := os.LookupEnv(name)
		if !ok {
			missing = fmt.Errorf("%s: the environment variable %s is not set", args[0], name)
		}
		return strings.ReplaceAll(value, "'", "''")
	})
	if missing != nil {
		return missing
	}

	start := time.Now()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	fmt.Fprintf(stdout, "%-22s %6d ms\n", "opening", time.Since(start).Milliseconds())
	marks := stepLine.FindAllStringSubmatchIndex(script, -1)
	for i, m := range marks {
		end := len(script)
		if i+1 < len(marks) {
			end = marks[i+1][0]
		}
		began := time.Now()
		if _, err := conn.ExecContext(ctx, script[m[1]:end]); err != nil {
			return fmt.Errorf("%s: %w", script[m[2]:m[3]], err)
		}
		fmt.Fprintf(stdout, "%-22s %6d ms\n", script[m[2]:m[3]], time.Since(began).Milliseconds())
	}
	return nil
}
