package gen

import (
	"pgregory.net/rapid"

	"kalla"
)

// drawPass draws a pass that validation accepts: it has a condition that can
// block, and what it combines goes together.
func drawPass(t *rapid.T, used map[string]bool) kalla.Pass {
	p := kalla.Pass{Cardinality: rapid.SampledFrom([]kalla.Cardinality{
		kalla.OneToOne, kalla.OneToOne, kalla.OneToOne,
		kalla.OneToMany, kalla.ManyToOne, kalla.OneToMany, kalla.ManyToOne, kalla.ManyToMany,
	}).Draw(t, "cardinality")}
	if rapid.Bool().Draw(t, "leave") && p.Cardinality != kalla.ManyToMany {
		p.OnAmbiguous = kalla.Leave
	}
	if p.Cardinality == kalla.ManyToMany {
		for range between(t, "equalities", 1, 2) {
			p.When = append(p.When, drawEquality(t, used))
		}
	} else {
		drawWhen(t, used, &p)
	}
	if p.Cardinality != kalla.OneToOne && rapid.Bool().Draw(t, "sums") {
		drawSum(t, used, &p)
	}
	drawPrefer(t, &p)
	return p
}

func drawWhen(t *rapid.T, used map[string]bool, p *kalla.Pass) {
	switch between(t, "blocks by", 0, 5) {
	case 0:
		p.When = append(p.When, drawWithin(t, used))
	case 1:
		p.When = append(p.When, drawPrefix(t, used))
	case 2:
		p.Block = append(p.Block, drawBlock(t, used))
		if rapid.Bool().Draw(t, "two blocks") {
			p.Block = append(p.Block, drawBlock(t, used))
		}
		p.When = append(p.When, drawSimilar(t, used))
	default:
		p.When = append(p.When, drawEquality(t, used))
	}
	for range between(t, "more conditions", 0, 2) {
		more := []func(*rapid.T, map[string]bool) kalla.Condition{
			drawWithin, drawWithin, drawTimeWithin, drawTimeWithin, drawEquality, drawPrefix, drawSimilar, drawComparison, drawContains,
		}
		draw := rapid.SampledFrom(more).Draw(t, "form")
		c := draw(t, used)
		if rapid.Bool().Draw(t, "first") {
			p.When = append([]kalla.Condition{c}, p.When...)
		} else {
			p.When = append(p.When, c)
		}
	}
}

func drawEquality(t *rapid.T, used map[string]bool) kalla.Condition {
	pairs := [][2]string{
		{"ref", "ref"}, {"ref", "ref"}, {"name", "name"}, {"ccy", "ccy"}, {"num", "num"}, {"amount", "amount"}, {"amount", "fine"},
		{"flag", "flag"}, {"day", "day"}, {"day", "at"}, {"at", "at"}, {"inst", "inst"}, {"code", "num"}, {"num", "code"}, {"num", "amount"}, {"code", "code"},
	}
	pair := rapid.SampledFrom(pairs).Draw(t, "equal columns")
	use(used, pair[0], pair[1])
	c := kalla.Condition{Left: pair[0], Right: pair[1]}
	if isText(pair[0]) && isText(pair[1]) {
		c.Normalize = drawNormalize(t)
	}
	return c
}

func isText(name string) bool { return fields[name].typ.Kind == kalla.Text }

func drawNormalize(t *rapid.T) []kalla.Normalize {
	steps := []kalla.Normalize{
		kalla.Trim, kalla.Upper, kalla.Alnum, kalla.Digits, kalla.StripLeadingZeros, kalla.Unaccent, kalla.CollapseSpaces,
	}
	var out []kalla.Normalize
	if !rapid.Bool().Draw(t, "normalizes") {
		return nil
	}
	for range between(t, "steps", 1, 3) {
		out = append(out, rapid.SampledFrom(steps).Draw(t, "step"))
	}
	return out
}

func drawWithin(t *rapid.T, used map[string]bool) kalla.Condition {
	pairs := [][2]string{{"amount", "amount"}, {"amount", "fine"}, {"fine", "amount"}, {"num", "num"}, {"num", "amount"}}
	pair := rapid.SampledFrom(pairs).Draw(t, "amounts")
	use(used, pair[0], pair[1])
	return kalla.Condition{Left: pair[0], Right: pair[1], Within: drawTolerance(t)}
}

func drawTolerance(t *rapid.T) *kalla.Within {
	if between(t, "percent", 0, 3) == 0 {
		return &kalla.Within{Percent: number(rapid.SampledFrom([]string{"0.1", "1", "50", "0"}).Draw(t, "percent"))}
	}
	return &kalla.Within{Absolute: number(rapid.SampledFrom([]string{"0", "0.01", "0.02", "0.005", "1", "10"}).Draw(t, "absolute"))}
}

func drawTimeWithin(t *rapid.T, used map[string]bool) kalla.Condition {
	pairs := [][2]string{{"day", "day"}, {"day", "at"}, {"at", "day"}, {"at", "at"}, {"inst", "inst"}}
	pair := rapid.SampledFrom(pairs).Draw(t, "times")
	use(used, pair[0], pair[1])
	from := between(t, "from", -2, 1)
	w := &kalla.Window{From: from, To: from + between(t, "length", 0, 3)}
	c := kalla.Condition{Left: pair[0], Right: pair[1], Within: &kalla.Within{Days: w}}
	if rapid.Bool().Draw(t, "hours") {
		c.Within = &kalla.Within{Hours: w}
	}
	return c
}

