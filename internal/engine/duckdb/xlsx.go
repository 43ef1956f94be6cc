package duckdb

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/source"
)

// sheet is the table in a worksheet, in cells counted from 1.
type sheet struct {
	path                     string
	name                     string // option sheet; empty for the first
	left, top, right, bottom int    // of the records, without the header
	names                    []string
}

var cellRange = regexp.MustCompile(`^([A-Za-z]{1,3})([0-9]{1,7}):([A-Za-z]{1,3})([0-9]{1,7})$`)

// widestProbe and tallestProbe bound the search for the header.
const (
	widestProbe  = 702 // column ZZ
	tallestProbe = 100
)

// mountXLSX mounts a worksheet. Cells are read as they are stored: numbers as
// text, so that an amount becomes a decimal of the 15 digits that Excel keeps
// and shows (0.30000000000000004 is 0.3), and dates as day numbers.
func (s *Session) mountXLSX(ctx context.Context, in engine.Input) (*mount, error) {
	if err := s.load(ctx, "excel"); err != nil {
		return nil, err
	}
	sh, err := s.findSheet(ctx, in.Source)
	if err != nil {
		return nil, err
	}
	types, err := s.cellTypes(ctx, sh)
	if err != nil {
		return nil, err
	}
	native := make([]nativeColumn, len(sh.names))
	selected, empty := make([]string, len(sh.names)), make([]string, len(sh.names))
	for i, name := range sh.names {
		x := "nullif(" + ident(columnLetters(sh.left+i)) + ", '')"
		n := nativeColumn{Name: name, Type: "VARCHAR", Raw: rawName(i)}
		switch types[i] {
		case "DOUBLE":
			x, n.Detect = cellNumber(x), true
		case "DATE", "TIMESTAMP":
			x, n.Detect = cellTime(x), true
		case "TIME":
			x = "CASE WHEN " + matches(x, cellNumberPattern) + " THEN CAST(TIME '00:00:00' + to_milliseconds(CAST(round(TRY_CAST(" + x + " AS DOUBLE) * 86400000) AS BIGINT)) AS VARCHAR) ELSE " + x + " END"
		case "BOOLEAN":
			x = "CASE " + x + " WHEN '1' THEN 'true' WHEN '0' THEN 'false' ELSE " + x + " END"
		}
		native[i] = n
		selected[i] = x + " AS " + rawName(i)
		empty[i] = rawName(i) + " IS NULL"
	}
	// Blank rows are no records.
	from := fmt.Sprintf("(SELECT * FROM (SELECT %s FROM %s) WHERE NOT (%s))", strings.Join(selected, ", "), sh.read(true), strings.Join(empty, " AND "))
	return s.typedMount(ctx, in, from, native, numberFormat{point: "."})
}

// read returns the table function over the records.
func (sh sheet) read(text bool) string {
	return sh.readRange(sh.left, sh.top, sh.right, sh.bottom, text)
}

func (sh sheet) readRange(left, top, right, bottom int, varchar bool) string {
	args := ""
	if sh.name != "" {
		args = ", sheet=" + text(sh.name)
	}
	return fmt.Sprintf("read_xlsx(%s, header=false, stop_at_empty=false, all_varchar=%t, range='%s%d:%s%d'%s)",
		text(literalPath(sh.path)), varchar, columnLetters(left), top, columnLetters(right), bottom, args)
}

// findSheet finds where the table begins, what its columns are called, and where it ends.
func (s *Session) findSheet(ctx context.Context, src source.Source) (sheet, error) {
	paths, err := s.files(ctx, src)
	if err != nil {
		return sheet{}, err
	}
	sh := sheet{path: paths[0], name: src.Get("sheet"), left: 1, top: 1, right: widestProbe, bottom: 1048576}
	fault := func(why, hint string) error {
		return &kalla.Error{Code: kalla.CodeSource, Where: src.Location(), Why: why, Hint: hint}
	}
	if len(paths) > 1 {
		return sh, fault("the pattern matches more than one workbook", "name one")
	}
	given := src.Get("range")
	if given != "" {
		m := cellRange.FindStringSubmatch(given)
		if m == nil {
			return sh, fault(fmt.Sprintf("the range %q is not of the form A1:F100", given), "")
		}
		sh.left, sh.right = columnNumber(m[1]), columnNumber(m[3])
		sh.top, _ = strconv.Atoi(m[2])
		sh.bottom, _ = strconv.Atoi(m[4])
	}
	rows, err := s.textRows(ctx, "FROM "+sh.readRange(sh.left, sh.top, sh.right, min(sh.bottom, sh.top+tallestProbe-1), true), sh.right-sh.left+1)
	if err != nil {
		return sh, sheetError(src, err)
	}
	first, from, to := -1, -1, -1
	for r, row := range rows {
		for c, v := range row {
			if v == nil || *v == "" {
				continue
			}
			if first < 0 {
				first, from = r, c
			}
			from, to = min(from, c), max(to, c)
		}
	}
	if first < 0 {
		return sh, fault("the sheet is empty", "name another with the option sheet, or its cells with range")
	}
	if given == "" {
		// The count includes blank rows; a few too many at the end are left out again.
		args := ""
		if sh.name != "" {
			args = ", sheet=" + text(sh.name)
		}
		var n int
		q := fmt.Sprintf("SELECT count(*) FROM read_xlsx(%s, header=false, stop_at_empty=false, all_varchar=true%s)", text(literalPath(sh.path)), args)
		if err := s.conn.QueryRowContext(ctx, q).Scan(&n); err != nil {
			return sh, sheetError(src, err)
		}
		sh.bottom = min(sh.top+first+n, sh.bottom)
		sh.left, sh.right = sh.left+from, sh.left+to
	} else {
		from, to = 0, sh.right-sh.left
	}
	cells := make([]string, to-from+1)
	for i := range cells {
		if v := rows[first][from+i]; v != nil {
			cells[i] = *v
		}
	}
	header := src.Get("header") == "true"
	sh.names = columnNames(cells, header)
	sh.top += first
	if header {
		sh.top++
	}
	sh.bottom = max(sh.bottom, sh.top)
	return sh, nil
}

