package duckdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/source"
)

// csvFile is a CSV source whose layout is known.
type csvFile struct {
	src     source.Source
	paths   []string // the files of a glob, in order; one otherwise
	read    []string // the same, or copies of them in UTF-8
	dialect csvDialect
	header  bool
	names   []string
	head    string // of the first file, until the types are known
}

// headBytes bounds what is read to find the dialect, the header and a first
// guess at the types. A wrong guess costs time, never a wrong value.
const headBytes = 1 << 20

// sampleRows is how many rows the engine makes the guess from where the head does not serve.
const sampleRows = 20_000

// sniffBytes is how much of the head the delimiter is found in.
const sniffBytes = 64 << 10

// mountCSV finds the dialect, the names and the types of a CSV source.
func (s *Session) mountCSV(ctx context.Context, in engine.Input) (*mount, error) {
	f, err := s.openCSV(ctx, in.Source)
	if err != nil {
		return nil, err
	}
	declared, err := declaredTypes(in, f.names)
	if err != nil {
		return nil, err
	}
	classes, ok := f.classifyHead(f.head, declared)
	f.head = ""
	if !ok {
		if classes, err = s.classify(ctx, f, declared, sampleRows); err != nil {
			return nil, f.readError(err)
		}
	}
	return s.csvMount(ctx, in, f, declared, classes)
}

// csvMount builds the mount from what is declared and what was seen.
func (s *Session) csvMount(ctx context.Context, in engine.Input, f *csvFile, declared []*kalla.Type, classes []valueClass) (*mount, error) {
	m := &mount{From: f.from(""), Columns: make([]column, len(f.names))}
	nf := numberFormatOf(f.src)
	for i, name := range f.names {
		c, numeric := nf.inferredColumn(classes[i].orWanted(in, name)), false
		if t := declared[i]; t != nil {
			c, numeric = nf.declaredColumn(*t), unsizedDecimal(*t)
		} else if c.Type.Kind == kalla.Text && classes[i].forms != 0 {
			numeric = slices.Contains(in.Numeric, name)
		}
		if numeric {
			t, err := s.numericCSV(ctx, f, i, nf)
			if err != nil {
				return nil, err
			}
			c = nf.declaredColumn(t)
		}
		c.Name, c.Raw = name, rawName(i)
		m.Columns[i] = c
	}
	if f.src.Type == source.File {
		m.Verify = f.verify
	} else {
		m.Pieces = divideFiles(f.read, func(paths []string) string { return f.fromPaths(paths, "") })
	}
	m.Retype = func(ctx context.Context, failed error) (*mount, error) {
		i, ok := misfitColumn(failed)
		if !ok {
			return nil, f.readError(failed)
		}
		if m.Columns[i].Declared {
			return nil, s.misfit(ctx, f, i, m.Columns[i])
		}
		all, err := s.classify(ctx, f, declared, 0)
		if err != nil {
			return nil, f.readError(err)
		}
		return s.csvMount(ctx, in, f, declared, all)
	}
	return m, nil
}

func rawName(i int) string { return "c" + strconv.Itoa(i) }

// declaredTypes returns the types of the recipe by position of the column.
func declaredTypes(in engine.Input, names []string) ([]*kalla.Type, error) {
	out := make([]*kalla.Type, len(names))
	schema := make(kalla.Schema, len(names))
	for i, n := range names {
		schema[i].Name = n
	}
	for name, t := range in.Types {
		c, ok := schema.Find(name)
		if !ok {
			e := missingColumn(in, name, schema)
			e.Why = "types: " + e.Why
			return nil, e
		}
		out[slices.Index(names, c.Name)] = &t
	}
	return out, nil
}

// openCSV reads the head of the file, or of each file of a glob.
func (s *Session) openCSV(ctx context.Context, src source.Source) (*csvFile, error) {
	paths, err := s.files(ctx, src)
	if err != nil {
		return nil, err
	}
	f := &csvFile{src: src, paths: paths}
	f.read, err = s.readable(ctx, src, paths)
	if err != nil {
		return nil, err
	}
	for i, path := range paths {
		head, err := s.head(ctx, src, path)
		if err != nil {
			return nil, err
		}
		if strings.TrimSpace(head) == "" {
			if src.Type == source.File && src.Has("compression") {
				if _, err := complete(ctx, src, path); err != nil {
					return nil, err
				}
			}
			return nil, &kalla.Error{Code: kalla.CodeSource, Where: path, Why: "the file is empty",
				Hint: "a CSV file without records still needs its header line"}
		}
		if i == 0 {
			err = f.layout(head)
		} else {
			err = f.sameLayout(head, path)
		}
		if err != nil {
			return nil, err
		}
	}
	return f, nil
}