func drawPrefix(t *rapid.T, used map[string]bool) kalla.Condition {
	name := rapid.SampledFrom([]string{"ref", "name", "code"}).Draw(t, "prefix column")
	use(used, name)
	return kalla.Condition{
		Left: name, Right: name,
		Op:        rapid.SampledFrom([]kalla.Op{kalla.OpPrefixOf, kalla.OpHasPrefix}).Draw(t, "prefix"),
		Normalize: drawNormalize(t),
	}
}

func drawSimilar(t *rapid.T, used map[string]bool) kalla.Condition {
	use(used, "name")
	return kalla.Condition{
		Left: "name", Right: "name",
		Similar:   number(rapid.SampledFrom([]string{"0.5", "0.75", "0.8", "0.9", "1"}).Draw(t, "least")),
		Method:    rapid.SampledFrom([]kalla.Method{"", kalla.Levenshtein, kalla.JaroWinkler, kalla.TokenSet}).Draw(t, "method"),
		Normalize: drawNormalize(t),
	}
}

func drawComparison(t *rapid.T, used map[string]bool) kalla.Condition {
	pairs := [][2]string{{"num", "num"}, {"amount", "amount"}, {"num", "amount"}, {"day", "day"}, {"day", "at"}, {"ccy", "ccy"}, {"flag", "flag"}, {"ref", "ref"}}
	pair := rapid.SampledFrom(pairs).Draw(t, "compared")
	use(used, pair[0], pair[1])
	ops := []kalla.Op{kalla.OpNeq, kalla.OpGt, kalla.OpGte, kalla.OpLt, kalla.OpLte}
	if pair[0] == "flag" {
		ops = ops[:1]
	}
	return kalla.Condition{Left: pair[0], Right: pair[1], Op: rapid.SampledFrom(ops).Draw(t, "op")}
}

func drawContains(t *rapid.T, used map[string]bool) kalla.Condition {
	use(used, "ref", "name")
	pair := rapid.SampledFrom([][2]string{{"ref", "ref"}, {"name", "name"}, {"ref", "name"}}).Draw(t, "texts")
	return kalla.Condition{
		Left: pair[0], Right: pair[1],
		Op:        rapid.SampledFrom([]kalla.Op{kalla.OpContainedIn, kalla.OpContains}).Draw(t, "contains"),
		Normalize: drawNormalize(t),
	}
}

func drawBlock(t *rapid.T, used map[string]bool) kalla.Block {
	name := rapid.SampledFrom([]string{"name", "ref", "ccy"}).Draw(t, "block column")
	use(used, name)
	b := kalla.Block{Left: name, Right: name}
	b.Transform = rapid.SampledFrom([]kalla.BlockTransform{
		kalla.BlockExact, kalla.BlockSoundex, kalla.BlockFirst, kalla.BlockNgram,
	}).Draw(t, "transform")
	if b.Transform == kalla.BlockFirst || b.Transform == kalla.BlockNgram {
		b.N = between(t, "n", 2, 3)
	}
	return b
}

func drawSum(t *rapid.T, used map[string]bool, p *kalla.Pass) {
	name := rapid.SampledFrom([]string{"amount", "num"}).Draw(t, "sum column")
	use(used, name)
	p.Sum = &kalla.Sum{Left: name, Right: name}
	if rapid.Bool().Draw(t, "sum within") {
		p.Sum.Within = drawTolerance(t)
	}
	if p.Cardinality != kalla.ManyToMany && rapid.Bool().Draw(t, "subset") {
		p.Subset = &kalla.Subset{Max: between(t, "max", 1, 4)}
	}
}

// drawPrefer names some of the measuring conditions' columns; a column that
// stands in two of them would name neither.
func drawPrefer(t *rapid.T, p *kalla.Pass) {
	if !rapid.Bool().Draw(t, "prefers") {
		return
	}
	times := map[string]int{}
	var measuring []kalla.Condition
	for _, c := range p.When {
		if c.Within == nil && c.Similar == nil && c.Op != kalla.OpPrefixOf && c.Op != kalla.OpHasPrefix {
			continue
		}
		measuring = append(measuring, c)
		times[c.Left]++
		if c.Right != c.Left {
			times[c.Right]++
		}
	}
	for i := len(measuring) - 1; i >= 0; i-- {
		if name := measuring[i].Left; times[name] == 1 && rapid.Bool().Draw(t, "prefer") {
			p.Prefer = append(p.Prefer, name)
		}
	}
}

func drawCompare(t *rapid.T, used map[string]bool) kalla.Compare {
	switch between(t, "compare", 0, 2) {
	case 0:
		use(used, "amount")
		return kalla.Compare{Left: "amount", Right: "amount", Within: drawTolerance(t)}
	case 1:
		use(used, "ref")
		return kalla.Compare{Left: "ref", Right: "ref", Normalize: drawNormalize(t)}
	}
	use(used, "ccy")
	return kalla.Compare{Left: "ccy", Right: "ccy"}
}
