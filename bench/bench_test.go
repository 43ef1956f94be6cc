package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kalla/internal/demo"
)

// TestPlainScriptFindsTheTruth runs the plain script over a small data set and
// checks what it wrote; then the check must notice a pair that is missing, one
// that is wrong, and one that is there twice.
func TestPlainScriptFindsTheTruth(t *testing.T) {
	dir, out := t.TempDir(), t.TempDir()
	if _, err := demo.Generate(t.Context(), demo.Config{Seed: 3, Rows: 2000, Workload: demo.OnePass}, dir); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LEFT", filepath.Join(dir, demo.InvoicesFile))
	t.Setenv("RIGHT", filepath.Join(dir, demo.PaymentsFile))
	t.Setenv("OUT", out)
	var timings bytes.Buffer
	if err := plain(t.Context(), []string{"csv"}, &timings); err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{"opening", "staging left", "staging right", "joining", "writing matched", "writing unmatched left", "writing unmatched right"} {
		if !strings.Contains(timings.String(), step+" ") {
			t.Errorf("no timing of %s in\n%s", step, timings.String())
		}
	}

	truth := filepath.Join(dir, demo.TruthFile)
	checkWith := func(file string) error {
		return check(t.Context(), []string{file, out, "invoice_id", "payment_id"})
	}
	if err := checkWith(truth); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(truth)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	for _, c := range []struct {
		name, why string
		lines     []string
	}{
		{"missing", "1 lines are not true", append([]string{lines[0]}, lines[2:]...)},
		{"wrong", "1 lines are not found", append(append([]string{lines[0]}, "INV-000001,PAY-999999,exact\n"), lines[1:]...)},
		{"twice", "1 lines are not found", append([]string{lines[0], lines[1]}, lines[1:]...)},
	} {
		file := filepath.Join(t.TempDir(), "truth.csv")
		if err := os.WriteFile(file, []byte(strings.Join(c.lines, "")), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := checkWith(file); err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.why)
		}
	}
}

func TestPlainScriptNeedsItsVariables(t *testing.T) {
	t.Setenv("LEFT", "x")
	t.Setenv("RIGHT", "") // is put back when the test ends
	os.Unsetenv("RIGHT")
	err := plain(t.Context(), []string{"csv"}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "is not set") {
		t.Errorf("error %v, want one about a variable that is not set", err)
	}
}

func TestOutcomes(t *testing.T) {
	w := workloadReport{
		Name: "x",
		Contenders: []contenderReport{
			{Name: "a", Rows: 100, Samples: []sample{{Wall: 1, CPU: 2, RSS: 10}, {Wall: 2, CPU: 2, RSS: 30}, {Wall: 4, CPU: 2, RSS: 20}}},
			{Name: "b", Rows: 1000, Samples: []sample{{Wall: 11, CPU: 30, RSS: 5}, {Wall: 40, CPU: 60, RSS: 5}, {Wall: 60, CPU: 50, RSS: 5}}},
		},
		Bars: []bar{
			{of: "b", to: "a", measure: wall, most: 15},
			{of: "b", to: "a", measure: wall, perRow: true, most: 1.4},
			{of: "a", measure: rss, most: 20},
			{of: "a", measure: wall, most: 1.5},
		},
	}
	want := []struct {
		figure, least, most float64
		held                bool
		cpu                 float64
	}{
		{15, 11, 20, true, 25}, // rounds 11, 20, 15; of CPU 15, 30, 25
		{1.5, 1.1, 2, false, 2.5},
		{20, 10, 30, true, 0},
		{2, 1, 4, false, 0},
	}
	for i, got := range w.outcomes() {
		if got.Figure != want[i].figure || got.Least != want[i].least || got.Most != want[i].most || got.Held != want[i].held || got.CPU != want[i].cpu {
			t.Errorf("%s: %+v, want %+v", got.What, got, want[i])
		}
	}

	var out bytes.Buffer
	w.print(&out)
	for _, text := range []string{"wall of b, times that of a, a row: 1.50 (1.10 to 2.00), bar 1.40: DOES NOT HOLD", "bar 15.00: holds"} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("%q is not in\n%s", text, out.String())
		}
	}
	document, err := json.Marshal(report{Workloads: []workloadReport{w}})
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Workloads []struct {
			Contenders []struct {
				Median struct {
					Wall float64 `json:"wall_s"`
				} `json:"median"`
			} `json:"contenders"`
			Bars []outcome `json:"bars"`
		} `json:"workloads"`
	}
	if err := json.Unmarshal(document, &back); err != nil {
		t.Fatal(err)
	}
	if m := back.Workloads[0].Contenders[0].Median.Wall; m != 2 {
		t.Errorf("median %v, want 2", m)
	}
	if !back.Workloads[0].Bars[0].Held {
		t.Error("the first bar is reported as not held")
	}
}

// TestWorkloads keeps every bar about contenders that exist, and every
// contender's folder of results its own.
func TestWorkloads(t *testing.T) {
	for _, w := range workloads {
		names := map[string]bool{}
		for _, c := range w.contenders {
			if names[c.name] {
				t.Errorf("%s has two contenders called %s", w.name, c.name)
			}
			names[c.name] = true
		}
		for _, b := range w.bars {
			if !names[b.of] || b.to != "" && !names[b.to] {
				t.Errorf("%s has a bar about %s and %s, which are not both contenders", w.name, b.of, b.to)
			}
		}
	}
}

func TestTableURI(t *testing.T) {
	for base, want := range map[string]string{
		"postgres://u:p@h/d":                 "postgres://u:p@h/d?table=kalla_bench_onepass_1m.invoices",
		"postgres://u:p@h/d?sslmode=disable": "postgres://u:p@h/d?sslmode=disable&table=kalla_bench_onepass_1m.invoices",
	} {
		b := bench{databaseURL: base}
		if got := b.tableURI(million, "invoices"); got != want {
			t.Errorf("%s: %s, want %s", base, got, want)
		}
	}
}
