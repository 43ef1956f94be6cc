package evidence

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"kalla"
)

const exporting = "exporting evidence"

// Format is what evidence is exported to.
type Format string

// The export formats.
const (
	XLSX    Format = "xlsx"    // one workbook
	CSV     Format = "csv"     // a folder of UTF-8 files with a header line
	Parquet Format = "parquet" // evidence again, with one file a table; hashes checked
)

// ExportOptions say how evidence is exported.
type ExportOptions struct {
	Format Format
	// Raw leaves texts in CSV files as they are. Otherwise one that a
	// spreadsheet would run as a formula gets an apostrophe in front, as OWASP
	// advises; numbers and dates are never changed.
	Raw bool
	// SheetRows is the most rows of a worksheet, header included; 0 means what
	// the format allows, 1,048,576.
	SheetRows int
}

// Export writes evidence to dest, a file for XLSX and a folder
// otherwise, and returns the paths of what was written. dest must not exist,
// and appears only when it is complete. Memory does not grow with the records.
func Export(ctx context.Context, l Location, dest string, o ExportOptions, q Querier) ([]string, error) {
	m, err := Load(ctx, l)
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]Format{XLSX, CSV, Parquet}, o.Format) {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: exporting, Why: fmt.Sprintf("there is no format %q", o.Format), Hint: "use xlsx, csv or parquet"}
	}
	final, err := filepath.Abs(dest)
	if err != nil {
		return nil, writeError(exporting, dest, err)
	}
	if _, err := os.Lstat(final); err == nil {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: exporting, Where: dest, Why: "it exists already", Hint: "choose another name, or remove it"}
	}
	if err := os.MkdirAll(filepath.Dir(final), 0o750); err != nil {
		return nil, writeError(exporting, dest, err)
	}
	dir, release, err := l.fetch(ctx, m)
	if err != nil {
		return nil, err
	}
	defer release()
	e := exporter{dir: dir, manifest: m, options: o, q: q}
	temp, err := os.MkdirTemp(filepath.Dir(final), "."+filepath.Base(final)+".*")
	if err != nil {
		return nil, writeError(exporting, dest, err)
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o750); err != nil {
		return nil, writeError(exporting, dest, err)
	}

	result := temp
	var names []string
	switch o.Format {
	case XLSX:
		result = filepath.Join(temp, "book.xlsx")
		err = e.workbook(ctx, result)
	case CSV:
		names, err = e.csv(ctx, temp)
	case Parquet:
		names, err = e.parquet(ctx, temp)
	}
	if err != nil {
		return nil, exportError(ctx, dest, err)
	}
	if err := os.Rename(result, final); err != nil {
		return nil, writeError(exporting, dest, err)
	}
	written := []string{final}
	if len(names) > 0 {
		written = written[:0]
		for _, n := range names {
			written = append(written, filepath.Join(final, n))
		}
	}
	return written, nil
}

// exportError keeps the class of what went wrong, and that of a cancellation.
func exportError(ctx context.Context, where string, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return writeError(exporting, where, err)
}

type exporter struct {
	dir      string
	manifest *Manifest
	options  ExportOptions
	q        Querier
}

// tables are those that the evidence has.
func (e *exporter) tables() []table {
	var out []table
	for _, name := range Tables() {
		if t, ok := e.manifest.Table(name); ok {
			out = append(out, openTable(e.q, e.dir, t))
		}
	}
	return out
}

// order is the order of rows of an exported table: that of the keys, whatever
// order the engine wrote them in.
func (e *exporter) order(table string, cols []column) string {
	var names []string
	switch table {
	case MatchedFile:
		names = []string{"match_id"}
		for _, s := range []kalla.Side{kalla.Left, kalla.Right} {
			src, _ := e.manifest.Side(s)
			for _, k := range src.PrimaryKey {
				names = append(names, matchedColumn(s, k))
			}
		}
	case UnmatchedLeftFile:
		names = e.manifest.Left.PrimaryKey
	case UnmatchedRightFile:
		names = e.manifest.Right.PrimaryKey
	}
	if len(names) == 0 || requireColumns(cols, names) != nil {
		return "ALL"
	}
	return idents(names)
}

// csv writes each table with the engine's own writer.
func (e *exporter) csv(ctx context.Context, folder string) ([]string, error) {
	var names []string
	for _, t := range e.tables() {
		cols, err := t.columns(ctx)
		if err != nil {
			return nil, unreadable(t.file, err)
		}
		list := make([]string, len(cols))
		for i, c := range cols {
			list[i] = ident(c.name)
			if !e.options.Raw {
				list[i] = guarded(c) + " AS " + ident(guard(c.name))
			}
		}
		name := strings.TrimSuffix(t.Name, ".parquet") + ".csv"
		query := fmt.Sprintf("COPY (SELECT %s FROM (SELECT * FROM %s ORDER BY %s)) TO %s (FORMAT csv, HEADER)",
			strings.Join(list, ", "), t.from, e.order(t.Name, cols), literal(filepath.Join(folder, name)))
		if err := e.execute(ctx, query); err != nil {
			return nil, unreadable(t.file, err)
		}
		names = append(names, name)
	}
	return names, nil
}

