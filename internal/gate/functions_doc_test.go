package gate_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kalla/internal/gate"
)

// TestFunctionsAreDocumented: the tables of docs/functions.md list the functions that the gate allows, no more and no fewer.
func TestFunctionsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/functions.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := []string{"cast", "try_cast"} // in the prose
	call := regexp.MustCompile("`([a-z_]+)\\(")
	for line := range strings.Lines(string(page)) {
		if cells := strings.Split(line, " | "); strings.HasPrefix(line, "| `") && len(cells) == 2 {
			for _, m := range call.FindAllStringSubmatch(cells[0], -1) {
				documented = append(documented, m[1])
			}
		}
	}
	documented = append(documented, "extract") // with year, month and day
	slices.Sort(documented)
	documented = slices.Compact(documented)
	if allowed := gate.Functions(); !slices.Equal(documented, allowed) {
		t.Errorf("documented %v\nallowed    %v", documented, allowed)
	}
	for _, name := range []string{"cast(", "try_cast(", "extract("} {
		if !strings.Contains(string(page), "`"+name) {
			t.Errorf("%s is not documented", name)
		}
	}
}
