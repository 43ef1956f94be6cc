package evidence

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"kalla"
)

// Table is a table of the evidence, in whichever way it is stored: as one Parquet
// file, or, where the workers of a cluster wrote it, as a folder of parts. Parts have
// their columns by position; their names and some types are not those of the
// table, which the manifest holds.
type Table struct {
	Name     string       // matched.parquet
	Schema   kalla.Schema // as the manifest describes it
	Rows     int64
	Files    []string // names of its files in the order of its rows; one, or the parts, of which there may be none
	parts    bool
	fileRows []int64 // of each file
}

// Table returns a table by the name of its file; ok is false where the manifest has none.
func (m *Manifest) Table(name string) (t Table, ok bool) {
	folder := partsFolder(name)
	schema, parts := m.Tables[folder]
	if !parts {
		f, ok := m.Files[name]
		return Table{Name: name, Schema: f.Schema, Rows: f.Rows, Files: []string{name}, fileRows: []int64{f.Rows}}, ok
	}
	t = Table{Name: name, Schema: schema, parts: true}
	for _, file := range sortedKeys(m.Files) {
		if path.Dir(file) == folder && local(file) {
			t.Files = append(t.Files, file)
			t.fileRows = append(t.fileRows, m.Files[file].Rows)
			t.Rows += m.Files[file].Rows
		}
	}
	return t, true
}

// only is the table as far as one of its files holds it.
func (t Table) only(i int) Table {
	t.Files, t.fileRows, t.Rows = t.Files[i:i+1], t.fileRows[i:i+1], t.fileRows[i]
	return t
}

// Place is where the table lies below its evidence: its file, or the folder of its parts.
func (t Table) Place() string {
	if t.parts {
		return partsFolder(t.Name)
	}
	return t.Name
}

// From is the table as an item of a FROM clause of DuckDB's dialect, its files
// being below a folder or an object prefix.
func (t Table) From(place string) string {
	if !t.parts {
		return t.file(place, "")
	}
	return t.selected(place, t.Files, "", "")
}

// file reads the table from its file.
func (t Table) file(place, options string) string {
	return "read_parquet(" + literal(globSafe(joinPath(place, t.Name))) + options + ", hive_partitioning = false)"
}

// Numbered is From with one more column, which numbers the rows from 0 in their
// order, and the name of that column.
func (t Table) Numbered(place string) (from, number string) {
	number = "kalla_row" // names with kalla_ are refused when sources are read
	switch {
	case t.shadows():
		return "(SELECT *, row_number() OVER () - 1 AS kalla_row FROM " + t.From(place) + ")", number
	case !t.parts:
		return t.file(place, ", file_row_number = true"), "file_row_number"
	}
	return t.selected(place, t.Files, offset(t.fileRows)+" AS kalla_row", ""), number
}

// Pick is Numbered with the rows of the given numbers only, of which there must
// be some. Files and row groups that hold none of them are not read.
func (t Table) Pick(place string, numbers []int64) string {
	from, number := t.Numbered(place)
	if !t.parts || t.shadows() {
		return "(SELECT * FROM " + from + " WHERE " + Among(number, numbers) + ")"
	}
	sorted := slices.Sorted(slices.Values(numbers))
	var files, wanted, starts []string
	start := int64(0)
	for i, rows := range t.fileRows {
		n, _ := slices.BinarySearch(sorted, start+rows)
		if n > 0 {
			own := make([]int64, n)
			for i, no := range sorted[:n] {
				own[i] = no - start
			}
			wanted = append(wanted, fmt.Sprintf("file_index = %d AND %s", len(files), Among("file_row_number", own)))
			files, starts = append(files, t.Files[i]), append(starts, strconv.FormatInt(start, 10))
			sorted = sorted[n:]
		}
		start += rows
	}
	return t.selected(place, files, numbering(starts)+" AS kalla_row", strings.Join(wanted, " OR "))
}

// shadows reports whether a column of the table hides what DuckDB tells of its rows.
func (t Table) shadows() bool {
	return slices.ContainsFunc(t.Schema, func(c kalla.Column) bool {
		return strings.EqualFold(c.Name, "file_row_number") || strings.EqualFold(c.Name, "file_index")
	})
}

