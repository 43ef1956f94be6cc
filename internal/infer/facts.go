package infer

import (
	"cmp"
	"slices"

	"kalla"
)

// facts are what pairs of records that surely belong together show.
type facts struct {
	link   *link        // what the pairs share; nil where it is an amount alone
	again  func() error // makes goodTable of the pairs
	crowd  bool         // the link does not identify: amount, date or name tell the records that share it apart
	groups bool         // they are groups of records, amounts their sums
	amount *amountFact
	date   *dateFact
	names  []nameFact
	same   []sameFact
	pairs  float64 // how many pairs the facts were read off
}

// amountFact is a pair of amount columns.
type amountFact struct {
	id     string // of the columns as the sources have them
	l, r   *column
	others []Alternative
	turn   turn          // how the right amount becomes the left one
	exact  float64       // share of pairs that are equal
	near   float64       // share of pairs that differ by 5% at most
	share  float64       // of the amounts of the smaller side that the other has too, where they were compared as sets
	within *kalla.Within // nil: exactly equal
}

// dateFact is a pair of dates: right − left lies in the window.
type dateFact struct {
	l, r   *column
	window kalla.Window
	others []Alternative
}

// nameFact is a pair of texts that are alike where records belong together.
type nameFact struct {
	l, r    *column
	method  kalla.Method
	least   kalla.Decimal
	chance  float64 // share of other pairs that are as alike
	reached float64
	others  []Alternative
}

// sameFact is a pair of columns that agree where records belong together.
type sameFact struct {
	pairing
	agree, chance float64
}

// turn is a convention in which amounts of both sides differ.
type turn int

const (
	plain       turn = iota
	negated          // right = −left
	leftCents        // left = 100 · right
	rightCents       // right = 100 · left
	leftCentsN       // left = −100 · right
	rightCentsN      // right = −100 · left
	turns
)

// sql is an amount of the left, or of the right as the left writes it.
func (t turn) sql(l, r string) (string, string) {
	switch t {
	case negated:
		return l, "-" + r
	case leftCents:
		return l, r + " * 100"
	case rightCents:
		return l + " * 100", r
	case leftCentsN:
		return l, r + " * -100"
	case rightCentsN:
		return l + " * -100", r
	}
	return l, r
}

const samplePairs = 10_000 // of surely corresponding records that facts are read off

// readFacts finds pairs of records that surely belong together, by a reference
// that only one record of each side has or else by an amount, and reads off
// them what amounts, dates and names do.
func (d *drafter) readFacts() error {
	var found []*facts
	tried := 0
	for _, k := range d.links {
		if k.crowd() > 3 && len(k.on) == 1 || tried == 6 {
			continue
		}
		tried++
		f, trusted, err := d.factsOf(k)
		if err != nil {
			return err
		}
		if trusted {
			found = append(found, f)
		}
	}
	slices.SortStableFunc(found, func(a, b *facts) int { return cmp.Compare(b.weight(), a.weight()) })
	var best *facts
	if len(found) > 0 {
		best = found[0]
	}
	if best == nil || best.amount == nil {
		// Records of both sides that are numbered in the order of time have dates
		// that agree, and still nothing to do with each other: amounts tell.
		for _, find := range []func() (*facts, error){d.factsOfCrowds, d.factsOfGroups, d.factsByAmount} {
			f, err := find()
			if err != nil {
				return err
			}
			if f != nil && (best == nil || f.weight() > best.weight()) {
				best, found = f, nil
			}
		}
	}
	if best == nil {
		return nil
	}
	// What else identifies has to show as much agreement; the surest goes first.
	var rest []*link
	for _, k := range d.links {
		if !slices.ContainsFunc(found, func(f *facts) bool { return f.link == k }) {
			rest = append(rest, k)
		}
	}
	d.links = nil
	for _, f := range found {
		f.link.trusted = f.agreement() >= 0.6*best.agreement()
		d.links = append(d.links, f.link)
	}
	d.links = append(d.links, rest...)
	if k := best.link; best.groups || best.crowd && plausible(k) && k.shared >= 20 && min(k.left, k.right) >= 0.5*float64(min(d.left.rows, d.right.rows)) {
		k.trusted = true
	}
	d.facts = *best
	return d.settleFacts()
}

// agreement is how much of other columns agrees in a pair, on a scale of its own.
func (f *facts) agreement() float64 {
	w := 0.5
	if f.amount != nil {
		w += f.amount.near
	}
	if f.date != nil {
		w += 0.3
	}
	return w + 0.2*float64(min(3, len(f.same)+len(f.names)))
}

// weight is how much the facts are worth: by the pairs and by how much agrees.
func (f *facts) weight() float64 { return f.pairs * f.agreement() }

// corroborated reports whether anything but the amount agrees as it would not by chance.
func (f *facts) corroborated() bool {
	return f.date != nil || len(f.names) > 0 || slices.ContainsFunc(f.same, func(s sameFact) bool { return s.agree-s.chance >= 0.2 })
}

// factsOf reads facts off the records that alone share a link. They are to be
// trusted when other columns agree as they would not by chance.
func (d *drafter) factsOf(k *link) (*facts, bool, error) {
	f := &facts{link: k, again: func() error { return d.confident(k) }}
	if err := d.observe(f); err != nil {
		return nil, false, err
	}
	if f.pairs < 2 {
		return f, false, nil
	}
	if f.amount != nil || f.corroborated() {
		return f, true, nil
	}
	// Nothing else to go by: codes that both sides have are no accident, running numbers may be.
	return f, plausible(k) && min(k.left, k.right) >= 0.5*float64(min(d.left.rows, d.right.rows)), nil
}
