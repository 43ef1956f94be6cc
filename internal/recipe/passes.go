package recipe

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"kalla"
)

// defaultName is what a pass without a name is called.
func defaultName(index int) string { return "pass " + strconv.Itoa(index+1) }

func (d *decoder) pass(f field, index int) kalla.Pass {
	p := kalla.Pass{Name: defaultName(index)}
	o := d.object(f.path, f.node)
	if o == nil {
		return p
	}
	defer o.done()
	if name := o.get("name"); name.given() {
		p.Name = d.name(name)
	}
	p.Cardinality = oneOf(d, o.get("cardinality"), cardinalities)
	for _, f := range o.list("when", "- {left: invoice_id, right: reference_number}") {
		p.When = append(p.When, d.condition(f))
	}
	p.SQL = d.text(o.get("sql"), inSQL)
	for _, f := range o.list("block", "- {left: name, right: payer, transform: soundex}") {
		p.Block = append(p.Block, d.block(f))
	}
	if f := o.get("sum"); f.given() {
		p.Sum = d.sum(f)
	}
	if f := o.get("subset"); f.given() {
		p.Subset = &kalla.Subset{}
		if s := d.object(f.path, f.node); s != nil {
			if m := s.get("max"); m.given() {
				p.Subset.Max = d.integer(m, 1, maxSubset)
			} else {
				d.add(m.path, "is missing", "say how many records the subset may hold: subset: {max: 8}")
			}
			s.done()
		}
	}
	p.Prefer = o.nameList("prefer", "[amount, invoice_date]")
	p.OnAmbiguous = oneOf(d, o.get("on_ambiguous"), ambiguities)
	return p
}

func (d *decoder) condition(f field) kalla.Condition {
	o := d.object(f.path, f.node)
	if o == nil {
		return kalla.Condition{}
	}
	defer o.done()
	c := kalla.Condition{Left: o.name("left"), Right: o.name("right"), Op: oneOf(d, o.get("op"), ops)}
	if f := o.get("within"); f.given() {
		c.Within = d.within(f)
	}
	if f := o.get("similar"); f.given() {
		s := d.decimal(f)
		c.Similar = &s
	}
	c.Method = oneOf(d, o.get("method"), methods)
	c.Normalize = d.normalize(o)
	return c
}

func (d *decoder) normalize(o *object) []kalla.Normalize {
	var out []kalla.Normalize
	for _, f := range o.list("normalize", "[trim, upper]") {
		out = append(out, oneOf(d, f, normalizations))
	}
	return out
}

// within reads a number, a percentage, {days: …} or {hours: …}.
func (d *decoder) within(f field) *kalla.Within {
	if f.node.Kind == yaml.MappingNode {
		o := d.object(f.path, f.node)
		defer o.done()
		days, hours := o.get("days"), o.get("hours")
		switch {
		case days.given() && hours.given():
			d.add(f.path, "has both days and hours", "keep one of them")
		case days.given():
			return &kalla.Within{Days: d.window(days, maxDays)}
		case hours.given():
			return &kalla.Within{Hours: d.window(hours, maxHours)}
		case !d.unknown(days.path) && !d.unknown(hours.path):
			d.add(f.path, "says neither days nor hours", "write within: {days: 3}, or within: \"0.02\" for amounts")
		}
		return &kalla.Within{Days: &kalla.Window{}}
	}
	if f.node.Kind == yaml.SequenceNode {
		d.add(f.path, "must be a tolerance, this is a list", "a window of days is written within: {days: [0, 45]}")
		return &kalla.Within{Absolute: &kalla.Decimal{}}
	}
	s, known := d.scalar(f, inText)
	number, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	n, ok := parseDecimal(strings.TrimSpace(number))
	switch {
	case !known:
	case !ok:
		hint := `write a number of at most 38 digits (0.02), a percentage (2%), or a time ({days: 3})`
		if n, ok := decimalWithComma(number); ok {
			hint = "write the decimals with a point: " + n.String()
		}
		if m := wordyWindow.FindStringSubmatch(s); m != nil {
			hint = "write within: {" + m[2] + "s: " + m[1] + "}"
		}
		d.add(f.path, quote(s)+" is no tolerance", hint)
	case n.IsNegative():
		d.add(f.path, "a tolerance cannot be negative: "+quote(s), "write "+n.Abs().String()+"; it holds in both directions")
	}
	if percent {
		return &kalla.Within{Percent: &n}
	}
	return &kalla.Within{Absolute: &n}
}