// head returns the first lines of a file, whole unless the file is longer than headBytes.
func (s *Session) head(ctx context.Context, src source.Source, path string) (string, error) {
	if src.Type != source.File {
		return s.remoteHead(ctx, src, path)
	}
	r, err := openText(src, path)
	if err != nil {
		return "", fileError(path, err)
	}
	defer r.Close()
	head, err := io.ReadAll(io.LimitReader(r, headBytes)) // grows: most of small jobs' files are
	switch text := string(head); {
	case err != nil:
		return "", fileError(path, err)
	case len(head) == headBytes: // there is more: drop the last line, which may be cut
		if i := strings.LastIndexByte(text, '\n'); i > 0 {
			return text[:i+1], nil
		}
		return "", &kalla.Error{Code: kalla.CodeSource, Where: path + " line 1", Why: fmt.Sprintf("the line is longer than %d kB", headBytes>>10),
			Hint: "check that this is a CSV file"}
	default:
		return text, nil
	}
}

// remoteHead reads lines through the engine, which has the credentials.
func (s *Session) remoteHead(ctx context.Context, src source.Source, path string) (string, error) {
	q := fmt.Sprintf("SELECT l FROM read_csv(%s, auto_detect=false, header=false, delim='\x01', quote='', escape='', strict_mode=false, "+
		"parallel=false, buffer_size=%d, columns={'l': 'VARCHAR'}%s%s) LIMIT 10000",
		text(path), 2*maxRecord, compressionArg(src), encodingArg(src))
	rows, err := s.conn.QueryContext(ctx, q)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var b strings.Builder
	for rows.Next() {
		var l *string
		if err := rows.Scan(&l); err != nil {
			return "", err
		}
		if l != nil {
			b.WriteString(*l)
		}
		b.WriteByte('\n')
	}
	return b.String(), rows.Err()
}

// layout finds dialect, header and names from the options and the head.
func (f *csvFile) layout(head string) error {
	d := csvDialect{Quote: '"', Escape: '"'}
	var err error
	if d.Skip, err = strconv.Atoi(f.src.Get("skip")); err != nil {
		return err // validated by package source
	}
	for name, at := range map[string]*byte{"delimiter": &d.Delimiter, "quote": &d.Quote, "escape": &d.Escape, "comment": &d.Comment} {
		v := f.src.Get(name)
		switch {
		case v == "":
		case v == "none" && name != "delimiter":
			*at = 0
		case v == `\t`:
			*at = '\t'
		case len(v) == 1:
			*at = v[0]
		default:
			return &kalla.Error{Code: kalla.CodeSource, Where: f.src.Location(), Why: fmt.Sprintf("the %s %q is not one ASCII character", name, v)}
		}
	}
	d.CR = !strings.Contains(head, "\n") && strings.Contains(head, "\r")
	if m := separatorLine.FindString(head); m != "" && d.Delimiter == 0 && d.Skip == 0 {
		d.Delimiter, d.Skip = m[len("sep=")], 1
	}
	if f.src.Has("quote") && !f.src.Has("escape") {
		d.Escape = d.Quote
	}
	if d.Delimiter == 0 {
		d.Delimiter = sniffDelimiter(head[:min(len(head), sniffBytes)], d)
	}
	f.head = head
	f.dialect = d
	first, err := f.firstRecord(head, f.paths[0])
	if err != nil {
		return err
	}
	f.header = f.src.Get("header") == "true" || !f.src.Has("header") && looksLikeHeader(first)
	f.names = columnNames(first, f.header)
	return nil
}

// separatorLine is the line by which a spreadsheet is told the delimiter.
var separatorLine = regexp.MustCompile(`^sep=[^\r\n]\r?\n`)

