package oracle

import (
	"math/big"
	"sort"
	"strconv"

	"github.com/shopspring/decimal"

	"kalla"
)

// pair is a candidate of a pass; l and r index the good records, so they are also key ranks.
type pair struct {
	l, r   int
	vector []*big.Rat
}

func compareVectors(a, b []*big.Rat) int {
	for i := range a {
		if c := a[i].Cmp(b[i]); c != 0 {
			return c
		}
	}
	return 0
}

// candidates are all pairs of free records that the pass lets through, in key order.
func (x *run) candidates(p pass) []pair {
	var out []pair
	for i, l := range x.left {
		for j, r := range x.right {
			if l.match >= 0 || r.match >= 0 || !p.candidate(l.vals, r.vals) {
				continue
			}
			c := pair{l: i, r: j}
			for _, cond := range p.vector {
				c.vector = append(c.vector, cond.difference(l.vals, r.vals))
			}
			out = append(out, c)
		}
	}
	return out
}

func (x *run) runPass(i int) {
	p := x.passes[i]
	pairs := x.candidates(p)
	switch p.Cardinality {
	case kalla.OneToOne:
		x.oneToOne(i, pairs)
	case kalla.OneToMany, kalla.ManyToOne:
		g := grouping{run: x, pass: i, manyLeft: p.Cardinality == kalla.ManyToOne}
		if p.Subset != nil {
			g.subsets(pairs)
		} else {
			g.groups(pairs)
		}
	case kalla.ManyToMany:
		x.manyToMany(i, pairs)
	default:
		x.allPairs(i, pairs)
	}
}

// add records a match of the good records of those ranks.
func (x *run) add(pass int, ls, rs []int, ambiguous bool) {
	sort.Ints(ls)
	sort.Ints(rs)
	m := Match{Pass: pass + 1, Cardinality: x.passes[pass].Cardinality, Ambiguous: ambiguous}
	for _, l := range ls {
		m.Left = append(m.Left, x.left[l].name)
		x.left[l].match = len(x.matches)
	}
	for _, r := range rs {
		m.Right = append(m.Right, x.right[r].name)
		x.right[r].match = len(x.matches)
	}
	m.ID = strconv.Itoa(pass+1) + "/" + m.Left[0]
	m.Pairs = listPairs(m.Left, m.Right)
	x.matches = append(x.matches, m)
}

// listPairs is every left key with every right key, or, beyond 10,000 pairs,
// each key at least once.
func listPairs(ls, rs []string) []Pair {
	const most = 10_000
	var out []Pair
	if len(ls)*len(rs) > most {
		for i := range max(len(ls), len(rs)) {
			out = append(out, Pair{ls[i%len(ls)], rs[i%len(rs)]})
		}
		return out
	}
	for _, l := range ls {
		for _, r := range rs {
			out = append(out, Pair{l, r})
		}
	}
	return out
}

// leave notes that a record was left by on_ambiguous: leave.
func (x *run) leave(pass int, r *record) { x.leftAside[pass][r] = true }

// oneToOne takes the candidates level by level, a level being the pairs with equal vectors.
func (x *run) oneToOne(pass int, pairs []pair) {
	sort.SliceStable(pairs, func(i, j int) bool { return compareVectors(pairs[i].vector, pairs[j].vector) < 0 })
	free := func(p pair) bool {
		l, r := x.left[p.l], x.right[p.r]
		return l.match < 0 && r.match < 0 && !x.leftAside[pass][l] && !x.leftAside[pass][r]
	}
	for start := 0; start < len(pairs); {
		end := start
		var level []pair
		for ; end < len(pairs) && compareVectors(pairs[start].vector, pairs[end].vector) == 0; end++ {
			if free(pairs[end]) {
				level = append(level, pairs[end])
			}
		}
		var contested []pair
		for i, p := range level {
			alone := true
			for j, q := range level {
				alone = alone && (i == j || p.l != q.l && p.r != q.r)
			}
			if alone {
				x.add(pass, []int{p.l}, []int{p.r}, false)
			} else {
				contested = append(contested, p)
			}
		}
		for _, p := range contested { // in key order, since the sort was stable
			switch {
			case x.passes[pass].OnAmbiguous == kalla.Leave:
				x.leave(pass, x.left[p.l])
				x.leave(pass, x.right[p.r])
			case free(p):
				x.add(pass, []int{p.l}, []int{p.r}, true)
			}
		}
		start = end
	}
}

// allPairs makes every candidate a match of its own; a record may be in several.
func (x *run) allPairs(pass int, pairs []pair) {
	for _, p := range pairs {
		l, r := x.left[p.l], x.right[p.r]
		x.add(pass, []int{p.l}, []int{p.r}, false)
		x.matches[len(x.matches)-1].ID = strconv.Itoa(pass+1) + "/" + pairEscaper.Replace(l.name) + "/" + pairEscaper.Replace(r.name)
	}
}

// manyToMany makes a group of all records that agree on the equalities: what
// the candidate pairs connect.
func (x *run) manyToMany(pass int, pairs []pair) {
	groupL, groupR := map[int]int{}, map[int]int{} // rank to group
	next := 0
	for _, p := range pairs {
		gl, okL := groupL[p.l]
		gr, okR := groupR[p.r]
		g := next
		switch {
		case okL:
			g = gl
		case okR:
			g = gr
		default:
			next++
		}
		if okL && okR && gl != gr {
			panic("oracle: equalities are not transitive")
		}
		groupL[p.l], groupR[p.r] = g, g
	}
	for g := range next {
		var ls, rs []int
		for l, of := range groupL {
			if of == g {
				ls = append(ls, l)
			}
		}
		for r, of := range groupR {
			if of == g {
				rs = append(rs, r)
			}
		}
		if x.balances(pass, ls, rs) {
			x.add(pass, ls, rs, false)
		}
	}
	x.sortMatches()
}

// balances reports whether the sums of a group differ by no more than the pass allows.
func (x *run) balances(pass int, ls, rs []int) bool {
	p := x.passes[pass]
	if p.Sum == nil {
		return true
	}
	var left, right decimal.Decimal
	for _, l := range ls {
		d, _ := number(x.left[l].vals[p.sumL])
		left = left.Add(d)
	}
	for _, r := range rs {
		d, _ := number(x.right[r].vals[p.sumR])
		right = right.Add(d)
	}
	return withinTolerance(p.Sum.Within, left, right)
}

// sortMatches puts the matches in pass order, then by least left key.
func (x *run) sortMatches() {
	rank := map[string]int{}
	for i, l := range x.left {
		rank[l.name] = i
	}
	rankR := map[string]int{}
	for i, r := range x.right {
		rankR[r.name] = i
	}
	order := make([]int, len(x.matches))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool {
		a, b := x.matches[order[i]], x.matches[order[j]]
		if a.Pass != b.Pass {
			return a.Pass < b.Pass
		}
		if a.Left[0] != b.Left[0] {
			return rank[a.Left[0]] < rank[b.Left[0]]
		}
		return rankR[a.Right[0]] < rankR[b.Right[0]]
	})
	sorted, place := make([]Match, len(order)), make([]int, len(order))
	for to, from := range order {
		sorted[to], place[from] = x.matches[from], to
	}
	x.matches = sorted
	for _, side := range [][]*record{x.left, x.right} {
		for _, r := range side {
			if r.match >= 0 {
				r.match = place[r.match]
			}
		}
	}
}
