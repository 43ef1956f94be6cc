package gen

import "kalla"

// Mirror returns the recipe with its sides exchanged, and whether that is the
// same recipe seen from the other side: a percentage is of the left value, so
// it has no mirror image.
func Mirror(r *kalla.Recipe) (*kalla.Recipe, bool) {
	out := *r
	out.Sources.Left, out.Sources.Right = r.Sources.Right, r.Sources.Left
	out.Match, out.Compare = nil, nil
	for _, p := range r.Match {
		m := p
		switch p.Cardinality {
		case kalla.OneToMany:
			m.Cardinality = kalla.ManyToOne
		case kalla.ManyToOne:
			m.Cardinality = kalla.OneToMany
		}
		m.When, m.Block = nil, nil
		for _, c := range p.When {
			if percent(c.Within) {
				return nil, false
			}
			m.When = append(m.When, mirrorCondition(c))
		}
		for _, b := range p.Block {
			b.Left, b.Right = b.Right, b.Left
			m.Block = append(m.Block, b)
		}
		if p.Sum != nil {
			if percent(p.Sum.Within) {
				return nil, false
			}
			m.Sum = &kalla.Sum{Left: p.Sum.Right, Right: p.Sum.Left, Within: p.Sum.Within}
		}
		out.Match = append(out.Match, m)
	}
	return &out, true
}

func percent(w *kalla.Within) bool { return w != nil && w.Percent != nil }

var mirrorOps = map[kalla.Op]kalla.Op{
	kalla.OpGt: kalla.OpLt, kalla.OpLt: kalla.OpGt, kalla.OpGte: kalla.OpLte, kalla.OpLte: kalla.OpGte,
	kalla.OpPrefixOf: kalla.OpHasPrefix, kalla.OpHasPrefix: kalla.OpPrefixOf,
	kalla.OpContains: kalla.OpContainedIn, kalla.OpContainedIn: kalla.OpContains,
}

func mirrorCondition(c kalla.Condition) kalla.Condition {
	c.Left, c.Right = c.Right, c.Left
	if op, ok := mirrorOps[c.Op]; ok {
		c.Op = op
	}
	if c.Within != nil {
		w := *c.Within
		w.Days, w.Hours = mirrorWindow(w.Days), mirrorWindow(w.Hours)
		c.Within = &w
	}
	return c
}

func mirrorWindow(w *kalla.Window) *kalla.Window {
	if w == nil {
		return nil
	}
	return &kalla.Window{From: -w.To, To: -w.From}
}
