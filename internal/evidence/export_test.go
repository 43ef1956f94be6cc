package evidence_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"kalla"
	"kalla/internal/evidence"
)

func export(t *testing.T, d db, dir string, o evidence.ExportOptions, name string) (string, []string) {
	t.Helper()
	dest := filepath.Join(t.TempDir(), "new", name)
	written, err := evidence.Export(context.Background(), at(dir), dest, o, d)
	must(t, err)
	if got := entries(t, filepath.Dir(dest)); got != name {
		t.Errorf("beside the export: %s", got)
	}
	return dest, written
}

// cells reads a sheet as a spreadsheet shows it, columns divided by |.
func cells(t *testing.T, f *excelize.File, sheet string) []string {
	t.Helper()
	rows, err := f.GetRows(sheet)
	must(t, err)
	var out []string
	for _, r := range rows {
		out = append(out, strings.Join(r, "|"))
	}
	return out
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s:\n%s\nwant:\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestExportXLSX(t *testing.T) {
	d := openDB(t)
	dir := publish(t, d, fixtureManifest(), nil)
	dest, written := export(t, d, dir, evidence.ExportOptions{Format: evidence.XLSX}, "book.xlsx")
	equal(t, "written", written, []string{dest})
	f, err := excelize.OpenFile(dest)
	must(t, err)
	defer f.Close()
	equal(t, "sheets", f.GetSheetList(), []string{"Summary", "Matched", "Unmatched left", "Unmatched right", "Breaks"})
	equal(t, "matched", cells(t, f, "Matched"), []string{
		"match_id|pass|cardinality|confidence|ambiguous|left_id|left_amount|left_note|left_date|right_id|right_paid|right_ccy|diff_amount",
		"1/A|exact|one_to_one|1.0000|FALSE|A|100.00|=1+1|2026-01-31|P1|100.00|EUR|0.00",
		"2/B|parts|one_to_many|1.0000|FALSE|B|50.10|Öl|2026-02-01|P2|20.00|EUR|0.10",
		"2/B|parts|one_to_many|1.0000|FALSE|B|50.10|Öl|2026-02-01|P3|30.00|USD|0.10",
	})
	for cell, want := range map[string]excelize.CellType{"G2": excelize.CellTypeUnset, "I2": excelize.CellTypeUnset, "H2": excelize.CellTypeInlineString, "F2": excelize.CellTypeInlineString} {
		if got, err := f.GetCellType("Matched", cell); err != nil || got != want {
			t.Errorf("%s is of type %v, want %v (%v)", cell, got, want, err)
		}
	}
	if formula, err := f.GetCellFormula("Matched", "H2"); err != nil || formula != "" {
		t.Errorf("a text became the formula %q (%v)", formula, err)
	}
	if panes, err := f.GetPanes("Matched"); err != nil || !panes.Freeze || panes.YSplit != 1 {
		t.Errorf("the header is not frozen: %+v (%v)", panes, err)
	}
	filters := map[string]string{}
	for _, n := range f.GetDefinedName() {
		filters[n.Scope] = n.RefersTo
	}
	if got := filters["Matched"]; got != "'Matched'!$A$1:$M$4" {
		t.Errorf("filter of Matched: %s", got)
	}
	summary := strings.Join(cells(t, f, "Summary"), "\n")
	for _, want := range []string{"Match rate|50.00%", "left|invoices|5|2|3|1", "left|amount|160.35|150.10|10.25", "parts|1|2|1|2|0", "no_candidate|1|1", "ccy|1", "invoices|invoices.csv|5"} {
		if !strings.Contains(summary, want) {
			t.Errorf("no %q in the summary:\n%s", want, summary)
		}
	}
}

// TestExportXLSXExact: what a cell cannot hold exactly stays text.
func TestExportXLSXExact(t *testing.T) {
	d := openDB(t)
	long := strings.Repeat("x", 40_000)
	dir := publish(t, d, fixtureManifest(), map[string]string{evidence.BreaksFile: fmt.Sprintf(`SELECT
		'1/A' AS match_id, 'ccy' AS field, 123456789012345.67::DECIMAL(18,2) AS many, 1234567890123.45::DECIMAL(18,2) AS fits, -0.10::DECIMAL(18,2) AS small,
		12345678901234567::BIGINT AS id, 42::INTEGER AS n, DATE '1899-12-31' AS old, TIMESTAMP '2026-01-31 12:30:45' AS ts, TIMESTAMP '2026-01-31 12:30:45.123456' AS fine,
		'00042' AS code, '%s' AS long, NULL::VARCHAR AS nothing, chr(7) || 'bell' AS bell, 1.5::DOUBLE AS f`, long)})
	dest, _ := export(t, d, dir, evidence.ExportOptions{Format: evidence.XLSX}, "book.xlsx")
	f, err := excelize.OpenFile(dest)
	must(t, err)
	defer f.Close()
	want := map[string]struct {
		shown  string
		number bool
	}{
		"C2": {"123456789012345.67", false}, "D2": {"1,234,567,890,123.45", true}, "E2": {"-0.10", true},
		"F2": {"12345678901234567", false}, "G2": {"42", true}, "H2": {"1899-12-31", false},
		"I2": {"2026-01-31 12:30:45", true}, "J2": {"2026-01-31 12:30:45.123456", false}, "K2": {"00042", false}, "O2": {"1.5", true},
	}
	for cell, w := range want {
		got, err := f.GetCellValue("Breaks", cell)
		must(t, err)
		kind, err := f.GetCellType("Breaks", cell)
		must(t, err)
		if got != w.shown || (kind == excelize.CellTypeUnset) != w.number {
			t.Errorf("%s shows %q as type %v, want %q, number: %v", cell, got, kind, w.shown, w.number)
		}
	}
	if got, _ := f.GetCellValue("Breaks", "L2"); len(got) != 32767 || !strings.HasSuffix(got, "(cut; see the Parquet file)") {
		t.Errorf("a long text has %d characters and ends in %q", len(got), got[max(0, len(got)-20):])
	}
	if got, _ := f.GetCellValue("Breaks", "M2"); got != "" {
		t.Errorf("NULL shows %q", got)
	}
}

func TestExportXLSXSplits(t *testing.T) {
	d := openDB(t)
	dir := publish(t, d, fixtureManifest(), map[string]string{
		evidence.BreaksFile: `SELECT lpad(CAST(i AS VARCHAR), 4, '0') AS match_id, 'ccy' AS field FROM range(1000) t(i)`,
	})
	dest, _ := export(t, d, dir, evidence.ExportOptions{Format: evidence.XLSX, SheetRows: 401}, "book.xlsx")
	f, err := excelize.OpenFile(dest)
	must(t, err)
	defer f.Close()
	for sheet, want := range map[string]string{"Breaks": "match_id 0000..0399 of 401", "Breaks (2)": "match_id 0400..0799 of 401", "Breaks (3)": "match_id 0800..0999 of 201"} {
		rows, err := f.GetRows(sheet)
		must(t, err)
		if got := fmt.Sprintf("%s %s..%s of %d", rows[0][0], rows[1][0], rows[len(rows)-1][0], len(rows)); got != want {
			t.Errorf("%s: %s, want %s", sheet, got, want)
		}
	}
}

func TestExportCSV(t *testing.T) {
	d := openDB(t)
	dir := publish(t, d, fixtureManifest(), nil)
	read := func(raw bool, name string) string {
		folder, _ := export(t, d, dir, evidence.ExportOptions{Format: evidence.CSV, Raw: raw}, "csv")
		data, err := os.ReadFile(filepath.Join(folder, name))
		must(t, err)
		return string(data)
	}
	want := `id,amount,note,date,reason,closest_key,closest_pass,closest_score,closest_diff_amount,taken_by
C,7.25,'@home,2026-03-01,amount_differs,P4,exact,0.5000,0.25,
D,1.00,'-5,,no_candidate,,,,,
,2.00,"plain, ""quoted""",2026-03-03,bad_key,,,,,
`
	if got := read(false, "unmatched_left.csv"); got != want {
		t.Errorf("guarded:\n%s\nwant:\n%s", got, want)
	}
	want = strings.NewReplacer("'@home", "@home", "'-5", "-5").Replace(want)
	if got := read(true, "unmatched_left.csv"); got != want {
		t.Errorf("raw:\n%s\nwant:\n%s", got, want)
	}
}

func TestExportParquet(t *testing.T) {
	d := openDB(t)
	dir := publish(t, d, fixtureManifest(), nil)
	folder, _ := export(t, d, dir, evidence.ExportOptions{Format: evidence.Parquet}, "copy")
	if r := verify(t, folder, d); !r.OK() || r.Seal != verify(t, dir, d).Seal {
		t.Errorf("the copy does not verify: %v", r.Findings)
	}
	flip(t, filepath.Join(dir, evidence.BreaksFile))
	dest := filepath.Join(t.TempDir(), "copy")
	if _, err := evidence.Export(context.Background(), at(dir), dest, evidence.ExportOptions{Format: evidence.Parquet}, d); code(err) != kalla.CodeEvidence {
		t.Errorf("a changed file was copied: %v", err)
	}
	if got := entries(t, filepath.Dir(dest)); got != "" {
		t.Errorf("left %s", got)
	}
}

func TestExportRefuses(t *testing.T) {
	d := openDB(t)
	dir := publish(t, d, fixtureManifest(), nil)
	there := t.TempDir()
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		name   string
		ctx    context.Context
		dest   string
		format evidence.Format
		want   kalla.Code
	}{
		{"existing destination", context.Background(), there, evidence.CSV, kalla.CodeUsage},
		{"unknown format", context.Background(), filepath.Join(there, "x"), "docx", kalla.CodeUsage},
		{"cancelled xlsx", cancelled, filepath.Join(there, "x"), evidence.XLSX, kalla.CodeCanceled},
		{"cancelled csv", cancelled, filepath.Join(there, "x"), evidence.CSV, kalla.CodeCanceled},
		{"cancelled copy", cancelled, filepath.Join(there, "x"), evidence.Parquet, kalla.CodeCanceled},
	} {
		if _, err := evidence.Export(c.ctx, at(dir), c.dest, evidence.ExportOptions{Format: c.format}, d); code(err) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := entries(t, there); got != "" {
			t.Errorf("%s left %s", c.name, got)
		}
	}
}
