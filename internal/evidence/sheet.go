package evidence

import (
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"

	"kalla"
)

// Widths of columns, in characters.
const (
	minWidth = 8
	maxWidth = 48
)

// sheetWriter writes rows to a sheet, and goes on in a next one when it is full.
type sheetWriter struct {
	book  *book
	title string
	cols  []column
	limit int // rows of a sheet, header included

	widths  []int
	waiting [][]any // rows that came before the widths were known
	seen    int
	no      int // of the sheet, from 1
	name    string
	stream  *excelize.StreamWriter
	row     int // the last one written
}

// measure looks at a value to choose the width of its column.
func (s *sheetWriter) measure(col int, text string) {
	if s.widths == nil {
		s.widths = make([]int, len(s.cols))
		for i, c := range s.cols {
			s.widths[i] = utf8.RuneCountInString(c.name) + 3 // room for the filter's arrow
		}
	}
	if s.seen < sampleRows {
		n := utf8.RuneCountInString(text)
		if s.cols[col].decimal() {
			n += n / 3 // separators
		}
		s.widths[col] = max(s.widths[col], n+1)
	}
}

// add writes one row, or keeps it until the widths are known.
func (s *sheetWriter) add(cells []any) error {
	s.seen++
	if s.seen <= sampleRows {
		s.waiting = append(s.waiting, cells)
		return nil
	}
	if err := s.flushWaiting(); err != nil {
		return err
	}
	return s.write(cells)
}

func (s *sheetWriter) flushWaiting() error {
	for _, cells := range s.waiting {
		if err := s.write(cells); err != nil {
			return err
		}
	}
	s.waiting = nil
	return nil
}

func (s *sheetWriter) write(cells []any) error {
	if s.stream == nil || s.row >= s.limit {
		if err := s.next(); err != nil {
			return err
		}
	}
	s.row++
	return s.stream.SetRow(cellName(1, s.row), cells)
}

// next ends the sheet and begins another with the same header.
func (s *sheetWriter) next() error {
	if err := s.end(); err != nil {
		return err
	}
	s.no++
	s.name = s.title
	if s.no > 1 {
		s.name = fmt.Sprintf("%s (%d)", s.title, s.no)
	}
	if _, err := s.book.file.NewSheet(s.name); err != nil {
		return err
	}
	var err error
	if s.stream, err = s.book.file.NewStreamWriter(s.name); err != nil {
		return err
	}
	if err := s.stream.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	header := make([]any, len(s.cols))
	for i, c := range s.cols {
		width := len(c.name) + 3
		if s.widths != nil {
			width = s.widths[i]
		}
		if err := s.stream.SetColWidth(i+1, i+1, float64(min(maxWidth, max(minWidth, width)))); err != nil {
			return err
		}
		header[i] = excelize.Cell{StyleID: s.book.header, Value: clipCell(c.name)}
	}
	s.row = 1
	return s.stream.SetRow("A1", header)
}

// end completes the sheet; the filter needs to know its last row.
func (s *sheetWriter) end() error {
	if s.stream == nil {
		return nil
	}
	if err := s.book.file.AutoFilter(s.name, "A1:"+cellName(len(s.cols), s.row), nil); err != nil {
		return err
	}
	return s.stream.Flush()
}

// close writes what waits and ends the last sheet; a table without rows still
// has one, with its header.
func (s *sheetWriter) close() error {
	if err := s.flushWaiting(); err != nil {
		return err
	}
	if s.stream == nil {
		if err := s.next(); err != nil {
			return err
		}
	}
	return s.end()
}

// cellName is the name of a cell: "A1".
func cellName(col, row int) string {
	name, _ := excelize.CoordinatesToCellName(col, row) // fails beyond the format's limits only, which callers keep
	return name
}

