package recipe

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kalla"
)

// maxFaults bounds a report; beyond it a reader learns nothing new.
const maxFaults = 100

// collector gathers faults, at most one a field: what follows from a fault is noise.
type collector struct {
	doc    *Document // nil when the recipe was not read from a document
	faults kalla.Faults
	at     map[string]bool
	quiet  map[string]bool // fields whose value is not known yet
}

func newCollector(doc *Document) *collector {
	return &collector{doc: doc, at: map[string]bool{}, quiet: map[string]bool{}}
}

// add reports a fault of the field at path.
func (c *collector) add(path, problem, hint string) {
	if c.unknown(path) || c.full() {
		return // before the position is looked for, which takes time
	}
	c.at[path] = true
	c.faults = append(c.faults, c.doc.Fault(path, problem, hint))
}

// full reports whether more faults would not be shown.
func (c *collector) full() bool { return len(c.faults) > maxFaults }

// unknown reports whether nothing can be said about the value at path: it is
// faulty already, or depends on a parameter that has no value yet.
func (c *collector) unknown(path string) bool { return c.at[path] || c.quiet[path] }

// sorted returns the faults in the order of the document.
func (c *collector) sorted() kalla.Faults {
	faults := c.faults
	more := len(faults) > maxFaults
	if more {
		faults = faults[:maxFaults]
	}
	sortFaults(faults)
	if more {
		faults = append(faults, kalla.Fault{Problem: fmt.Sprintf("more faults follow; these are %d of them", maxFaults)})
	}
	return faults
}

// sortFaults puts faults in the order of the document.
func sortFaults(faults kalla.Faults) {
	slices.SortStableFunc(faults, func(a, b kalla.Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// quote puts a value from the recipe into a message: shortened, on one line, without credentials.
func quote(s string) string {
	const most = 4096
	if scheme, _, isURI := strings.Cut(s, "://"); isURI && len(s) > most {
		s = scheme + "://…" // a credential may begin before any bound and end after it
	} else if isURI {
		s = redactURI(s)
	} else if len(s) > most {
		s = s[:most]
	}
	if r := []rune(s); len(r) > 60 {
		s = string(r[:57]) + "…"
	}
	return strconv.Quote(s)
}

// list names alternatives: "a, b or c".
func list[T ~string](names []T, last string) string {
	var b strings.Builder
	for i, n := range names {
		switch {
		case i == 0:
		case i == len(names)-1:
			b.WriteString(" " + last + " ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(string(n))
	}
	return b.String()
}

// suggest is the hint for a name that is none of the known ones.
func suggest[T ~string](name string, known []T, what string) string {
	if n := nearest(name, known); n != "" {
		return "did you mean " + n + "?"
	}
	if len(known) == 0 || len(known) > 30 {
		return ""
	}
	return what + " " + list(known, "and")
}

var separators = strings.NewReplacer("_", "", "-", "", " ", "")

// nearest returns the known name that name is most likely meant to be, or "".
func nearest[T ~string](name string, known []T) string {
	plain := func(s string) []rune { return []rune(separators.Replace(strings.ToLower(s))) }
	if len(name) > maxKeyLen {
		return ""
	}
	var begin []string
	for _, k := range known {
		if len(name) > 2 && strings.HasPrefix(string(k), name) {
			begin = append(begin, string(k))
		}
	}
	if len(begin) == 1 {
		return begin[0]
	}
	a := plain(name)
	best, found := max(1, len(a)/3), ""
	for _, k := range known {
		if d := distance(a, plain(string(k))); d < best || d == best && found == "" {
			best, found = d, string(k)
		}
	}
	return found
}

// distance is the Levenshtein distance.
func distance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i, x := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j, y := range b {
			change := diagonal
			if x != y {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
