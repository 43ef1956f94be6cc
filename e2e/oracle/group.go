package oracle

import (
	"sort"

	"kalla"
)

// maxSubsetCandidates is how many candidates the search for a subset looks at.
const maxSubsetCandidates = 64

// grouping runs a one_to_many pass, or its mirror image when manyLeft. In its
// words a group has one "one" record and its "many" records.
type grouping struct {
	*run
	pass     int
	manyLeft bool
}

// of returns the ranks of the "one" and the "many" record of a pair.
func (g grouping) of(p pair) (one, many int) {
	if g.manyLeft {
		return p.r, p.l
	}
	return p.l, p.r
}

func (g grouping) one(rank int) *record {
	if g.manyLeft {
		return g.right[rank]
	}
	return g.left[rank]
}

func (g grouping) many(rank int) *record {
	if g.manyLeft {
		return g.left[rank]
	}
	return g.right[rank]
}

func (g grouping) sides(one int, many []int) (ls, rs []int) {
	many = append([]int{}, many...)
	if g.manyLeft {
		return many, []int{one}
	}
	return []int{one}, many
}

func (g grouping) leaves() bool { return g.passes[g.pass].OnAmbiguous == kalla.Leave }

// groups deals each "many" record to the nearest "one" record; the groups that
// balance are matches.
func (g grouping) groups(pairs []pair) {
	nearest := map[int]pair{} // by "many" rank
	tied := map[int]bool{}
	for _, p := range pairs {
		one, many := g.of(p)
		best, ok := nearest[many]
		if !ok {
			nearest[many] = p
			continue
		}
		bestOne, _ := g.of(best)
		switch c := compareVectors(p.vector, best.vector); {
		case c < 0:
			nearest[many], tied[many] = p, false
		case c == 0:
			tied[many] = true
			if one < bestOne {
				nearest[many] = p
			}
		}
	}
	members, ambiguous := map[int][]int{}, map[int]bool{} // by "one" rank
	for many, p := range nearest {
		if tied[many] && g.leaves() {
			g.leave(g.pass, g.many(many))
			continue
		}
		one, _ := g.of(p)
		members[one] = append(members[one], many)
		ambiguous[one] = ambiguous[one] || tied[many]
	}
	for one, many := range members {
		if ls, rs := g.sides(one, many); g.balances(g.pass, ls, rs) {
			g.add(g.pass, ls, rs, ambiguous[one])
		}
	}
	g.sortMatches()
}

// subsets lets each "one" record, in key order, take the smallest subset of
// the free candidates that balances.
func (g grouping) subsets(pairs []pair) {
	byOne := map[int][]pair{}
	var ones []int
	for _, p := range pairs {
		one, _ := g.of(p)
		if byOne[one] == nil {
			ones = append(ones, one)
		}
		byOne[one] = append(byOne[one], p)
	}
	sort.Ints(ones)
	for _, one := range ones {
		g.takeSubset(one, byOne[one])
	}
	g.sortMatches()
}

func (g grouping) takeSubset(one int, pairs []pair) {
	var free []pair
	for _, p := range pairs {
		if _, many := g.of(p); g.many(many).match < 0 {
			free = append(free, p)
		}
	}
	sort.SliceStable(free, func(i, j int) bool {
		if c := compareVectors(free[i].vector, free[j].vector); c != 0 {
			return c < 0
		}
		_, a := g.of(free[i])
		_, b := g.of(free[j])
		return a < b
	})
	var ranks []int
	for _, p := range free[:min(len(free), maxSubsetCandidates)] {
		_, many := g.of(p)
		ranks = append(ranks, many)
	}
	sort.Ints(ranks)
	for size := 1; size <= min(g.passes[g.pass].Subset.Max, len(ranks)); size++ {
		found := firstSubsets(ranks, size, 2, func(many []int) bool {
			ls, rs := g.sides(one, many)
			return g.balances(g.pass, ls, rs)
		})
		switch {
		case len(found) == 0:
			continue
		case len(found) > 1 && g.leaves():
			g.leave(g.pass, g.one(one))
		default:
			ls, rs := g.sides(one, found[0])
			g.add(g.pass, ls, rs, len(found) > 1)
		}
		return
	}
}

// firstSubsets returns the first n subsets of that size for which ok holds, in
// the order of their sorted lists. The ranks are sorted.
func firstSubsets(ranks []int, size, n int, ok func([]int) bool) [][]int {
	var found [][]int
	var extend func(chosen []int, from int)
	extend = func(chosen []int, from int) {
		if len(chosen) == size {
			if ok(chosen) {
				found = append(found, append([]int{}, chosen...))
			}
			return
		}
		for i := from; i < len(ranks) && len(found) < n; i++ {
			extend(append(append([]int{}, chosen...), ranks[i]), i+1)
		}
	}
	extend(nil, 0)
	return found
}
