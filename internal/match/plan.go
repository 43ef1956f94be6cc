package match

import (
	"strings"

	"kalla"
)

// Plan is a compiled recipe: what to run, in order, and how to read the result.
// Tables of its own all begin with kalla_.
type Plan struct {
	Nodes   []Node   // prepare, passes, reasons; executed in order
	Files   []File   // queries that give the evidence files, in order of writing
	Passes  []string // names, in order; index 0 is pass 1
	queries queries
}

type queries struct {
	totals, passes, reasons, breaks string
}

// Node is a step of a plan: Exec, If, Loop, Each, Guard or Search.
type Node interface{ node() }

// Exec runs one statement.
type Exec struct{ Name, SQL string }

// If runs Then when the query gives true, else Else. The query gives one
// boolean. Unless, if there is one, is a cheaper query: where it gives true the
// answer is Else, and Query is not asked.
type If struct {
	Name, Query, Unless string
	Then, Else          []Node
}

// Loop runs Body while the query gives true. Before each round the runner
// replaces {i} in the query and the body by the number of the round, from 0, and {j} by the next.
type Loop struct {
	Name, While string
	Body        []Node
}

// Each is a part of a plan that does with each row of Per.Table what it would do
// if the others were not there. Where an engine divides that table, the union of
// what each share leaves in Result is what the whole would leave.
type Each struct {
	Name     string
	Per      Per
	Nodes    []Node
	Result   string // a table
	Embedded Script // the same as Nodes, in Options.Embedded; nil where there is none
}

// Guard fails the run when the query gives more than Max.
type Guard struct {
	Name, Query string
	Max         int64
	Code        kalla.Code
	Why, Hint   string // Why may hold one %d for what the query gave
}

// Search looks for balancing subsets in Go; see FindSubsets. Query gives rows
// (one_id, one_amount, many_id, many_amount, place), amounts as text, place the rank
// of the candidate by its vector, ordered by the
// key of the one, then the key of the many; the result goes to Insert, a table
// (one_id BIGINT, many_id BIGINT, ambiguous BOOLEAN).
type Search struct {
	Name, Query, Insert string
	Locked              string // table (id BIGINT) of the ones left as ambiguous
	Pass                int    // from 1
	Options             SubsetOptions
}

func (Exec) node()   {}
func (If) node()     {}
func (Loop) node()   {}
func (Each) node()   {}
func (Guard) node()  {}
func (Search) node() {}

// File is one file of the evidence.
type File struct {
	Name  string // matched.parquet
	Query string
	// Any gives whether the query has rows at all, for queries that join large
	// tables to what is mostly empty; without it the query decides.
	Any string
	// Columns are those of the query, by the names that people know, which an engine
	// may have written otherwise, and with the types of the source's columns. A type
	// without a kind is what the engine says.
	Columns  kalla.Schema
	Per      Per
	Embedded string // the same as Query, in Options.Embedded; empty where there is none
}

// Per says how work can be divided: each row of what comes of it is of one row of
// Table, whose column ID holds the number of a row of the staged table Source.
// Without a Table it cannot be divided.
type Per struct {
	Table, ID, Source string
	Alone             bool // no other row of Source is looked at
}

// Totals gives rows (side, measure, total, matched, unmatched), figures as text;
// measure is an amount column, or CountMeasure or BadKeyMeasure.
func (p *Plan) Totals() string { return p.queries.totals }

// PassCounts gives rows (pass, matches, pairs, left, right, ambiguous).
func (p *Plan) PassCounts() string { return p.queries.passes }

// Reasons gives rows (side, reason, records).
func (p *Plan) Reasons() string { return p.queries.reasons }

// Breaks gives rows (field, records), one per compared field that differs anywhere.
func (p *Plan) Breaks() string { return p.queries.breaks }

// expand replaces {name} in a template by the value that follows name. Values
// are inserted as they are and not looked at again; unknown names stay.
func expand(template string, namesAndValues ...string) string {
	pairs := make([]string, len(namesAndValues))
	for i, s := range namesAndValues {
		if i%2 == 0 {
			s = "{" + s + "}"
		}
		pairs[i] = s
	}
	return strings.NewReplacer(pairs...).Replace(template)
}

// SQL lists the plan's statements in order for people to read; branches and loops are named.
func (p *Plan) SQL() []Exec {
	var out []Exec
	var walk func(prefix string, nodes []Node)
	walk = func(prefix string, nodes []Node) {
		for _, n := range nodes {
			switch n := n.(type) {
			case Exec:
				out = append(out, Exec{prefix + n.Name, n.SQL})
			case If:
				if n.Unless != "" {
					out = append(out, Exec{prefix + "unless, then if " + n.Name, n.Unless})
				}
				out = append(out, Exec{prefix + "if " + n.Name, n.Query})
				walk(prefix+"then: ", n.Then)
				walk(prefix+"else: ", n.Else)
			case Loop:
				out = append(out, Exec{prefix + "while " + n.Name, n.While})
				walk(prefix+"each round: ", n.Body)
			case Each:
				walk(prefix, n.Nodes)
			case Guard:
				out = append(out, Exec{prefix + "check " + n.Name, n.Query})
			case Search:
				out = append(out, Exec{prefix + n.Name, n.Query})
			}
		}
	}
	walk("", p.Nodes)
	for _, f := range p.Files {
		out = append(out, Exec{"write " + f.Name, f.Query})
	}
	return out
}
