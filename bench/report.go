package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

// report is the JSON document of a run of bench.
type report struct {
	Machine   machine          `json:"machine"`
	Workloads []workloadReport `json:"workloads"`
}

type machine struct {
	CPU      string `json:"cpu"`
	Cores    int    `json:"cores"`
	MemoryGB int    `json:"memory_gb"`
	OS       string `json:"os"`
	Go       string `json:"go"`
}

type workloadReport struct {
	Name       string
	What       string
	Contenders []contenderReport
	Bars       []bar
	LoadBefore string // the system's load averages: other work on the machine shows here
	LoadAfter  string
}

type contenderReport struct {
	Name    string   `json:"name"`
	Rows    int64    `json:"rows"` // of both sides
	Matches int64    `json:"matches"`
	Samples []sample `json:"samples"`
}

func (c contenderReport) values(m measure) []float64 {
	out := make([]float64, len(c.Samples))
	for i, s := range c.Samples {
		out[i] = s.of(m)
	}
	return out
}

// outcome is a bar and what was measured.
type outcome struct {
	What   string  `json:"what"`
	Figure float64 `json:"figure"`
	Least  float64 `json:"least"` // of the rounds
	Most   float64 `json:"most"`
	Bar    float64 `json:"bar"`
	Held   bool    `json:"held"`
	CPU    float64 `json:"cpu,omitempty"` // the same ratio of CPU times, which other work on the machine disturbs less
}

// outcomes judges the bars. A ratio is the median of the ratios of each round:
// what disturbs the machine for a while disturbs both contenders of a round.
func (w workloadReport) outcomes() []outcome {
	var out []outcome
	for _, b := range w.Bars {
		o := outcome{What: fmt.Sprintf("%s of %s", b.measure, b.of), Bar: b.most}
		switch {
		case b.over:
			o.What += ", over that of " + b.to
		case b.to != "":
			o.What += ", times that of " + b.to
		}
		if b.perRow {
			o.What += ", a row"
		}
		figures := w.figures(b)
		o.Figure, o.Least, o.Most = median(figures), slices.Min(figures), slices.Max(figures)
		o.Held = o.Figure <= b.most
		if b.to != "" && b.measure == wall && !b.over {
			b.measure = cpu
			o.CPU = median(w.figures(b))
		}
		out = append(out, o)
	}
	return out
}

// figures returns what a bar is about, round by round.
func (w workloadReport) figures(b bar) []float64 {
	of := w.contender(b.of)
	figures := of.values(b.measure)
	if b.to == "" {
		return figures
	}
	to := w.contender(b.to)
	for i, base := range to.values(b.measure) {
		if b.over {
			figures[i] -= base
			continue
		}
		figures[i] /= base
		if b.perRow {
			figures[i] *= float64(to.Rows) / float64(of.Rows)
		}
	}
	return figures
}

func (w workloadReport) contender(name string) contenderReport {
	i := slices.IndexFunc(w.Contenders, func(c contenderReport) bool { return c.Name == name })
	return w.Contenders[i]
}

// MarshalJSON gives the samples, their medians, and the bars as judged.
func (w workloadReport) MarshalJSON() ([]byte, error) {
	type medians struct {
		contenderReport
		Median sample `json:"median"`
	}
	all := make([]medians, len(w.Contenders))
	for i, c := range w.Contenders {
		all[i] = medians{c, c.median()}
	}
	return json.Marshal(struct {
		Name       string    `json:"name"`
		What       string    `json:"what"`
		Contenders []medians `json:"contenders"`
		Bars       []outcome `json:"bars"`
		LoadBefore string    `json:"load_before"`
		LoadAfter  string    `json:"load_after"`
	}{w.Name, w.What, all, w.outcomes(), w.LoadBefore, w.LoadAfter})
}

func (c contenderReport) median() sample {
	return sample{median(c.values(wall)), median(c.values(cpu)), int64(median(c.values(rss)))}
}

// print writes the medians and the bars as a table.
func (w workloadReport) print(out io.Writer) {
	fmt.Fprintf(out, "\n%s: %s\n", w.Name, w.What)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\trows\tmatches\twall s\tleast\tmost\tCPU s\tpeak MB\tM rows/s\t")
	for _, c := range w.Contenders {
		m, walls := c.median(), c.values(wall)
		fmt.Fprintf(t, "%s\t%d\t%d\t%.2f\t%.2f\t%.2f\t%.2f\t%d\t%.2f\t\n", c.Name, c.Rows, c.Matches,
			m.Wall, slices.Min(walls), slices.Max(walls), m.CPU, m.RSS>>20, float64(c.Rows)/m.Wall/1e6)
	}
	t.Flush()
	for _, o := range w.outcomes() {
		verdict := "holds"
		if !o.Held {
			verdict = "DOES NOT HOLD"
		}
		fmt.Fprintf(out, "%s: %s (%s to %s), bar %s: %s", o.What, figure(o.Figure), figure(o.Least), figure(o.Most), figure(o.Bar), verdict)
		if o.CPU > 0 {
			fmt.Fprintf(out, "; of CPU time: %s", figure(o.CPU))
		}
		fmt.Fprintln(out)
	}
	if w.LoadBefore != "" {
		fmt.Fprintf(out, "load of the machine: %s before, %s after\n", w.LoadBefore, w.LoadAfter)
	}
}

func figure(x float64) string {
	if x > 1<<20 { // bytes
		return fmt.Sprintf("%.0f MB", x/(1<<20))
	}
	return fmt.Sprintf("%.2f", x)
}

func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}

// describeMachine names the machine, as far as Linux tells.
func describeMachine() machine {
	m := machine{Cores: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
	m.CPU = procField("/proc/cpuinfo", "model name")
	var kb int
	if _, err := fmt.Sscan(procField("/proc/meminfo", "MemTotal"), &kb); err == nil {
		m.MemoryGB = kb >> 20
	}
	return m
}

func procField(file, name string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	one, _, _ := strings.Cut(string(text), " ")
	return one
}
