package demo

import (
	"fmt"

	"kalla"
)

// shape is how many records of each side a group of a pattern holds.
type shape struct{ left, right int64 }

// shapes gives the groups of each pattern; a pattern with several goes through
// them in turn.
var shapes = []struct {
	pattern Pattern
	shapes  []shape
}{
	{Tolerance, []shape{{1, 1}}},
	{Split, []shape{{1, 2}, {1, 3}, {1, 4}}},
	{Batch, []shape{{2, 1}, {3, 1}, {4, 1}, {5, 1}}},
	{Cross, []shape{{2, 2}, {3, 2}, {2, 3}}},
	{Duplicate, []shape{{1, 2}, {2, 1}, {2, 3}}},
	{Typo, []shape{{1, 1}}},
	{NoReference, []shape{{1, 1}}},
	{CurrencyDiffers, []shape{{1, 1}}},
	{AmountDiffers, []shape{{1, 1}}},
	{DateOutside, []shape{{1, 1}}},
	{OrphanLeft, []shape{{1, 0}}},
	{OrphanRight, []shape{{0, 1}}},
	{Exact, []shape{{1, 1}}}, // last: it takes what the others leave
}

// mixes are the default mixes.
var mixes = map[Workload]Mix{
	Reconciliation: {
		Tolerance: 700, Split: 500, Batch: 700, Cross: 400, Duplicate: 200, Typo: 300, NoReference: 200,
		CurrencyDiffers: 100, AmountDiffers: 300, DateOutside: 200, OrphanLeft: 500, OrphanRight: 300,
	},
	OnePass: {Tolerance: 1500, AmountDiffers: 300, DateOutside: 200, OrphanLeft: 1000, OrphanRight: 500},
}

// onePass are the patterns that the recipe of workload OnePass can tell apart.
var onePass = map[Pattern]bool{
	Exact: true, Tolerance: true, AmountDiffers: true, DateOutside: true, OrphanLeft: true, OrphanRight: true,
}

// section is a run of groups of one pattern. Its records occupy consecutive
// slots of each side, group after group.
type section struct {
	pattern    Pattern
	shapes     []shape
	groups     int64
	firstGroup int64 // number of its first group among all groups
	left       lane
	right      lane
}

// lane is one side of a section.
type lane struct {
	start, rows int64    // slots
	cycle       int64    // slots of one turn through the shapes
	offset      []int64  // first slot of each shape in the cycle
	member      []member // what each slot of the cycle holds
}

// member names a record of a group: the shape's index and the record's number in the group.
type member struct {
	shape  int
	number int64
}

func newLane(sizes []int64, groups, start int64) lane {
	l := lane{start: start}
	for i, n := range sizes {
		l.offset = append(l.offset, l.cycle)
		for k := range n {
			l.member = append(l.member, member{i, k})
		}
		l.cycle += n
	}
	l.rows = groups / int64(len(sizes)) * l.cycle
	if rest := groups % int64(len(sizes)); rest > 0 {
		l.rows += l.offset[rest]
	}
	return l
}

// locate returns the number in its section of the group that owns a slot, and
// the record's number in the group.
func (l *lane) locate(slot int64, shapes int) (group, number int64) {
	slot -= l.start
	m := l.member[slot%l.cycle]
	return slot/l.cycle*int64(shapes) + int64(m.shape), m.number
}

// first returns the first slot of a group.
func (l *lane) first(group int64, shapes int) int64 {
	n := int64(shapes)
	return l.start + group/n*l.cycle + l.offset[group%n]
}

// layout lays the groups of all patterns out, one section a pattern.
type layout struct {
	sections    []section
	left, right int64 // rows
	groups      int64
}

func (l *layout) add(p Pattern, sh []shape, groups int64) {
	var left, right []int64
	for _, s := range sh {
		left, right = append(left, s.left), append(right, s.right)
	}
	s := section{
		pattern: p, shapes: sh, groups: groups, firstGroup: l.groups,
		left: newLane(left, groups, l.left), right: newLane(right, groups, l.right),
	}
	l.sections = append(l.sections, s)
	l.left += s.left.rows
	l.right += s.right.rows
	l.groups += groups
}

// leastForAll is the size from which every pattern of a mix occurs at least once.
const leastForAll = 100

func newLayout(cfg Config) (*layout, error) {
	invalid := func(format string, args ...any) error {
		return &kalla.Error{Code: kalla.CodeUsage, Op: "generating data set", Why: fmt.Sprintf(format, args...)}
	}
	if cfg.Rows < 1 {
		return nil, invalid("%d rows asked for, at least 1 needed", cfg.Rows)
	}
	var l layout
	if cfg.Workload == Copies {
		n := cfg.CopiesPerKey
		if n < 1 || cfg.Rows%n != 0 || cfg.Mix != nil || cfg.SpreadCents < 0 {
			return nil, invalid("%d rows cannot be laid out as keys of %d copies", cfg.Rows, n)
		}
		l.add(Copy, []shape{{n, n}}, cfg.Rows/n)
		return &l, nil
	}

	mix := cfg.Mix
	if mix == nil {
		mix = mixes[cfg.Workload]
	}
	sum, known := 0, 0
	for _, s := range shapes {
		share, in := mix[s.pattern]
		if in {
			known++
		}
		if share < 0 {
			return nil, invalid("the share of pattern %s is negative", s.pattern)
		}
		if share > 0 && cfg.Workload == OnePass && !onePass[s.pattern] {
			return nil, invalid("pattern %s does not occur in workload %s", s.pattern, cfg.Workload)
		}
		if s.pattern != OrphanRight {
			sum += share
		}
	}
	if known != len(mix) || sum > 10_000 {
		return nil, invalid("the shares of the mix name unknown patterns or exceed 10000 (%d)", sum)
	}
	for _, s := range shapes {
		rows := cfg.Rows/10_000*int64(mix[s.pattern]) + cfg.Rows%10_000*int64(mix[s.pattern])/10_000
		if s.pattern == Exact {
			rows = cfg.Rows - l.left
		}
		var groups int64
		switch {
		case s.shapes[0].left == 0:
			groups = rows
		default:
			groups = groupsIn(rows, s.shapes)
		}
		if groups == 0 && mix[s.pattern] > 0 && cfg.Rows >= leastForAll {
			groups = 1
		}
		l.add(s.pattern, s.shapes, groups)
	}
	if l.left != cfg.Rows {
		return nil, invalid("%d rows are too few for the mix", cfg.Rows)
	}
	return &l, nil
}

// groupsIn returns how many groups fit into that many left rows.
func groupsIn(rows int64, sh []shape) int64 {
	var cycle int64
	for _, s := range sh {
		cycle += s.left
	}
	groups, rest := rows/cycle*int64(len(sh)), rows%cycle
	for _, s := range sh {
		if rest < s.left {
			break
		}
		rest -= s.left
		groups++
	}
	return groups
}
