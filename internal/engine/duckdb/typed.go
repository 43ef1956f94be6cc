package duckdb

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/source"
)

// nativeColumn is a column with the engine's name of its type.
type nativeColumn struct {
	Name string
	Type string
	Raw  string // SQL that reads it; its quoted name when empty
	// Detect says that the text which Raw yields is no text in the source, or may
	// be a date there: its type follows from its values, as in a CSV file.
	Detect bool
}

// nativeColumns describes a query.
func (s *Session) nativeColumns(ctx context.Context, query string) ([]nativeColumn, error) {
	rows, err := s.conn.QueryContext(ctx, "SELECT column_name, column_type FROM (DESCRIBE "+query+")")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []nativeColumn
	for rows.Next() {
		var c nativeColumn
		if err := rows.Scan(&c.Name, &c.Type); err != nil {
			return nil, err
		}
		c.Raw = ident(c.Name)
		out = append(out, c)
	}
	return out, rows.Err()
}

// pathList writes the files of a source as a list literal.
func (s *Session) pathList(ctx context.Context, src source.Source) (string, error) {
	paths, err := s.files(ctx, src)
	if err != nil {
		return "", err
	}
	return listPaths(src, paths), nil
}

func listPaths(src source.Source, paths []string) string {
	quoted := make([]string, len(paths))
	for i, p := range paths {
		if src.Type == source.File {
			p = literalPath(p)
		}
		quoted[i] = text(p)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// mountParquet mounts Parquet files. Their columns must agree.
func (s *Session) mountParquet(ctx context.Context, in engine.Input) (*mount, error) {
	paths, err := s.files(ctx, in.Source)
	if err != nil {
		return nil, err
	}
	read := func(paths []string) string { return "read_parquet(" + listPaths(in.Source, paths) + ")" }
	from := read(paths)
	native, err := s.nativeColumns(ctx, "FROM "+from)
	if err != nil {
		return nil, contentError(in.Source, err, "Parquet")
	}
	m, err := s.typedMount(ctx, in, from, native, numberFormat{point: "."})
	if err == nil && in.Source.Type != source.File {
		m.Pieces = divideFiles(paths, read)
	}
	return m, err
}

// contentError says that a file is not what its name promises.
func contentError(src source.Source, err error, format string) error {
	if strings.Contains(err.Error(), "No magic bytes") || strings.Contains(err.Error(), "too small to be a Parquet") || strings.Contains(err.Error(), "Malformed JSON") {
		return &kalla.Error{Code: kalla.CodeSource, Where: src.Location(), Why: "this is not a valid " + format + " file: " + plainMessage(err),
			Hint: "check the file, or name its format with the option format"}
	}
	return err
}

// typedMount maps native types to Kalla's, applies the recipe's types, and
// makes decimals of text that the recipe compares as numbers.
func (s *Session) typedMount(ctx context.Context, in engine.Input, from string, native []nativeColumn, nf numberFormat) (*mount, error) {
	names := make([]string, len(native))
	for i, c := range native {
		names[i] = c.Name
	}
	declared, err := declaredTypes(in, names)
	if err != nil {
		return nil, err
	}
	limit := sampleRows
	if in.Source.Type.IsDatabase() {
		limit = 0 // a wrong guess would end the transaction, and with it the snapshot
	}
	return s.typedMountOf(ctx, in, from, native, declared, nf, limit)
}

func (s *Session) typedMountOf(ctx context.Context, in engine.Input, from string, native []nativeColumn, declared []*kalla.Type, nf numberFormat, limit int) (*mount, error) {
	raws := make([]string, len(native))
	for i, c := range native {
		if c.Detect && declared[i] == nil {
			raws[i] = c.Raw
		}
	}
	sample := from
	if limit > 0 {
		sample = fmt.Sprintf("(SELECT * FROM %s LIMIT %d)", from, limit)
	}
	classes, err := s.classifyColumns(ctx, sample, raws, nf)
	if err != nil {
		return nil, err
	}
	m := &mount{From: from, Columns: make([]column, len(native))}
	for i, n := range native {
		var c column
		switch {
		case declared[i] != nil:
			if c, err = s.declaredNative(ctx, in, from, n, *declared[i], nf); err != nil {
				return nil, err
			}
		case n.Detect:
			c = nf.inferredColumn(classes[i].orWanted(in, n.Name))
		default:
			c = nativeCast(n.Type)
		}
		if c.Type.Kind == kalla.Text && !c.Declared && slices.Contains(in.Numeric, n.Name) && !(n.Detect && classes[i].forms == 0) {
			if c, err = s.numericNative(ctx, in, from, n, nf); err != nil {
				return nil, err
			}
		}
		c.Name, c.Raw = n.Name, n.Raw
		m.Columns[i] = c
	}
	m.Retype = func(ctx context.Context, failed error) (*mount, error) {
		i, ok := misfitColumn(failed)
		switch {
		case !ok:
			return nil, failed
		case !m.Columns[i].Declared && native[i].Detect:
			return s.typedMountOf(ctx, in, from, native, declared, nf, 0)
		}
		c := m.Columns[i]
		cast := fill(c.Cast, "x", "")
		return nil, s.exampleError(ctx, in, from, native[i], "("+fill(c.Fits, "x", "("+cast+")")+") IS NOT TRUE",
			"does not fit the type "+typeText(c.Type), "correct the value, or the type in the recipe's types")
	}
	return m, nil
}

// numericNative makes a decimal column of text that the recipe compares as numbers.
func (s *Session) numericNative(ctx context.Context, in engine.Input, from string, n nativeColumn, nf numberFormat) (column, error) {
	t, bad, err := s.numericText(ctx, from, n.Raw, nf)
	if err != nil {
		return column{}, err
	}
	if bad > 0 {
		return column{}, s.exampleError(ctx, in, from, n, nf.notNumber("x"), notANumber, notANumberHint)
	}
	return nf.declaredColumn(t), nil
}

// exampleError names the least value of a column for which the condition over
// x holds, and how many there are: where records have no lines, that finds them.
func (s *Session) exampleError(ctx context.Context, in engine.Input, from string, n nativeColumn, condition, why, hint string) error {
	var count int64
	var value *string
	q := fmt.Sprintf("SELECT count(*), min(CAST(x AS VARCHAR)) FROM (SELECT %s AS x FROM %s) WHERE x IS NOT NULL AND %s", n.Raw, from, condition)
	if err := s.conn.QueryRowContext(ctx, q).Scan(&count, &value); err != nil {
		return err
	}
	e := &kalla.Error{Code: kalla.CodeSource, Where: in.Source.Location() + " column " + n.Name, Why: "the data changed while it was read", Hint: hint}
	if value != nil {
		e.Why = fmt.Sprintf("the value %q %s", shorten(*value), why)
		if count > 1 {
			e.Why += fmt.Sprintf("; %d values are like it", count)
		}
	}
	return e
}

// nativeCast reads a column as its own type says, in the engine's common types.
func nativeCast(native string) column {
	t := kallaType(native)
	c := column{Type: t}
	name := dialect.TypeName(t)
	switch {
	case t.Kind == kalla.Other || native == name:
	case native == "TIMESTAMP_NS":
		// The engine's timestamps have microseconds.
		c.Cast, c.Fits, c.Declared = "CAST({x} AS TIMESTAMP)", "CAST({t} AS TIMESTAMP_NS) = {x}", true
	case native == "HUGEINT" || native == "UHUGEINT":
		c.Cast, c.Fits, c.Declared = "TRY_CAST({x} AS "+name+")", "{t} IS NOT NULL", true
	default:
		c.Cast = "CAST({x} AS " + name + ")"
	}
	return c
}

// declaredNative reads a column of a native type as the recipe says. Nothing
// may be lost on the way: a value that does not come back the same is a misfit.
func (s *Session) declaredNative(ctx context.Context, in engine.Input, from string, n nativeColumn, t kalla.Type, nf numberFormat) (column, error) {
	native := kallaType(n.Type)
	if n.Detect || native.Kind == kalla.Text {
		if unsizedDecimal(t) {
			return s.numericNative(ctx, in, from, n, nf)
		}
		c := nf.declaredColumn(t)
		if n.Type != "VARCHAR" && !n.Detect {
			c.Cast = strings.ReplaceAll(c.Cast, "{x}", "CAST({x} AS VARCHAR)")
			c.Fits = strings.ReplaceAll(c.Fits, "{x}", "CAST({x} AS VARCHAR)")
			if c.Cast == "" {
				c.Cast = "CAST({x} AS VARCHAR)"
			}
		}
		return c, nil
	}
	if unsizedDecimal(t) {
		t.Precision, t.Scale = 38, native.Scale
		if native.Kind == kalla.DecimalKind {
			t.Precision = native.Precision
		}
	}
	c := column{Type: t, Declared: true, Cast: "TRY_CAST({x} AS " + dialect.TypeName(t) + ")"}
	switch {
	case t.Kind == kalla.Text:
		c.Cast = "CAST({x} AS VARCHAR)"
	case t.Kind == kalla.Other:
		c.Cast = ""
	case native.Kind == kalla.Float && t.Numeric():
		// The nearest decimal of the scale is right when it is this very float again: 0.1 is, 0.123 with two digits is not.
		c.Fits = "{t} IS NOT NULL AND CAST({t} AS " + n.Type + ") = {x}"
	case native.Numeric() && t.Numeric(), native.Temporal() && t.Temporal():
		c.Fits = "{t} IS NOT NULL AND {t} = {x}"
	default:
		c.Fits = "{t} IS NOT NULL"
	}
	return c, nil
}