func (f *csvFile) firstRecord(head, path string) ([]string, error) {
	rr, err := newRecordReader(strings.NewReader(head), f.dialect)
	if err == nil {
		var first []string
		if first, _, err = rr.next(); err == nil {
			return first, nil
		}
	}
	e := &kalla.Error{Code: kalla.CodeSource, Where: path, Why: "the file has no records"}
	if errors.Is(err, errLineTooLong) {
		e.Why = err.Error()
	} else if f.dialect.Skip > 0 {
		e.Hint = fmt.Sprintf("skip: %d leaves nothing to read", f.dialect.Skip)
	}
	return nil, e
}

// sameLayout checks that a further file of a glob has the columns of the first.
func (f *csvFile) sameLayout(head, path string) error {
	first, err := f.firstRecord(head, path)
	if err != nil {
		return err
	}
	if f.header && !slices.Equal(columnNames(first, true), f.names) {
		return &kalla.Error{Code: kalla.CodeSource, Where: path + " line " + strconv.Itoa(f.dialect.Skip+1),
			Why:  "the header differs from that of " + f.paths[0],
			Hint: "files that are read together need the same columns in the same order"}
	}
	return nil
}

var looksLikeValue = regexp.MustCompile(`^\s*[-+(]?[$€£]?\d+([.,:/-]\d+)*\)?%?\s*$|^\d{4}-\d\d-\d\d`)

// looksLikeHeader reports whether a first record names columns: no field of it
// is a number, a date or a time.
func looksLikeHeader(fields []string) bool {
	return !slices.ContainsFunc(fields, looksLikeValue.MatchString)
}

// columnNames makes names that differ, ignoring case, as a table needs. A
// repeated name gets _1, _2, …; an empty one its position: column3.
func columnNames(fields []string, header bool) []string {
	names, seen := make([]string, len(fields)), map[string]bool{}
	for i, field := range fields {
		name := strings.TrimSpace(field)
		if !header || name == "" {
			name = "column" + strconv.Itoa(i)
		}
		unique := name
		for n := 1; seen[strings.ToLower(unique)]; n++ {
			unique = name + "_" + strconv.Itoa(n)
		}
		seen[strings.ToLower(unique)] = true
		names[i] = unique
	}
	return names
}

// from returns the table function that reads every column as text. Nothing is
// detected: what the reader would guess is known.
func (f *csvFile) from(extra string) string {
	return f.fromPaths(f.read, extra)
}

func (f *csvFile) fromPaths(paths []string, extra string) string {
	quoted := make([]string, len(paths))
	for i, p := range paths {
		if f.src.Type == source.File {
			p = literalPath(p)
		}
		quoted[i] = text(p)
	}
	columns := make([]string, len(f.names))
	for i := range columns {
		columns[i] = "'" + rawName(i) + "': 'VARCHAR'"
	}
	char := func(c byte) string {
		if c == 0 {
			return "''"
		}
		return text(string(rune(c)))
	}
	nulls := "['']"
	if n := f.src.Get("null"); n != "" {
		nulls = "['', " + text(n) + "]"
	}
	return fmt.Sprintf("read_csv([%s], auto_detect=false, header=%t, delim=%s, quote=%s, escape=%s, comment=%s, skip=%d, nullstr=%s, columns={%s}%s%s%s)",
		strings.Join(quoted, ", "), f.header, char(f.dialect.Delimiter), char(f.dialect.Quote), char(f.dialect.Escape), char(f.dialect.Comment),
		f.dialect.Skip, nulls, strings.Join(columns, ", "), f.compressionArg(), encodingArg(f.src), extra)
}

var globCharacters = regexp.MustCompile(`[*?\[]`)

// literalPath escapes what DuckDB would take for a glob: globs are expanded before.
func literalPath(p string) string {
	return globCharacters.ReplaceAllString(filepath.ToSlash(p), "[$0]")
}

// compressionArg is that of what is read: copies are not compressed.
func (f *csvFile) compressionArg() string {
	if f.read[0] != f.paths[0] {
		return ""
	}
	return compressionArg(f.src)
}

func compressionArg(src source.Source) string {
	switch c := src.Get("compression"); {
	case c == "none" && src.Format != source.CSV:
		return ", compression='uncompressed'" // read_json knows it by this name only
	case c != "":
		return ", compression=" + text(c)
	}
	return ""
}

// encodingArg names the one other encoding that DuckDB reads well by itself.
func encodingArg(src source.Source) string {
	if encodingName(src) == latin1 {
		return ", encoding='latin-1'"
	}
	return ""
}