// summary writes the first sheet: what the run came to, where the records came from.
func (b *book) summary(m *Manifest) error {
	const sheet = "Summary"
	if err := b.file.SetSheetName("Sheet1", sheet); err != nil {
		return err
	}
	w, err := b.file.NewStreamWriter(sheet)
	if err != nil {
		return err
	}
	for col, width := range []float64{34, 22, 18, 18, 18, 18} {
		if err := w.SetColWidth(col+1, col+1, width); err != nil {
			return err
		}
	}
	s := summarySheet{book: b, stream: w}
	sum := m.Summary
	s.pair("Recipe", sum.RecipeID)
	s.pair("Run", m.RunID)
	s.pair("Started", m.Started.UTC().Format("2006-01-02 15:04:05 UTC"))
	s.pair("Engine", sum.Engine.Name+" "+sum.Engine.Version)
	s.pair("Kalla", m.Kalla)
	s.pair("Match rate", s.percent(sum.MatchRate))
	s.pair("Matches", s.count(sum.Matches))
	s.pair("Pairs", s.count(sum.Pairs))
	s.pair("Ambiguous matches", s.count(sum.Ambiguous))

	s.head("Side", "Source", "Records", "Matched", "Unmatched", "Bad keys")
	sides := []kalla.Side{kalla.Left, kalla.Right}
	for _, side := range sides {
		_, c := m.Side(side)
		s.line(string(side), c.Alias, s.count(c.Total), s.count(c.Matched), s.count(c.Unmatched), s.count(c.BadKeys))
	}
	s.head("Side", "Amount", "Total", "Matched", "Unmatched")
	for _, side := range sides {
		_, c := m.Side(side)
		for _, column := range sortedKeys(c.Sums) {
			t := c.Sums[column]
			s.line(string(side), column, s.amount(t.Total), s.amount(t.Matched), s.amount(t.Unmatched))
		}
	}
	s.head("Pass", "Matches", "Pairs", sum.Left.Alias, sum.Right.Alias, "Ambiguous")
	for _, p := range sum.Passes {
		s.line(p.Name, s.count(p.Matches), s.count(p.Pairs), s.count(p.Left), s.count(p.Right), s.count(p.Ambiguous))
	}
	s.head("Reason", sum.Left.Alias, sum.Right.Alias)
	reasons := map[kalla.Reason]bool{}
	for _, side := range sides {
		for r := range sum.Reasons[side] {
			reasons[r] = true
		}
	}
	for _, r := range slices.Sorted(maps.Keys(reasons)) {
		s.line(string(r), s.count(sum.Reasons[kalla.Left][r]), s.count(sum.Reasons[kalla.Right][r]))
	}
	if len(sum.Breaks) > 0 {
		s.head("Break", "Pairs")
		for _, field := range sortedKeys(sum.Breaks) {
			s.line(field, s.count(sum.Breaks[field]))
		}
	}
	s.head("Source", "Location", "Rows", "Fingerprint")
	for _, src := range append([]Source{m.Left, m.Right}, m.Extras...) {
		s.line(src.Alias, src.Location, s.count(src.Rows), src.Fingerprint)
	}
	if s.err != nil {
		return s.err
	}
	return w.Flush()
}

// summarySheet writes rows; the first error stays.
type summarySheet struct {
	book   *book
	stream *excelize.StreamWriter
	row    int
	err    error
}

func (s *summarySheet) line(cells ...any) {
	s.row++
	for i, c := range cells {
		if text, ok := c.(string); ok {
			cells[i] = clipCell(text)
		}
	}
	if s.err == nil {
		s.err = s.stream.SetRow(cellName(1, s.row), cells)
	}
}

func (s *summarySheet) pair(label string, value any) {
	s.line(excelize.Cell{StyleID: s.book.header, Value: label}, value)
}

// head leaves a line free and writes a header.
func (s *summarySheet) head(labels ...string) {
	s.row++
	cells := make([]any, len(labels))
	for i, l := range labels {
		cells[i] = excelize.Cell{StyleID: s.book.header, Value: l}
	}
	s.line(cells...)
}

func (s *summarySheet) styled(format string, value any) any {
	id, err := s.book.style(format)
	if s.err == nil {
		s.err = err
	}
	return excelize.Cell{StyleID: id, Value: value}
}

func (s *summarySheet) count(n int64) any { return s.styled("#,##0", n) }

func (s *summarySheet) percent(rate kalla.Decimal) any {
	return s.styled("0.00%", rate.InexactFloat64())
}

func (s *summarySheet) amount(d kalla.Decimal) any {
	text := d.String()
	if significant(text) > maxDigits {
		return text
	}
	places := 0
	if !d.IsInteger() || d.Exponent() < 0 {
		places = max(2, int(-d.Exponent()))
	}
	return s.styled(amountFormat(places), d.InexactFloat64())
}
