package duckdb

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/source"
)

// What Go says of a value must be what the engine says, or that it cannot tell:
// else the type of a column would depend on where its values stand.
func TestClassifyAgreesWithEngine(t *testing.T) {
	s, err := Open(t.Context(), engine.Limits{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	told := 0
	for _, options := range []map[string]string{nil, {"decimal": ",", "thousands": "."}, {"thousands": ","}} {
		path := filepath.Join(t.TempDir(), "f.csv")
		if err := os.WriteFile(path, []byte("a\n1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		src, err := source.Parse(path, options, "", os.LookupEnv)
		if err != nil {
			t.Fatal(err)
		}
		nf := numberFormatOf(src)
		rapid.Check(t, func(t *rapid.T) {
			v := valueGenerator.Draw(t, "value")
			if v == "" {
				return
			}
			got, ok := nf.classify(v)
			if !ok {
				return
			}
			told++
			want, err := s.classifyColumns(context.Background(), "(SELECT "+text(v)+" AS v)", []string{"v"}, nf)
			if err != nil {
				t.Fatal(err)
			}
			if got != want[0] {
				t.Fatalf("%q is %+v to Go and %+v to the engine", v, got, want[0])
			}
		})
	}
	if told < 100 {
		t.Errorf("only %d values were told", told)
	}
}

// valueGenerator makes values that are numbers or times, and near misses.
var valueGenerator = rapid.Custom(func(t *rapid.T) string {
	seeds := []string{"0", "-0", "007", "12", "-12.50", ".5", "1.234,50", "1,234.50", "999999999999999999", "1234567890123456789", "1e5", "+1",
		"2024-01-31", "2024-02-30", "0000-01-01", "2024-01-31 10:11:12", "2024-01-31T10:11:12", "2024-01-31 24:00:00", "2024-01-31 10:11:12.123456",
		"2024-01-31 10:11:12,5", "2024-01-31T10:11:12Z", "2024-01-31T10:11:12+02:00", "2024-01-31T10:11:12.1234567+02:00", "2024-01-31 10:11:60", "abc", " 1"}
	v := []byte(rapid.SampledFrom(seeds).Draw(t, "seed"))
	for range rapid.IntRange(0, 2).Draw(t, "edits") {
		c := rapid.SampledFrom([]byte("0123456789-.,:TZ+e '")).Draw(t, "byte")
		i := rapid.IntRange(0, len(v)-1).Draw(t, "at")
		switch rapid.IntRange(0, 2).Draw(t, "edit") {
		case 0:
			v[i] = c
		case 1:
			v = append(v[:i], append([]byte{c}, v[i:]...)...)
		default:
			v = append(v[:i], v[i+1:]...)
		}
		if len(v) == 0 {
			break
		}
	}
	return strings.TrimRight(string(v), "\x00")
})

// A value that Go cannot tell must not be taken for text.
func TestClassifyHeadDefers(t *testing.T) {
	f := &csvFile{dialect: csvDialect{Delimiter: ','}, header: true, names: []string{"a"}, src: source.Source{Type: source.File, Format: source.CSV}}
	if _, ok := f.classifyHead("a\n2024-01-31 10:11\n", make([]*kalla.Type, 1)); ok {
		t.Error("a time without seconds was told")
	}
	classes, ok := f.classifyHead("a\n1\n2.50\n", make([]*kalla.Type, 1))
	if !ok || classes[0] != (valueClass{forms: formInteger | formDecimal, scale: 2, whole: 1}) {
		t.Errorf("got %+v, %t", classes, ok)
	}
}
