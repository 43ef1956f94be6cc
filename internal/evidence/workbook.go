package evidence

import (
	"archive/zip"
	"bufio"
	"compress/flate"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/xuri/excelize/v2"

	"kalla"
)

// What a worksheet can hold.
const (
	maxSheetRows = excelize.TotalRows
	maxCellUnits = excelize.TotalCellChars // UTF-16 code units
	maxDigits    = 15                      // significant digits that a number keeps
)

// sampleRows are looked at to choose the widths of columns, which stand before the rows.
const sampleRows = 200

var sheetTitles = map[string]string{
	MatchedFile:        "Matched",
	UnmatchedLeftFile:  "Unmatched left",
	UnmatchedRightFile: "Unmatched right",
	BreaksFile:         "Breaks",
	CandidatesFile:     "Candidates",
}

// workbook writes one workbook: the summary, then a sheet for each table.
func (e *exporter) workbook(ctx context.Context, path string) (err error) {
	f := excelize.NewFile()
	defer f.Close()
	b := &book{file: f, styles: map[string]int{}}
	if b.header, err = f.NewStyle(&excelize.Style{
		Font:   &excelize.Font{Bold: true},
		Fill:   excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"E8EEF4"}},
		Border: []excelize.Border{{Type: "bottom", Color: "8497B0", Style: 1}},
	}); err != nil {
		return err
	}
	if err := b.summary(e.manifest); err != nil {
		return err
	}
	for _, t := range e.tables() {
		if err := e.sheets(ctx, b, t); err != nil {
			return err
		}
	}
	return save(f, path)
}

// save writes the workbook to a file. The library puts a workbook together in
// memory before it writes it; the archive is sent past that, into the file.
func save(f *excelize.File, path string) (err error) {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	buffered := bufio.NewWriterSize(out, 1<<20)
	f.SetZipWriter(func(io.Writer) excelize.ZipWriter {
		z := zip.NewWriter(buffered)
		z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestSpeed) })
		return z
	})
	if _, err := f.WriteToBuffer(); err != nil {
		return err
	}
	return buffered.Flush()
}

// book is a workbook in the making.
type book struct {
	file   *excelize.File
	header int            // style
	styles map[string]int // by number format
}

// style returns the style of a number format.
func (b *book) style(format string) (int, error) {
	if id, ok := b.styles[format]; ok {
		return id, nil
	}
	id, err := b.file.NewStyle(&excelize.Style{CustomNumFmt: &format})
	if err == nil {
		b.styles[format] = id
	}
	return id, err
}

// sheets writes one table, on as many sheets as it takes.
func (e *exporter) sheets(ctx context.Context, b *book, t table) error {
	cols, err := t.columns(ctx)
	if err != nil {
		return unreadable(t.file, err)
	}
	if len(cols) > excelize.MaxColumns {
		return &kalla.Error{Code: kalla.CodeLimit, Op: exporting, Where: t.file,
			Why: fmt.Sprintf("it has %d columns, a worksheet holds %d", len(cols), excelize.MaxColumns), Hint: "use --format csv or parquet"}
	}
	convert := make([]func(string) any, len(cols))
	list := make([]string, len(cols))
	for i, c := range cols {
		list[i] = "CAST(" + ident(c.name) + " AS VARCHAR)"
		if convert[i], err = b.converter(c); err != nil {
			return err
		}
	}
	rows, err := e.q.Query(ctx, fmt.Sprintf("SELECT %s FROM (SELECT * FROM %s ORDER BY %s)", strings.Join(list, ", "), t.from, e.order(t.Name, cols)))
	if err != nil {
		return unreadable(t.file, err)
	}
	defer rows.Close()

	s := &sheetWriter{book: b, title: sheetTitles[t.Name], cols: cols, limit: e.options.SheetRows}
	if s.limit <= 1 || s.limit > maxSheetRows {
		s.limit = maxSheetRows
	}
	values := make([]sql.NullString, len(cols))
	dest := make([]any, len(cols))
	for i := range values {
		dest[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return unreadable(t.file, err)
		}
		cells := make([]any, len(cols))
		for i, v := range values {
			if v.Valid {
				cells[i] = convert[i](v.String)
			}
			s.measure(i, v.String)
		}
		if err := s.add(cells); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return unreadable(t.file, err)
	}
	return s.close()
}

// converter turns the text of a value into a cell that shows the same. What a
// cell cannot hold exactly stays text.
func (b *book) converter(c column) (func(string) any, error) {
	asText := func(s string) any { return clipCell(s) }
	switch {
	case c.boolean():
		return func(s string) any { return s == "true" }, nil
	case c.integer():
		style, err := b.style("0")
		return func(s string) any {
			n, err := strconv.ParseInt(s, 10, 64)
			if err != nil || significant(s) > maxDigits {
				return asText(s)
			}
			return excelize.Cell{StyleID: style, Value: n}
		}, err
	case c.decimal():
		style, err := b.style(amountFormat(c.scale()))
		return func(s string) any {
			n, err := strconv.ParseFloat(s, 64)
			if err != nil || significant(s) > maxDigits {
				return asText(s)
			}
			return excelize.Cell{StyleID: style, Value: n}
		}, err
	case c.float():
		return func(s string) any {
			n, err := strconv.ParseFloat(s, 64)
			if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
				return asText(s)
			}
			return n
		}, nil
	case c.typ == "DATE":
		return b.timeConverter("yyyy-mm-dd", time.DateOnly, 24*time.Hour)
	case c.timestamp():
		return b.timeConverter("yyyy-mm-dd hh:mm:ss", time.DateTime, time.Second)
	}
	return asText, nil
}

// timeConverter reads times of a layout. Those that a worksheet does not know
// (before March 1900) or would round stay text.
func (b *book) timeConverter(format, layout string, unit time.Duration) (func(string) any, error) {
	style, err := b.style(format)
	return func(s string) any {
		t, err := time.Parse(layout, s)
		if err != nil || t.Before(firstDate) || t.Year() > 9999 || t.Truncate(unit) != t {
			return clipCell(s)
		}
		return excelize.Cell{StyleID: style, Value: t}
	}, err
}

// firstDate is where the calendar of spreadsheets, which have a 29 February
// 1900, begins to be right.
var firstDate = time.Date(1900, 3, 1, 0, 0, 0, 0, time.UTC)

// amountFormat shows a number with thousands and its decimal places.
func amountFormat(scale int) string {
	if scale == 0 {
		return "#,##0"
	}
	return "#,##0." + strings.Repeat("0", scale)
}

// significant counts the significant digits of a plain decimal number.
func significant(s string) int {
	whole, fraction, _ := strings.Cut(strings.TrimLeft(s, "-"), ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	return len(strings.TrimRight(digits, "0"))
}

const cutMark = "... (cut; see the Parquet file)"

// clipCell cuts a text to what a cell holds, and says so.
func clipCell(s string) string {
	if len(s) <= maxCellUnits { // no encoding needs fewer bytes than UTF-16 units
		return s
	}
	units, at := 0, -1
	for i, r := range s {
		w := 1
		if r > 0xffff {
			w = 2
		}
		if at < 0 && units+w > maxCellUnits-len(cutMark) {
			at = i
		}
		units += w
	}
	if units <= maxCellUnits {
		return s
	}
	return s[:at] + cutMark
}
