package duckdb

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"kalla"
	"kalla/internal/machine"
	"kalla/internal/source"
)

// locate returns the error for the first value of column i for which the
// condition holds, with its file and line.
func (s *Session) locate(ctx context.Context, f *csvFile, i int, condition, why, hint string) error {
	for n, path := range f.paths {
		record, value, err := s.firstBad(ctx, f, f.read[n], i, condition)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return f.readError(err)
		}
		where := fmt.Sprintf("%s record %d", path, record)
		if f.src.Type == source.File {
			if line, err := lineOfRecord(f, path, record); err == nil {
				where = fmt.Sprintf("%s line %d", path, line)
			}
		}
		return &kalla.Error{Code: kalla.CodeSource, Where: where + " column " + f.names[i],
			Why: fmt.Sprintf("the value %q %s", shorten(value), why), Hint: hint}
	}
	return &kalla.Error{Code: kalla.CodeSource, Where: f.src.Location(), Why: "the file changed while it was read"}
}

// firstBad returns the number of the first record, from 1, and its value.
func (s *Session) firstBad(ctx context.Context, f *csvFile, path string, i int, condition string) (record int64, value string, err error) {
	x := rawName(i)
	q := fmt.Sprintf("SELECT n, %s FROM (SELECT row_number() OVER () AS n, %s FROM %s) WHERE %s IS NOT NULL AND (%s) ORDER BY n LIMIT 1",
		x, x, f.fromPaths([]string{path}, ", parallel=false"), x, condition)
	err = s.inOrder(ctx, func() error { return s.conn.QueryRowContext(ctx, q).Scan(&record, &value) })
	return record, value, err
}

// lineOfRecord counts physical lines, as quoted fields may hold line breaks.
func lineOfRecord(f *csvFile, path string, record int64) (int, error) {
	r, err := openText(f.src, path)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	rr, err := newRecordReader(r, f.dialect)
	if err != nil {
		return 0, err
	}
	rr.single = len(f.names) == 1
	if f.header {
		record++
	}
	for {
		_, line, err := rr.next()
		if err != nil {
			return 0, err
		}
		if record--; record == 0 {
			return line, nil
		}
	}
}

// misfit returns the error for a value that does not fit the declared type of column i.
func (s *Session) misfit(ctx context.Context, f *csvFile, i int, c column) error {
	cast := fill(c.Cast, rawName(i), "")
	condition := "NOT coalesce(" + fill(c.Fits, rawName(i), "("+cast+")") + ", false)"
	return s.locate(ctx, f, i, condition, "does not fit the type "+typeText(c.Type),
		"correct the value, or the type in the recipe's types")
}

const (
	notANumber     = "is not a number, which the recipe takes the column for"
	notANumberHint = "correct the value, filter the record out, or compare the column as text"
)

// numericCSV is numericText for a column of a file; a value that is no number is an error with its line.
func (s *Session) numericCSV(ctx context.Context, f *csvFile, i int, nf numberFormat) (kalla.Type, error) {
	t, bad, err := s.numericText(ctx, f.from(""), rawName(i), nf)
	var known *kalla.Error
	switch {
	case errors.As(err, &known):
		known.Where = f.src.Location() + " column " + f.names[i]
		return t, known
	case err != nil:
		return t, f.readError(err)
	case bad > 0:
		return t, s.locate(ctx, f, i, nf.notNumber(rawName(i)), notANumber, notANumberHint)
	}
	return t, nil
}

// typeText writes a type as a recipe does.
func typeText(t kalla.Type) string {
	s := string(t.Kind)
	if t.Kind == kalla.DecimalKind {
		s = fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	}
	if t.Format != "" {
		s += " with format " + t.Format
	}
	return s
}

var (
	csvErrorLine   = regexp.MustCompile(`CSV Error on Line: (\d+)`)
	csvErrorFile   = regexp.MustCompile(`(?m)^\s*file ?= ?(.*)$`)
	csvErrorFields = regexp.MustCompile(`Expected Number of Columns: (\d+) Found: (\d+)`)
)

