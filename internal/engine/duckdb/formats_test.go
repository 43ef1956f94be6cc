package duckdb_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/unicode"

	"kalla"
	"kalla/internal/engine"
)

// dump returns schema and rows of table t in the order of the source.
func dump(t *testing.T, s engine.Session, table engine.Table) (string, string) {
	t.Helper()
	return typeNames(table.Schema), flat(read(t, s, "FROM t ORDER BY rowid"))
}

func gz(t *testing.T, content string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zst(t *testing.T, content string) string {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(w.EncodeAll([]byte(content), nil))
}

func utf16(t *testing.T, content string) string {
	out, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(content)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCSVLayouts(t *testing.T) {
	s := open(t)
	const plain = "id,name,amount\n1,Müller,1.50\n2,Ödön,2.25\n"
	const schema, rows = "id:integer name:text amount:decimal(18,2)", "1|Müller|1.50 / 2|Ödön|2.25"
	type options = map[string]string
	for _, tc := range []struct {
		name, file, content string
		options             options
		schema, rows        string
	}{
		{"plain", "f.csv", plain, nil, schema, rows},
		{"semicolons", "f.csv", strings.ReplaceAll(plain, ",", ";"), nil, schema, rows},
		{"tabs", "f.txt", strings.ReplaceAll(plain, ",", "\t"), nil, schema, rows},
		{"tsv", "f.tsv", strings.ReplaceAll(plain, ",", "\t"), nil, schema, rows},
		{"bars", "f.csv", strings.ReplaceAll(plain, ",", "|"), nil, schema, rows},
		{"another", "f.csv", strings.ReplaceAll(plain, ",", "^"), options{"delimiter": "^"}, schema, rows},
		{"CRLF", "f.csv", strings.ReplaceAll(plain, "\n", "\r\n"), nil, schema, rows},
		{"no newline at the end", "f.csv", strings.TrimSuffix(plain, "\n"), nil, schema, rows},
		{"empty lines", "f.csv", strings.ReplaceAll(plain, "\n", "\n\n"), nil, schema, rows},
		{"byte order mark", "f.csv", "\ufeff" + plain, nil, schema, rows},
		{"gzip", "f.csv.gz", gz(t, plain), nil, schema, rows},
		{"zstd", "f.csv.zst", zst(t, plain), nil, schema, rows},
		{"gzip by option", "f.csv", gz(t, plain), options{"compression": "gzip"}, schema, rows},
		{"utf-16", "f.csv", utf16(t, plain), options{"encoding": "utf-16"}, schema, rows},
		{"latin-1", "f.csv", strings.NewReplacer("ü", "\xfc", "Ö", "\xd6", "ö", "\xf6").Replace(plain), options{"encoding": "latin-1"}, schema, rows},
		{"utf-16 big endian", "f.csv", "\xfe\xff\x00a\x00,\x00b\x00\n\x001\x00,\x20\xac\x00\n", options{"encoding": "utf-16"}, "a:integer b:text", "1|€"},
		{"utf-16 by its mark", "f.csv", utf16(t, plain), nil, schema, rows},
		{"gzip and utf-16 by its mark", "f.csv.gz", gz(t, utf16(t, plain)), nil, schema, rows},
		{"carriage returns", "f.csv", strings.ReplaceAll(plain, "\n", "\r"), nil, schema, rows},
		{"separator line", "f.csv", "sep=;\r\n" + strings.NewReplacer(",", ";", "\n", "\r\n").Replace(plain), nil, schema, rows},
		{"inner quotes", "f.csv", "a,b\n1,5\" pipe\n2,x\"y\"z\n", nil, "a:integer b:text", "1|5\" pipe / 2|x\"y\"z"},
		{"line breaks in names", "f.csv", "\"a\nb\",c\n1,x\n", nil, "a\nb:integer c:text", "1|x"},
		{"empty line in one column", "f.csv", "a\n1\n\n3\n", nil, "a:integer", "1 / ∅ / 3"},
		{"gzip and windows-1252", "f.csv.gz", gz(t, "a,b\n1,\x80uro\n"), options{"encoding": "windows-1252"}, "a:integer b:text", "1|€uro"},
		{"windows-1252", "f.csv", "a,b\n1,\x80uro\n", options{"encoding": "windows-1252"}, "a:integer b:text", "1|€uro"},
		{"no header", "f.csv", "1,x,2024-01-01\n2,y,2024-01-02\n", nil, "column0:integer column1:text column2:date", "1|x|2024-01-01 / 2|y|2024-01-02"},
		{"no header by option", "f.csv", "a,b\nc,d\n", options{"header": "false"}, "column0:text column1:text", "a|b / c|d"},
		{"header by option", "f.csv", "2023,2024\n1,2\n", options{"header": "true"}, "2023:integer 2024:integer", "1|2"},
		{"only a header", "f.csv", "a,b\n", nil, "a:text b:text", ""},
		{"names", "f.csv", "a,A, b ,,a\n1,2,3,4,5\n", nil, "a:integer A_1:integer b:integer column3:integer a_2:integer", "1|2|3|4|5"},
		{"skip", "f.csv", "Report\nof 2024\n" + plain, options{"skip": "2"}, schema, rows},
		{"comment", "f.csv", "# exported\n" + plain + "#end\n", options{"comment": "#"}, schema, rows},
		{"null text", "f.csv", "a,b\n1,x\nN/A,\n", options{"null": "N/A"}, "a:integer b:text", "1|x / ∅|∅"},
		{"empty fields", "f.csv", "a,b\n1,\"\"\n\"\",\n3,y\n", nil, "a:integer b:text", "1|∅ / ∅|∅ / 3|y"},
		{"quoted", "f.csv", "a,b\n\"1\",\"x, \"\"y\"\"\nz\"\n", nil, "a:integer b:text", "1|x, \"y\"\nz"},
		{"backslash", "f.csv", "a,b\n1,\"x \\\"y\\\"\"\n", options{"escape": `\`}, "a:integer b:text", "1|x \"y\""},
		{"single quotes", "f.csv", "a,b\n1,'x,y'\n", options{"quote": "'"}, "a:integer b:text", "1|x,y"},
		{"one column", "f.csv", "a\nx\ny\n", nil, "a:text", "x / y"},
		{"decimal comma", "f.csv", "a;b\n1,5;-0,25\n12;3,125\n", options{"decimal": ","}, "a:decimal(18,1) b:decimal(18,3)", "1.5|-0.250 / 12.0|3.125"},
		{"decimal comma and thousands", "f.csv", "a;b\n1.234,50;1.000\n12,00;10.000.000\n", options{"decimal": ",", "thousands": "."}, "a:decimal(18,2) b:integer", "1234.50|1000 / 12.00|10000000"},
		{"not thousands", "f.csv", "a;b\n1.23,50;1\n", options{"decimal": ",", "thousands": "."}, "a:text b:integer", "1.23,50|1"},
		{"thousands", "f.csv", "a,b\n\"1,234.50\",x\n0.5,y\n", options{"thousands": ","}, "a:decimal(18,2) b:text", "1234.50|x / 0.50|y"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			table := stage(t, s, input(t, write(t, tc.file, tc.content), tc.options))
			gotSchema, gotRows := dump(t, s, table)
			if gotSchema != tc.schema || gotRows != tc.rows {
				t.Errorf("got  %s\n%q\nwant %s\n%q", gotSchema, gotRows, tc.schema, tc.rows)
			}
			if !strings.HasPrefix(table.Fingerprint, "size:") {
				t.Errorf("fingerprint is %q", table.Fingerprint)
			}
		})
	}
}

func TestDeclaredTypes(t *testing.T) {
	s := open(t)
	kind := func(k kalla.Kind) kalla.Type { return kalla.Type{Kind: k} }
	money := kalla.Type{Kind: kalla.DecimalKind, Precision: 18, Scale: 2}
	for _, tc := range []struct {
		name, value string
		declared    kalla.Type
		want        string // value as read, or empty for an error
	}{
		{"text keeps", "007", kind(kalla.Text), "007"},
		{"padded integer", " 007 ", kind(kalla.Integer), "7"},
		{"plus", "+5", kind(kalla.Integer), "5"},
		{"fraction is no integer", "5.5", kind(kalla.Integer), ""},
		{"exponent is no integer", "1e3", kind(kalla.Integer), ""},
		{"money", "0012.5", money, "12.50"},
		{"zeros behind the scale", "12.5000", money, "12.50"},
		{"more than the scale", "12.505", money, ""},
		{"trailing point", "12.", money, "12.00"},
		{"leading point", "-.5", money, "-0.50"},
		{"any scale", "12.505", kind(kalla.DecimalKind), "12.505"},
		{"too large", "123456789012345678", money, ""},
		{"word", "n/a", money, ""},
		{"German date", "31.12.2024", kalla.Type{Kind: kalla.Date, Format: "%d.%m.%Y"}, "2024-12-31"},
		{"no such day", "31.11.2024", kalla.Type{Kind: kalla.Date, Format: "%d.%m.%Y"}, ""},
		{"date with rest", "31.12.2024x", kalla.Type{Kind: kalla.Date, Format: "%d.%m.%Y"}, ""},
		{"American time", "12/31/2024 11:05 PM", kalla.Type{Kind: kalla.Timestamp, Format: "%m/%d/%Y %I:%M %p"}, "2024-12-31 23:05:00"},
		{"ISO date", "2024-12-31", kind(kalla.Date), "2024-12-31"},
		{"no ISO date", "2024-12-31x", kind(kalla.Date), ""},
		{"yes", "Yes", kind(kalla.Boolean), "true"},
		{"maybe", "maybe", kind(kalla.Boolean), ""},
		{"float", "1e-3", kind(kalla.Float), "0.001"},
		{"instant", "2024-12-31T10:00:00+02:00", kind(kalla.TimestampTZ), "2024-12-31 08:00:00+00"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := write(t, "f.csv", "k,v\n\"a\nb\",\n\nc,"+tc.value+"\n")
			in := input(t, path, nil)
			in.Types = map[string]kalla.Type{"v": tc.declared}
			if tc.want != "" {
				stage(t, s, in)
				if got := flat(read(t, s, "SELECT v FROM t WHERE k = 'c'")); got != tc.want {
					t.Errorf("read %q, want %q", got, tc.want)
				}
				return
			}
			e := stageErr(t, s, in, kalla.CodeSource)
			// The value is in the second record, on the fifth line.
			if want := path + " line 5 column v"; e.Where != want {
				t.Errorf("where is %q, want %q", e.Where, want)
			}
			if !strings.Contains(e.Why, fmt.Sprintf("%q", tc.value)) {
				t.Errorf("why is %q", e.Why)
			}
		})
	}
}

func TestNumericText(t *testing.T) {
	s := open(t)
	in := input(t, write(t, "f.csv", "k,v\na,007.50\nb,+1\nc, 12.125 \nd,\n"), nil)
	in.Numeric = []string{"v"}
	table := stage(t, s, in)
	schema, rows := dump(t, s, table)
	if schema != "k:text v:decimal(18,3)" || rows != "a|7.500 / b|1.000 / c|12.125 / d|∅" {
		t.Errorf("got %s %s", schema, rows)
	}
	path := write(t, "f.csv", "k,v\na,007.50\nb,1 EUR\n")
	in = input(t, path, nil)
	in.Numeric = []string{"v"}
	e := stageErr(t, s, in, kalla.CodeSource)
	if e.Where != path+" line 3 column v" || !strings.Contains(e.Why, `"1 EUR"`) {
		t.Errorf("error is %v", e)
	}
}

func TestCSVFaults(t *testing.T) {
	s := open(t)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "folder.csv"), 0o700); err != nil {
		t.Fatal(err)
	}
	body := strings.Repeat("1,x\n", 30_000)
	for _, tc := range []struct{ name, file, content, where, why, hint string }{
		{"missing", "", "", "paymnets.csv", "no such file", "did you mean"},
		{"folder", "", "", "folder.csv", "folder", "*.csv"},
		{"empty", "f.csv", "", "f.csv", "empty", ""},
		{"blank", "f.csv", "\n\n", "f.csv", "empty", ""},
		{"ragged", "f.csv", "a,b\n1,x\n2,y,z\n", "f.csv line 3", "3 fields where 2", "quoted"},
		{"short", "f.csv", "a,b\n1,x\n2\n", "f.csv line 3", "1 fields where 2", ""},
		{"ragged far down", "f.csv", "a,b\n" + body + "2,y,z\n" + body, "f.csv line 30002", "3 fields where 2", ""},
		{"ragged behind line breaks", "f.csv", "a,b\n" + strings.Repeat("1,\"x\ny\"\n", 20_000) + "2,y,z\n", "f.csv line 40002", "3 fields where 2", ""},
		{"title", "f.csv", "Report\na,b\n1,x\n", "f.csv line 2", "fields", "skip"},
		{"open quote", "f.csv", "a,b\n1,\"x\n2,y\n", "f.csv line 2", "quote", ""},
		{"mixed line ends", "f.csv", "a,b\n1,x\n2,y\r\n3,z\n", "f.csv line 3", "ends in another way", "dos2unix"},
		{"blanks", "f.csv", "a,b\n1,x\n   \n2,y\n", "f.csv line 3", "1 fields where 2", ""},
		{"not utf-8", "f.csv", "a,b\n1,M\xfcller\n", "f.csv line 2", "not utf-8", "encoding"},
		{"not utf-8 far down", "f.csv", "a,b\n" + body + "1,M\xfcller\n", "f.csv line 30002", "not utf-8", "encoding"},
		{"long line", "f.csv", "a,b\n1," + strings.Repeat("x", 5_000_000) + "\n", "f.csv line 2", "longer than 2 MB", ""},
		{"long first line", "f.csv", strings.Repeat("x", 5_000_000), "f.csv line 1", "longer than 1024 kB", ""},
		{"cut zstd", "f.csv.zst", zst(t, "a,b\n"+body)[:20], "f.csv.zst", "damaged", ""},
		{"not gzip", "f.csv.gz", "a,b\n1,2\n", "f.csv.gz", "gzip", "compression"},
		{"cut gzip", "f.csv.gz", gz(t, "a,b\n"+body)[:100], "f.csv.gz", "damaged", ""},
		{"not zstd", "f.csv.zst", "a,b\n1,2\n", "f.csv.zst", "zstd", "compression"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(dir, tc.where)
			if tc.file != "" {
				path = write(t, tc.file, tc.content)
			} else {
				write(t, "payments.csv", "a\n1\n")
				if err := os.WriteFile(filepath.Join(dir, "payments.csv"), []byte("a\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			start := time.Now()
			e := stageErr(t, s, input(t, path, nil), kalla.CodeSource)
			if !strings.HasSuffix(e.Where, tc.where) || !strings.Contains(e.Why, tc.why) || !strings.Contains(e.Hint, tc.hint) {
				t.Errorf("error is\n%+v\nwant where …%q, why …%q…, hint …%q…", e, tc.where, tc.why, tc.hint)
			}
			if e.Op != "staging payments" {
				t.Errorf("op is %q", e.Op)
			}
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// A record's line is right in a file of one column, where an empty line is a record.
func TestLineInOneColumn(t *testing.T) {
	s := open(t)
	path := write(t, "f.csv", "a\n1\n\nx\n")
	in := input(t, path, nil)
	in.Types = map[string]kalla.Type{"a": {Kind: kalla.Integer}}
	if e := stageErr(t, s, in, kalla.CodeSource); e.Where != path+" line 4 column a" {
		t.Errorf("where is %s", e.Where)
	}
}

func TestGlob(t *testing.T) {
	s := open(t)
	dir := t.TempDir()
	put := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("p1.csv", "a,b\n1,1.5\n")
	put("p2.csv", "a,b\n2,2.25\n")
	put("q[1].csv", "a,b\n9,9\n")
	table := stage(t, s, input(t, filepath.Join(dir, "p*.csv"), nil))
	if schema, _ := dump(t, s, table); schema != "a:integer b:decimal(18,2)" {
		t.Errorf("schema is %s", schema)
	}
	if got := flat(read(t, s, "FROM t ORDER BY a")); got != "1|1.50 / 2|2.25" {
		t.Errorf("rows are %s", got)
	}
	stage(t, s, input(t, filepath.Join(dir, "q[1].csv"), nil))
	if got := flat(read(t, s, "FROM t")); got != "9|9" {
		t.Errorf("a file whose name looks like a pattern gives %s", got)
	}
	put("p3.csv", "b,a\n1.5,1\n")
	if e := stageErr(t, s, input(t, filepath.Join(dir, "p*.csv"), nil), kalla.CodeSource); !strings.Contains(e.Error(), "p3.csv line 1") || !strings.Contains(e.Why, "header differs") {
		t.Errorf("error is %v", e)
	}
	if e := stageErr(t, s, input(t, filepath.Join(dir, "z*.csv"), nil), kalla.CodeSource); !strings.Contains(e.Why, "no file matches") {
		t.Errorf("error is %v", e)
	}
}

func TestParquet(t *testing.T) {
	s := open(t)
	path := filepath.Join(t.TempDir(), "f.parquet")
	make := func(query string) {
		t.Helper()
		if _, err := s.Exec(t.Context(), "COPY ("+query+") TO '"+path+"' (FORMAT parquet)"); err != nil {
			t.Fatal(err)
		}
	}
	make(`SELECT 1::TINYINT AS i, 12.5::DECIMAL(12,2) AS d, 0.1::DOUBLE AS f, 0.1::DOUBLE AS g, true AS b, DATE '2024-01-02' AS day,
		TIMESTAMP '2024-01-02 03:04:05' AS ts, TIMESTAMPTZ '2024-01-02 03:04:05+02' AS tz, '1.50' AS txt, ` +
		`'00000000-0000-0000-0000-000000000001'::UUID AS u, [1,2] AS l, 18446744073709551615::UBIGINT AS ub`)
	in := input(t, path, nil)
	in.Numeric = []string{"txt"}
	in.Types = map[string]kalla.Type{"g": {Kind: kalla.DecimalKind, Precision: 18, Scale: 2}}
	in.Filters = []kalla.Filter{{Column: "d", Op: kalla.FilterEq, Values: []string{"12.50"}}}
	schema, rows := dump(t, s, stage(t, s, in))
	want := "i:integer d:decimal(12,2) f:float g:decimal(18,2) b:boolean day:date ts:timestamp tz:timestamptz txt:decimal(18,1) u:text l:other ub:decimal(20,0)"
	if schema != want {
		t.Errorf("schema is\n%s\nwant\n%s", schema, want)
	}
	if want := "1|12.50|0.1|0.10|true|2024-01-02|2024-01-02 03:04:05|2024-01-02 01:04:05+00|1.5|00000000-0000-0000-0000-000000000001|[1, 2]|18446744073709551615"; rows != want {
		t.Errorf("rows are\n%s\nwant\n%s", rows, want)
	}

	make("SELECT 0.125::DOUBLE AS g")
	in = input(t, path, nil)
	in.Types = map[string]kalla.Type{"g": {Kind: kalla.DecimalKind, Precision: 18, Scale: 2}}
	if e := stageErr(t, s, in, kalla.CodeSource); !strings.Contains(e.Error(), "column g") || !strings.Contains(e.Why, `"0.125"`) {
		t.Errorf("error is %v", e)
	}
	make("SELECT '1.5' AS txt UNION ALL SELECT 'x'")
	in = input(t, path, nil)
	in.Numeric = []string{"txt"}
	if e := stageErr(t, s, in, kalla.CodeSource); !strings.Contains(e.Error(), "column txt") || !strings.Contains(e.Why, `"x"`) {
		t.Errorf("error is %v", e)
	}
	if e := stageErr(t, s, input(t, write(t, "g.parquet", "no parquet, this"), nil), kalla.CodeSource); !strings.Contains(e.Why, "not a valid Parquet") {
		t.Errorf("error is %v", e)
	}
}

func TestJSON(t *testing.T) {
	s := open(t)
	lines := `{"id": 1, "amount": 12.50, "ref": "007", "day": "2024-01-02", "ok": true, "more": {"x": 1}}
{"id": 2, "amount": 3, "ref": null, "day": "2024-01-03", "late": "z"}
`
	array := "[" + strings.Replace(strings.TrimSpace(lines), "\n", ",", 1) + "]"
	for name, path := range map[string]string{
		"lines": write(t, "f.ndjson", lines), "array": write(t, "f.json", array), "lines in json": write(t, "g.json", lines), "gzip": write(t, "f.jsonl.gz", gz(t, lines)),
		"not compressed": write(t, "g.jsonl.gz", lines) + "?compression=none",
	} {
		t.Run(name, func(t *testing.T) {
			schema, rows := dump(t, s, stage(t, s, input(t, path, nil)))
			if want := "id:integer amount:decimal(18,1) ref:text day:date ok:boolean more:other late:text"; schema != want {
				t.Errorf("schema is\n%s\nwant\n%s", schema, want)
			}
			if want := `1|12.5|007|2024-01-02|true|{"x":1}|∅ / 2|3.0|∅|2024-01-03|∅|∅|z`; rows != want {
				t.Errorf("rows are\n%s\nwant\n%s", rows, want)
			}
		})
	}
	t.Run("long floats stay floats", func(t *testing.T) {
		schema, _ := dump(t, s, stage(t, s, input(t, write(t, "f.ndjson", `{"a": 1.2345678901234567}`), nil)))
		if schema != "a:float" {
			t.Errorf("schema is %s", schema)
		}
	})
	t.Run("malformed", func(t *testing.T) {
		e := stageErr(t, s, input(t, write(t, "f.ndjson", "{\"a\": 1}\n{\"a\": \n"), nil), kalla.CodeSource)
		if !strings.Contains(e.Why, "JSON") {
			t.Errorf("error is %v", e)
		}
	})
}

func TestXLSX(t *testing.T) {
	s := open(t)
	day := func(d int) time.Time { return time.Date(2024, 1, d, 0, 0, 0, 0, time.UTC) }
	book := func(rows [][]any) string {
		t.Helper()
		f := excelize.NewFile()
		for i, r := range rows {
			cell, err := excelize.CoordinatesToCellName(1, i+1)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.SetSheetRow("Sheet1", cell, &r); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(t.TempDir(), "f.xlsx")
		if err := f.SaveAs(path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	path := book([][]any{
		{"id", "amount", "day", "late day", "at", "ref", "flag", "mixed"},
		{1, 12.5, day(2), nil, time.Date(2024, 1, 2, 10, 30, 0, 0, time.UTC), "007", true, 1},
		{2, 0.30000000000000004, day(3), nil, nil, "x", false, "n/a"},
		{},
		{3, 1234567.89, nil, day(5), nil, nil, nil, nil},
	})
	schema, rows := dump(t, s, stage(t, s, input(t, path, nil)))
	if want := "id:integer amount:decimal(18,2) day:date late day:date at:timestamp ref:text flag:text mixed:text"; schema != want {
		t.Errorf("schema is\n%s\nwant\n%s", schema, want)
	}
	if want := "1|12.50|2024-01-02|∅|2024-01-02 10:30:00|007|true|1 / 2|0.30|2024-01-03|∅|∅|x|false|n/a / 3|1234567.89|∅|2024-01-05|∅|∅|∅|∅"; rows != want {
		t.Errorf("rows are\n%s\nwant\n%s", rows, want)
	}

	path = book([][]any{{"Report"}, {}, {"a", "b"}, {1, 2.5}, {3, 4}, {"total", 6.5}})
	schema, rows = dump(t, s, stage(t, s, input(t, path, map[string]string{"range": "A3:B5"})))
	if schema != "a:integer b:decimal(18,1)" || rows != "1|2.5 / 3|4.0" {
		t.Errorf("got %s %s", schema, rows)
	}
	if e := stageErr(t, s, input(t, path, map[string]string{"sheet": "Sheet2"}), kalla.CodeSource); !strings.Contains(e.Why, `no sheet "Sheet2"`) {
		t.Errorf("error is %v", e)
	}
	if e := stageErr(t, s, input(t, write(t, "f.xlsx", "no workbook"), nil), kalla.CodeSource); !strings.Contains(e.Why, "not a valid xlsx") {
		t.Errorf("error is %v", e)
	}
}

func TestInspect(t *testing.T) {
	s := open(t)
	in := input(t, write(t, "f.csv", "k,v\na,1.50\nb,2.25\nb,10.00\n,\n"), nil)
	in.Filters = []kalla.Filter{{Column: "k", Op: kalla.FilterIsNotNull}}
	schema, err := s.Describe(t.Context(), in)
	if err != nil || typeNames(schema) != "k:text v:decimal(18,2)" {
		t.Errorf("described %s, %v", typeNames(schema), err)
	}
	_, rows, err := s.Preview(t.Context(), in, 2)
	if err != nil || len(rows) != 2 || *rows[0][0] != "a" || *rows[0][1] != "1.50" {
		t.Errorf("preview is %v, %v", rows, err)
	}
	profile, err := s.Profile(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	v := profile[1]
	if v.Rows != 3 || v.Nulls != 0 || v.Distinct != 3 || *v.Min != "1.50" || *v.Max != "10.00" {
		t.Errorf("profile is %+v", v)
	}
	if k := profile[0]; k.Distinct != 2 || strings.Join(k.Samples, ",") != "b,a" {
		t.Errorf("profile is %+v", k)
	}
}
