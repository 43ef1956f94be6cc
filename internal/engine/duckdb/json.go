package duckdb

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/source"
)

// mountJSON mounts JSON records, in an array or one a line. Names and types
// come from all records, so that a key that occurs late is not missed.
//
// The reader passes numbers through 64-bit floats, which hold 15 decimal digits
// exactly. Numbers are read as text, and become decimals where no value has
// more; columns with longer ones stay floats.
func (s *Session) mountJSON(ctx context.Context, in engine.Input) (*mount, error) {
	paths, err := s.files(ctx, in.Source)
	if err != nil {
		return nil, err
	}
	format := "auto"
	if in.Source.Format == source.NDJSON {
		format = "newline_delimited"
	}
	argsOf := func(paths []string) string {
		return listPaths(in.Source, paths) + ", format='" + format + "'" + compressionArg(in.Source)
	}
	args := argsOf(paths)
	found, err := s.nativeColumns(ctx, "FROM read_json("+args+", sample_size=-1)")
	if err != nil {
		return nil, s.jsonError(ctx, in.Source, err)
	}
	exact, err := s.exactNumbers(ctx, args, found)
	if err != nil {
		return nil, err
	}
	columns := make([]string, len(found))
	native := make([]nativeColumn, len(found))
	for i, c := range found {
		read := "VARCHAR"
		n := nativeColumn{Name: c.Name, Type: "VARCHAR", Raw: ident(c.Name)}
		switch t := kallaType(c.Type); {
		case t.Kind == kalla.Other || c.Type == "JSON":
			read, n.Type = "JSON", "JSON"
		case t.Kind == kalla.Boolean:
			read, n.Type = "BOOLEAN", "BOOLEAN"
		case t.Kind == kalla.Float && !exact[c.Name]:
			read, n.Type = "DOUBLE", "DOUBLE"
		case t.Numeric(), t.Temporal():
			n.Detect = true
		}
		columns[i] = text(c.Name) + ": '" + read + "'"
		native[i] = n
	}
	read := func(paths []string) string {
		return fmt.Sprintf("read_json(%s, columns={%s})", argsOf(paths), strings.Join(columns, ", "))
	}
	m, err := s.typedMount(ctx, in, read(paths), native, numberFormat{point: "."})
	if err == nil && in.Source.Type != source.File {
		m.Pieces = divideFiles(paths, read)
	}
	return m, err
}

// exactNumbers returns the float columns in which no number has an exponent or more than 15 digits.
func (s *Session) exactNumbers(ctx context.Context, args string, found []nativeColumn) (map[string]bool, error) {
	exact := map[string]bool{}
	var columns, tests, names []string
	for _, c := range found {
		if kallaType(c.Type).Kind == kalla.Float {
			columns = append(columns, text(c.Name)+": 'VARCHAR'")
			tests = append(tests, fmt.Sprintf("coalesce(bool_and(strlen(replace(ltrim(%[1]s, '-0.'), '.', '')) <= 15 AND NOT contains(%[1]s, 'e')), true)", c.Raw))
			names = append(names, c.Name)
		}
	}
	if len(names) == 0 {
		return exact, nil
	}
	results, targets := make([]bool, len(names)), make([]any, len(names))
	for i := range results {
		targets[i] = &results[i]
	}
	q := fmt.Sprintf("SELECT %s FROM read_json(%s, columns={%s})", strings.Join(tests, ", "), args, strings.Join(columns, ", "))
	if err := s.conn.QueryRowContext(ctx, q).Scan(targets...); err != nil {
		return nil, err
	}
	for i, name := range names {
		exact[name] = results[i]
	}
	return exact, nil
}

// jsonError says that a file is no JSON, and of records one a line, which line
// is none: the reader's own count is not to be relied on.
func (s *Session) jsonError(ctx context.Context, src source.Source, err error) error {
	err = contentError(src, err, "JSON")
	var known *kalla.Error
	if src.Format != source.NDJSON || src.Type != source.File || !errors.As(err, &known) {
		return err
	}
	paths, filesErr := s.files(ctx, src)
	if filesErr != nil {
		return err
	}
	for _, path := range paths {
		if n := brokenLine(src, path); n > 0 {
			known.Where, known.Why = fmt.Sprintf("%s line %d", path, n), "the line is not valid JSON"
			known.Hint = "each line of the file must hold one whole JSON object"
			break
		}
	}
	return err
}

// brokenLine returns the first line of a local file that is not JSON, or 0.
func brokenLine(src source.Source, path string) int {
	r, err := openText(src, path)
	if err != nil {
		return 0
	}
	defer r.Close()
	in := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 && !json.Valid(line) {
			return n
		}
		if err != nil {
			return 0
		}
	}
}