var wordyWindow = regexp.MustCompile(`^\s*([0-9]{1,6})\s*(day|hour)s?\s*$`)

// window reads n, meaning [−n, n], or [a, b].
func (d *decoder) window(f field, limit int) *kalla.Window {
	if f.node.Kind != yaml.SequenceNode {
		n := d.integer(f, -limit, limit)
		if d.unknown(f.path) {
			return &kalla.Window{}
		}
		if n < 0 {
			d.add(f.path, fmt.Sprintf("%d means from %d to %d, which is empty", n, -n, n), fmt.Sprintf("write %d, or a window such as [%d, 0]", -n, n))
		}
		return &kalla.Window{From: -n, To: n}
	}
	items := d.elements(f, "[0, 45]", maxList)
	if len(items) != 2 {
		if len(items) > 0 {
			d.add(f.path, fmt.Sprintf("a window has two ends, this has %d", len(items)), "write it like [0, 45]: right − left, both ends inclusive")
		}
		return &kalla.Window{}
	}
	w := &kalla.Window{From: d.integer(items[0], -limit, limit), To: d.integer(items[1], -limit, limit)}
	if w.From > w.To && !d.unknown(items[0].path) && !d.unknown(items[1].path) {
		d.add(f.path, fmt.Sprintf("the window [%d, %d] is empty", w.From, w.To), fmt.Sprintf("write [%d, %d]", w.To, w.From))
	}
	return w
}

var blockTransform = regexp.MustCompile(`^(first|ngram)\(\s*([0-9]{1,4})\s*\)$`)

func (d *decoder) block(f field) kalla.Block {
	o := d.object(f.path, f.node)
	if o == nil {
		return kalla.Block{}
	}
	defer o.done()
	b := kalla.Block{Left: o.name("left"), Right: o.name("right")}
	t := o.get("transform")
	if !t.given() {
		return b
	}
	s, known := d.scalar(t, inText)
	if !known {
		return b
	}
	if s == string(kalla.BlockSoundex) {
		b.Transform = kalla.BlockSoundex
		return b
	}
	m := blockTransform.FindStringSubmatch(s)
	if m == nil {
		d.add(t.path, quote(s)+" is no transform", "it is soundex, first(n) or ngram(n); without one the values themselves are equal")
		return b
	}
	b.Transform = kalla.BlockTransform(m[1])
	b.N, _ = strconv.Atoi(m[2])
	low, high := 1, maxFirst
	if b.Transform == kalla.BlockNgram {
		low, high = minNgram, maxNgram
	}
	if b.N < low || b.N > high {
		d.add(t.path, fmt.Sprintf("%d characters is out of range", b.N), fmt.Sprintf("%s takes %d to %d", b.Transform, low, high))
	}
	return b
}

func (d *decoder) sum(f field) *kalla.Sum {
	s := &kalla.Sum{}
	o := d.object(f.path, f.node)
	if o == nil {
		return s
	}
	defer o.done()
	s.Left, s.Right = o.name("left"), o.name("right")
	if f := o.get("within"); f.given() {
		s.Within = d.within(f)
		if s.Within.Days != nil || s.Within.Hours != nil {
			d.add(f.path, "sums differ by an amount, not by a time", `write within: "0.02" or within: 1%`)
			s.Within = &kalla.Within{Absolute: &kalla.Decimal{}}
		}
	}
	return s
}

func (d *decoder) compare(f field) kalla.Compare {
	o := d.object(f.path, f.node)
	if o == nil {
		return kalla.Compare{}
	}
	defer o.done()
	c := kalla.Compare{Left: o.name("left"), Right: o.name("right")}
	if f := o.get("within"); f.given() {
		c.Within = d.within(f)
	}
	c.Normalize = d.normalize(o)
	return c
}