// readError makes what the CSV reader says short, and names file and line.
func (f *csvFile) readError(err error) error {
	message := err.Error()
	m := csvErrorLine.FindStringSubmatch(message)
	if m == nil && strings.Contains(message, "reached an invalid state") {
		m = []string{"", "1"}
	}
	if m == nil {
		return f.contentError(err)
	}
	path := f.paths[0]
	if file := csvErrorFile.FindStringSubmatch(message); file != nil {
		if n := slices.Index(f.read, strings.TrimSpace(file[1])); n >= 0 {
			path = f.paths[n]
		}
	}
	e := &kalla.Error{Code: kalla.CodeSource, Where: path + " line " + m[1]}
	line, _ := strconv.Atoi(m[1])
	if exact := f.faultyLine(path); exact > 0 {
		line = exact
		e.Where = fmt.Sprintf("%s line %d", path, line)
	}
	switch fields := csvErrorFields.FindStringSubmatch(message); {
	case fields != nil:
		e.Why = fmt.Sprintf("the line has %s fields where %s are expected", fields[2], fields[1])
		e.Hint = fmt.Sprintf("fields are separated by %q; a field that holds it must be quoted", string(rune(f.dialect.Delimiter)))
		if line <= f.dialect.Skip+5 {
			e.Hint += fmt.Sprintf("; if the table begins further down, set the option skip to the number of lines above its header (%d is used)", f.dialect.Skip)
		}
	case strings.Contains(message, "unterminated quote"):
		e.Why = "a quoted field is not closed"
		e.Hint = "double a quote inside a quoted field, or set the option quote"
	case strings.Contains(message, "Maximum line size"):
		e.Why = errLineTooLong.Error()
		e.Hint = "look for a quote that is not closed, or check that this is a CSV file"
	case strings.Contains(message, "unicode") || strings.Contains(message, "not utf-8"):
		e.Why = fmt.Sprintf("the text is not %s", encodingName(f.src))
		e.Hint = "set the option encoding, for example latin-1, windows-1252 or utf-16"
	case strings.Contains(message, "reached an invalid state"):
		e.Why, e.Hint = "the line is not well-formed CSV", "look for misplaced quotes, or set the option quote: none"
		if mixed := f.mixedLine(path); mixed > 0 {
			e.Where = fmt.Sprintf("%s line %d", path, mixed)
			e.Why, e.Hint = "the line ends in another way than those before it (LF, or CR and LF)", "bring the line endings to one form, for example with dos2unix"
		}
	default:
		_, rest, _ := strings.Cut(message, "\n")
		e.Why, _, _ = strings.Cut(rest, "\n")
	}
	return e
}

// faultyLine reads a local file up to its first malformed record and returns
// the line that it starts on, or 0: the engine counts records, not lines.
func (f *csvFile) faultyLine(path string) int {
	if f.src.Type != source.File {
		return 0
	}
	r, err := openText(f.src, path)
	if err != nil {
		return 0
	}
	defer r.Close()
	rr, err := newRecordReader(r, f.dialect)
	rr.single = len(f.names) == 1
	for err == nil {
		var fields []string
		var line int
		fields, line, err = rr.next()
		switch {
		case errors.Is(err, errLineTooLong) || errors.Is(err, errOpenQuote):
			return line
		case err == nil && len(fields) != len(f.names):
			return line
		case err == nil && slices.ContainsFunc(fields, func(s string) bool { return !utf8.ValidString(s) }):
			return line
		}
	}
	return 0
}

// mixedLine returns the first line of a local file that ends in another way than the first, or 0.
func (f *csvFile) mixedLine(path string) int {
	if f.src.Type != source.File {
		return 0
	}
	r, err := openText(f.src, path)
	if err != nil {
		return 0
	}
	defer r.Close()
	in, first := bufio.NewReader(r), false
	before, line := byte(0), 1
	for {
		c, err := in.ReadByte()
		if err != nil {
			return 0
		}
		if c == '\n' {
			crlf := before == '\r'
			if line == 1 {
				first = crlf
			} else if crlf != first {
				return line
			}
			line++
		}
		before = c
	}
}

// contentError is for errors without a line.
func (f *csvFile) contentError(err error) error {
	message := err.Error()
	where := f.src.Location()
	switch {
	case strings.Contains(message, "not utf-8 encoded") || strings.Contains(message, "is not encoded as"):
		return &kalla.Error{Code: kalla.CodeSource, Where: where, Why: "the text is not " + encodingName(f.src),
			Hint: "set the option encoding, for example latin-1, windows-1252 or utf-16"}
	case f.src.Has("compression") && (strings.Contains(message, "decompress") || strings.Contains(message, "GZIP") || strings.Contains(message, "gzip") || strings.Contains(message, "ZSTD")):
		return &kalla.Error{Code: kalla.CodeSource, Where: where, Why: "the compressed data is damaged: " + plainMessage(err),
			Hint: "copy the file again, or set the option compression"}
	}
	return err
}

// fileError says why a local file cannot be opened or read.
func fileError(path string, err error) *kalla.Error {
	e := &kalla.Error{Code: kalla.CodeSource, Where: path, Err: err}
	var known *kalla.Error
	switch {
	case errors.As(err, &known):
		e.Why, e.Hint = known.Why, known.Hint
	case machine.DiskFull(err):
		e.Code, e.Why = kalla.CodeLimit, "the disk for temporary files is full, which its copy in UTF-8 needs"
		e.Hint = "free space in the temporary folder, or name another with --temp-dir"
	case errors.Is(err, fs.ErrNotExist):
		e.Why = "there is no such file"
	case errors.Is(err, fs.ErrPermission):
		e.Why, e.Hint = "the file may not be read", "check its permissions"
	case strings.Contains(err.Error(), "gzip"):
		e.Why, e.Hint = "the file is not gzip data, or is damaged", "set the option compression: none if it is not compressed"
	case strings.Contains(err.Error(), "zstd") || strings.Contains(err.Error(), "magic number"):
		e.Why, e.Hint = "the file is not zstd data, or is damaged", "set the option compression: none if it is not compressed"
	case errors.Is(err, io.ErrUnexpectedEOF):
		e.Why, e.Hint = "the compressed data is damaged or cut off: "+err.Error(), "copy the file again"
	default:
		e.Why = err.Error()
	}
	return e
}
