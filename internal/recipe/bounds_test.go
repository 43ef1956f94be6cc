package recipe_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"kalla/internal/recipe"
)

// Texts up to the largest that is read are dealt with in a time that grows with their
// size only (a fraction of a second; hours were it with the square), whatever is in them, and their faults are a bounded number.
func TestLargeTextsAreBounded(t *testing.T) {
	fill := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	size := recipe.MaxSize - 1000
	for name, text := range map[string]string{
		"too large":        "kalla: 1 # " + strings.Repeat("x", recipe.MaxSize),
		"unknown fields":   fill(50_000, "f%d: 1\n"),
		"same field":       strings.Repeat("kalla: 1\n", 50_000),
		"bad types":        wrap("source", "types:\n"+fill(40_000, "  c%d: nothing\n")),
		"bad options":      wrap("source", "options:\n"+fill(40_000, "  c%d: x\n")),
		"bad references":   wrap("source", "derive:\n"+fill(30_000, "  c%d: ${nothing}\n")),
		"long list":        wrap("source", "filters: ["+strings.Repeat("a,", 45_000)+"]\n"),
		"long key":         wrap("source", "primary_key: ["+strings.TrimSuffix(fill(900, "a%d,"), ",")+"]\n"),
		"passes":           wrap("match", strings.Repeat("- {}\n", 10_000)),
		"long text":        wrap("recipe", "name: "+strings.Repeat("x", size)+"\n"),
		"long wrong value": wrap("recipe", "on_bad_key: "+strings.Repeat("x", size)+"\n"),
		"long wrong URI":   wrap("recipe", "on_bad_key: postgres://u:"+strings.Repeat("x", size)+"@h\n"),
		"braces in a URI":  "kalla: 1\nsources: {left: {uri: '" + strings.Repeat("${", size/2) + "}'}}\n",
		"braces in SQL":    wrap("source", "derive: {a: '"+strings.Repeat("${x}", size/5)+"'}\n"),
		"dollars in SQL":   wrap("source", "derive: {a: '"+strings.Repeat("$a", size/2)+" ${x}'}\n"),
		"comments in SQL":  wrap("source", "derive: {a: '"+strings.Repeat("/*", size/2)+" ${x}'}\n"),
		"long values":      wrap("source", "primary_key: [\"${v}\"]\nfilters:\n"+fill(900, "  - {column: c%d, op: eq, value: '"+strings.Repeat("${v}", 100)+"'}\n")) + "parameters: [{name: v, type: text, default: " + strings.Repeat("x", 500_000) + "}]\n",
		"open brackets":    strings.Repeat("[", size/2),
		"nested mappings":  strings.Repeat("{a: ", 200_000),
		"indentation": func() string {
			s, pad := "", ""
			for range 1000 {
				s += pad + "a:\n"
				pad += " "
			}
			return s
		}(),
		"digits":            wrap("when", "- {left: a, right: a, within: "+strings.Repeat("9", size)+"}\n"),
		"escaped surrogate": `{"kalla": "` + strings.Repeat(`\ud83d\ude00`, size/12) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			faults := faultsOf(t, []byte(text))
			if took := time.Since(start); took > time.Minute {
				t.Errorf("took %s", took)
			}
			if len(faults) > 101 || len(faults.Error()) > 1<<16 {
				t.Errorf("%d faults, %d bytes of report", len(faults), len(faults.Error()))
			}
			t.Logf("%s, %d faults", time.Since(start).Round(time.Millisecond), len(faults))
		})
	}
}
