package recipe

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// fileOptions are the settings of options: of a source or an extra, in the order
// in which Marshal writes them: how a file is read where detection is not enough.
var fileOptions = []option{
	{"format", "How the file is written, where its extension does not say: csv, parquet, json, ndjson, xlsx …", nil, regexp.MustCompile(`^[a-z][a-z0-9]{1,15}$`)},
	{"compression", "How the file is compressed, where its extension does not say.", []string{"none", "gzip", "zstd"}, nil},
	{"encoding", "The character set of a text file: utf-8, utf-16, latin-1, windows-1252 …", nil, regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,39}$`)},
	{"delimiter", "The character between fields, \\t for a tab; detected when not given.", nil, regexp.MustCompile(`^(?:\\t|[^\r\n])$`)},
	{"quote", "The character around fields that hold a delimiter, or none.", nil, oneCharacter},
	{"escape", "The character before a quote inside a quoted field, or none; the quote itself when not given.", nil, oneCharacter},
	{"comment", "The character that begins lines to be left out, or none.", nil, oneCharacter},
	{"header", "Whether the first line names the columns; detected when not given.", []string{"true", "false"}, nil},
	{"skip", "How many lines stand before the header.", nil, regexp.MustCompile(`^(?:0|[1-9][0-9]{0,6})$`)},
	{"null", "The text that stands for no value, besides the empty field: n/a, \\N …", nil, regexp.MustCompile(`^[^\r\n]{0,40}$`)},
	{"decimal", "The decimal mark of numbers.", []string{".", ","}, nil},
	{"thousands", "The character between groups of three digits.", []string{".", ",", " ", "'", "_"}, nil},
	{"sheet", "The sheet of a workbook; the first when not given.", nil, regexp.MustCompile(`^[^\r\n]{1,100}$`)},
	{"range", "The cells of the sheet, such as A3:H200.", nil, regexp.MustCompile(`^[A-Za-z]{1,3}[0-9]{0,7}:[A-Za-z]{1,3}[0-9]{0,7}$`)},
}

var oneCharacter = regexp.MustCompile(`^(?:none|[^\r\n])$`)

// option describes one setting of options:. It takes one of values, or a text
// of the form of its pattern.
type option struct {
	name    string
	doc     string   // one sentence for people
	values  []string // the closed set it takes; nil when it takes free text
	pattern *regexp.Regexp
}

func optionNames() []string {
	names := make([]string, len(fileOptions))
	for i, o := range fileOptions {
		names[i] = o.name
	}
	return names
}

// options reads options: of a source or an extra.
func (d *decoder) options(f field) map[string]string {
	names, values := d.entries(f, "{delimiter: \";\", decimal: \",\"}")
	if len(names) == 0 {
		return nil
	}
	out := make(map[string]string, len(names))
	for i, name := range names {
		at := slices.IndexFunc(fileOptions, func(o option) bool { return o.name == name })
		if at < 0 {
			d.add(values[i].path, "unknown option "+quote(name), suggest(name, optionNames(), "the options are"))
			continue
		}
		text, known := d.scalar(values[i], inText)
		out[name] = text
		if o := fileOptions[at]; known && !o.takes(text) {
			d.add(values[i].path, quote(text)+" is not a value of "+name, o.hint(text))
		}
	}
	if mark := out["decimal"]; mark != "" && mark == out["thousands"] {
		d.add(join(f.path, "thousands"), "is the same character as the decimal mark", "1.234,56 has decimal: \",\" and thousands: \".\"")
	}
	return out
}

func (o option) takes(text string) bool {
	if strings.ContainsRune(text, utf8.RuneError) || strings.ContainsRune(text, 0) {
		return false
	}
	if o.values != nil {
		return slices.Contains(o.values, text)
	}
	return o.pattern.MatchString(text)
}

func (o option) hint(text string) string {
	if o.values != nil {
		quoted := make([]string, len(o.values))
		for i, v := range o.values {
			if quoted[i] = v; !simpleKey.MatchString(v) {
				quoted[i] = quote(v)
			}
		}
		return wordHint(text, quoted)
	}
	return o.doc
}