// execute runs a statement whose rows tell nothing.
func (e *exporter) execute(ctx context.Context, query string) error {
	rows, err := e.q.Query(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return rows.Err()
}

// formulaStarts are the first characters that make a spreadsheet run a text.
var formulaStarts = []rune{'=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'}

// guarded is the column as an expression that no spreadsheet runs.
func guarded(c column) string {
	if c.decimal() || c.float() || c.integer() || c.boolean() || c.temporal() {
		return ident(c.name)
	}
	codes := make([]string, len(formulaStarts))
	for i, r := range formulaStarts {
		codes[i] = fmt.Sprintf("chr(%d)", r)
	}
	text := "CAST(" + ident(c.name) + " AS VARCHAR)"
	return fmt.Sprintf("CASE WHEN left(%s, 1) IN (%s) THEN '''' || %[1]s ELSE %[1]s END", text, strings.Join(codes, ", "))
}

// guard does for a header what guarded does for values.
func guard(s string) string {
	if first, _ := utf8.DecodeRuneInString(s); slices.Contains(formulaStarts, first) {
		return "'" + s
	}
	return s
}

// parquet copies the folder and refuses what does not have its hash. Tables in
// parts become files, and the manifest says so: it is evidence of the same run.
func (e *exporter) parquet(ctx context.Context, folder string) ([]string, error) {
	var names []string
	for _, name := range append([]string{ManifestFile}, sortedKeys(e.manifest.Files)...) {
		if !local(name) {
			return nil, &kalla.Error{Code: kalla.CodeEvidence, Op: exporting, Where: ManifestFile, Why: fmt.Sprintf("it names %q, which is not a file of the folder", name)}
		}
		from := filepath.Join(e.dir, filepath.FromSlash(name))
		var sum string
		var err error
		switch {
		case name == ManifestFile && len(e.manifest.Tables) > 0:
			continue // another one comes last
		case isPart(name):
			var f File
			f, err = hashFile(ctx, from, false)
			sum = f.SHA256
		default:
			sum, err = copyFile(ctx, from, filepath.Join(folder, name))
			names = append(names, name)
		}
		if err != nil {
			return nil, writeError(exporting, name, err)
		}
		if want := e.manifest.Files[name].SHA256; name != ManifestFile && sum != want {
			return nil, &kalla.Error{Code: kalla.CodeEvidence, Op: exporting, Where: name, Why: "the file was changed: its SHA-256 is not that of the manifest", Hint: "see kalla evidence verify"}
		}
	}
	if len(e.manifest.Tables) == 0 {
		return names, nil
	}
	merged, err := e.merge(ctx, folder)
	return append(append([]string{ManifestFile}, merged...), names...), err
}

// merge writes each table in parts as one file, and the manifest of what the folder holds then.
func (e *exporter) merge(ctx context.Context, folder string) ([]string, error) {
	m := *e.manifest
	m.Format, m.Tables, m.Summary.Parts = 1, nil, false
	m.Files = maps.Clone(m.Files)
	maps.DeleteFunc(m.Files, func(name string, _ File) bool { return isPart(name) })
	if err := writeJSON(filepath.Join(folder, SummaryFile), m.Summary); err != nil {
		return nil, err
	}
	changed := []string{SummaryFile}
	var names []string
	for _, t := range e.tables() {
		if !t.parts {
			continue
		}
		query := fmt.Sprintf("COPY (SELECT * FROM %s) TO %s (FORMAT parquet, COMPRESSION zstd)", t.from, literal(filepath.Join(folder, t.Name)))
		if err := e.execute(ctx, query); err != nil {
			return nil, unreadable(t.file, err)
		}
		m.Files[t.Name] = File{Rows: t.Rows, Schema: t.Schema}
		names, changed = append(names, t.Name), append(changed, t.Name)
	}
	hashed, err := hashAll(ctx, folder, changed, false)
	if err != nil {
		return nil, err
	}
	for name, f := range hashed {
		f.Rows, f.Schema = m.Files[name].Rows, m.Files[name].Schema
		m.Files[name] = f
	}
	return names, writeJSON(filepath.Join(folder, ManifestFile), m)
}

func copyFile(ctx context.Context, from, to string) (sum string, err error) {
	in, err := os.Open(from)
	if err != nil {
		return "", err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	h := sha256.New()
	if _, err := io.CopyBuffer(io.MultiWriter(out, h), contextReader{ctx, in}, make([]byte, 1<<20)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// unreadable is the error of a query over an evidence file.
func unreadable(file string, err error) error {
	if kalla.CodeOf(err) == kalla.CodeCanceled {
		return err
	}
	return &kalla.Error{Code: kalla.CodeEvidence, Op: exporting, Where: file, Why: firstLine(err), Err: err, Hint: "see kalla evidence verify"}
}