// cellTypes returns the type of the first cell that is not blank of each
// column, "" for columns without any. DuckDB tells the type of the first row
// of a range only, so each row that begins a column is asked about once.
func (s *Session) cellTypes(ctx context.Context, sh sheet) ([]string, error) {
	parts := make([]string, len(sh.names))
	for i := range parts {
		parts[i] = fmt.Sprintf("CAST(coalesce(min(n) FILTER (%s <> ''), 0) AS VARCHAR)", ident(columnLetters(sh.left+i)))
	}
	var starts [][]*string
	err := s.inOrder(ctx, func() (err error) {
		starts, err = s.textRows(ctx, fmt.Sprintf("SELECT %s FROM (SELECT *, row_number() OVER () AS n FROM %s)", strings.Join(parts, ", "), sh.read(true)), len(parts))
		return err
	})
	if err != nil {
		return nil, err
	}
	types := make([]string, len(sh.names))
	byRow := map[string][]nativeColumn{}
	for i, start := range starts[0] {
		n, err := strconv.Atoi(*start)
		if err != nil || n == 0 {
			continue
		}
		if byRow[*start] == nil {
			row := sh.top + n - 1
			if byRow[*start], err = s.nativeColumns(ctx, "FROM "+sh.readRange(sh.left, row, sh.right, row, false)); err != nil {
				return nil, err
			}
		}
		types[i] = byRow[*start][i].Type
	}
	return types, nil
}

const cellNumberPattern = `-?\d+(\.\d+)?([eE][+-]?\d+)?`

// cellNumber writes a stored number with at most 15 digits and without an exponent.
func cellNumber(x string) string {
	short := "CASE WHEN contains(" + x + ", '.') AND strlen(" + x + ") > 15 THEN printf('%.15g', TRY_CAST(" + x + " AS DOUBLE)) ELSE " + x + " END"
	return "CASE WHEN NOT " + matches(x, cellNumberPattern) + " OR NOT (strlen(" + x + ") > 15 OR contains(lower(" + x + "), 'e')) THEN " + x +
		" WHEN contains(lower(" + short + "), 'e') THEN rtrim(rtrim(CAST(TRY_CAST(" + short + " AS DECIMAL(38,18)) AS VARCHAR), '0'), '.') ELSE " + short + " END"
}

// cellTime writes a day number as a date, or as a timestamp where it has a
// time, to the millisecond. Text cells among them are kept.
func cellTime(x string) string {
	ms := "CAST(round(TRY_CAST(" + x + " AS DOUBLE) * 86400000) AS BIGINT)"
	at := "(TIMESTAMP '1899-12-30' + to_milliseconds(" + ms + "))"
	return "CASE WHEN NOT " + matches(x, cellNumberPattern) + " THEN " + x +
		" WHEN " + ms + " % 86400000 = 0 THEN CAST(CAST(" + at + " AS DATE) AS VARCHAR) ELSE CAST(" + at + " AS VARCHAR) END"
}

func sheetError(src source.Source, err error) error {
	message := plainMessage(err)
	switch {
	case strings.Contains(message, "not found in xlsx"):
		_, near, ok := strings.Cut(err.Error(), "Did you mean: ")
		e := &kalla.Error{Code: kalla.CodeSource, Where: src.Location(), Why: fmt.Sprintf("there is no sheet %q", src.Get("sheet"))}
		if near, _, _ = strings.Cut(near, "\n"); ok {
			e.Hint = "did you mean " + near + "?"
		}
		return e
	case strings.Contains(message, "zip") || strings.Contains(message, "xlsx"):
		return &kalla.Error{Code: kalla.CodeSource, Where: src.Location(), Why: "this is not a valid xlsx workbook: " + message}
	}
	return err
}

// columnLetters names column n, from 1: A, Z, AA.
func columnLetters(n int) string {
	s := ""
	for ; n > 0; n = (n - 1) / 26 {
		s = string(rune('A'+(n-1)%26)) + s
	}
	return s
}

func columnNumber(letters string) int {
	n := 0
	for _, c := range strings.ToUpper(letters) {
		n = n*26 + int(c-'A') + 1
	}
	return n
}