// selected reads parts by position, as the columns of the schema.
func (t Table) selected(place string, files []string, number, where string) string {
	list := make([]string, len(t.Schema))
	names := make([]string, len(t.Schema))
	for i, c := range t.Schema {
		names[i] = "c" + strconv.Itoa(i)
		value := names[i]
		switch {
		case len(files) == 0:
			value = "CAST(NULL AS " + TypeName(c.Type) + ")"
		case c.Type.Kind == kalla.TimestampTZ: // in UTC there
			value = "CAST(" + value + " AS TIMESTAMP) AT TIME ZONE 'UTC'"
		default: // costs nothing where it is of that type
			value = "CAST(" + value + " AS " + TypeName(c.Type) + ")"
		}
		list[i] = value + " AS " + ident(c.Name)
	}
	if len(files) == 0 {
		if number != "" {
			list = append(list, "CAST(NULL AS BIGINT) AS kalla_row")
		}
		return "(SELECT " + strings.Join(list, ", ") + " WHERE false)"
	}
	if number != "" {
		list = append(list, number)
	}
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = literal(globSafe(joinPath(place, f)))
	}
	if where != "" {
		where = " WHERE " + where
	}
	return fmt.Sprintf("(SELECT %s FROM read_parquet([%s], hive_partitioning = false) AS parts(%s)%s)",
		strings.Join(list, ", "), strings.Join(paths, ", "), strings.Join(names, ", "), where)
}

// offset is the number of a row in its table, counts being the rows of each file.
func offset(counts []int64) string {
	starts := make([]string, len(counts))
	at := int64(0)
	for i, n := range counts {
		starts[i] = strconv.FormatInt(at, 10)
		at += n
	}
	return numbering(starts)
}

// numbering is the number of a row in its table, starts being those of the first rows of the files.
func numbering(starts []string) string {
	return "file_row_number + [" + strings.Join(starts, ", ") + "][CAST(file_index AS BIGINT) + 1]"
}

// Among is the condition that a column has one of some numbers, in a form that
// lets DuckDB skip what it need not read.
func Among(column string, numbers []int64) string {
	low, high := slices.Min(numbers), slices.Max(numbers)
	where := fmt.Sprintf("%s BETWEEN %d AND %d", column, low, high)
	if high-low < int64(len(numbers)) {
		return where
	}
	list := make([]string, len(numbers))
	for i, n := range numbers {
		list[i] = strconv.FormatInt(n, 10)
	}
	return where + " AND " + column + " IN (" + strings.Join(list, ", ") + ")"
}

// TypeName is what DuckDB calls a type of the evidence; what is not comparable is text.
func TypeName(t kalla.Type) string {
	switch t.Kind {
	case kalla.Integer:
		return "BIGINT"
	case kalla.DecimalKind:
		return "DECIMAL(" + strconv.Itoa(t.Precision) + "," + strconv.Itoa(t.Scale) + ")"
	case kalla.Float:
		return "DOUBLE"
	case kalla.Boolean:
		return "BOOLEAN"
	case kalla.Date:
		return "DATE"
	case kalla.Timestamp:
		return "TIMESTAMP"
	case kalla.TimestampTZ:
		return "TIMESTAMPTZ"
	}
	return "VARCHAR"
}

// partsFolder is the folder of the parts of a table: matched for matched.parquet.
func partsFolder(table string) string { return strings.TrimSuffix(table, ".parquet") }

// isPart reports whether a name is that of a part of a table.
func isPart(name string) bool {
	folder, _, ok := strings.Cut(name, "/")
	return ok && local(name) && slices.Contains(Tables(), folder+".parquet")
}

// local reports whether a name is one that evidence has: of a file of its own
// folder, or of one folder below, whoever wrote the manifest.
func local(name string) bool {
	return fs.ValidPath(name) && name != "." && strings.Count(name, "/") <= 1 && !strings.ContainsAny(name, `\:`)
}
