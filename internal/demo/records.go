package demo

// world computes any record of a data set from its place in a file.
type world struct {
	cfg         Config
	layout      *layout
	seed        uint64
	left, right permutation // place in the file → slot
	customers   int64
	width       int // digits of record numbers
}

// groupsPerCustomer is how many groups a customer has on average. Bounded, so
// that (customer, amount) identifies a group at any size: see amountOf.
const groupsPerCustomer = 20

func newWorld(cfg Config) (*world, error) {
	l, err := newLayout(cfg)
	if err != nil {
		return nil, err
	}
	width := 6
	for n := max(l.left, l.right); n >= 1_000_000; n /= 10 {
		width++
	}
	return &world{
		cfg: cfg, layout: l, seed: mix(cfg.Seed, 0),
		left:      newPermutation(l.left, mix(cfg.Seed, 1)),
		right:     newPermutation(l.right, mix(cfg.Seed, 2)),
		customers: max(20, l.groups/groupsPerCustomer), width: width,
	}, nil
}

// group is a set of records that belong together (or one that belongs to nothing).
type group struct {
	*section
	number   int64 // in its section
	id       int64 // among all groups
	size     shape
	customer int64
	hash     uint64
	day      int64 // base date of its records, see days
}

func (w *world) group(s *section, number int64) group {
	g := group{section: s, number: number, id: s.firstGroup + number, size: s.shapes[number%int64(len(s.shapes))]}
	g.customer = g.id % w.customers
	g.hash = mix(w.seed, uint64(g.id))
	g.day = int64(scale(mix(g.hash, 1), invoiceDays))
	return g
}

// groupAt returns the group of the record at a place of a file, and the record's number in it.
func (w *world) groupAt(p *permutation, pos int64, laneOf func(*section) *lane) (group, int64) {
	slot := p.at(pos)
	for i := range w.layout.sections {
		s := &w.layout.sections[i]
		if l := laneOf(s); slot < l.start+l.rows {
			number, member := l.locate(slot, len(s.shapes))
			return w.group(s, number), member
		}
	}
	panic("demo: slot outside the layout") // unreachable: sections cover every slot
}

func leftLane(s *section) *lane  { return &s.left }
func rightLane(s *section) *lane { return &s.right }

// invoiceKey and paymentKey return the number (from 1) of a group's record.
func (w *world) invoiceKey(g *group, member int64) int64 {
	return w.left.of(g.left.first(g.number, len(g.shapes))+member) + 1
}

func (w *world) paymentKey(g *group, member int64) int64 {
	return w.right.of(g.right.first(g.number, len(g.shapes))+member) + 1
}

const (
	amountSteps = 1 << 16 // distinct amounts of a customer; a power of two
	leastAmount = 1_000   // cents
	amountGap   = 32      // cents between neighbouring steps, at least
	offGrid     = 20      // cents above a step where no amount of amountOf is, by more than any tolerance
)

// step returns the amount of a step in cents; steps are at least amountGap
// apart, small amounts are more frequent than large ones.
func step(i int64) int64 { return leastAmount + amountGap*i + i*i/4096 }

// amountOf returns the amount of a group in cents. Groups of one customer
// have amounts at least 20 cents apart, so that a payment without a usable
// reference fits one invoice only, and the truth is the truth.
func (w *world) amountOf(g *group) int64 {
	h := mix(w.seed^0xa11, uint64(g.customer))
	k := uint64(g.id / w.customers)
	return step(int64((k*(h|1)+h>>32)%amountSteps)) + int64(scale(mix(g.hash, 2), 10))
}

// invoice is one left record.
type invoice struct {
	key        int64
	customer   int64
	day, terms int64 // invoice date, days until due
	cents      int64
	currency   int
	settlement settlement
	hash       uint64 // of the record, for what does not matter
}

// settlement is a reference shared by several records: "BAT-000017".
type settlement struct {
	prefix string // empty: none
	number int64
}

func (w *world) invoiceAt(pos int64) invoice {
	g, member := w.groupAt(&w.left, pos, leftLane)
	return w.invoice(&g, member, pos+1)
}

func (w *world) invoice(g *group, member, key int64) invoice {
	h := mix(g.hash, uint64(100+member))
	v := invoice{
		key: key, customer: g.customer, day: g.day, terms: [...]int64{14, 30, 30, 45}[h>>7&3],
		cents: w.invoiceCents(g, member), currency: currencyOf(g.customer), hash: h,
	}
	v.settlement = settlementOf(g)
	if w.cfg.Workload == OnePass {
		v.settlement = settlement{"ORD-", g.id + 1} // a column like any other there
	}
	return v
}

func settlementOf(g *group) settlement {
	switch g.pattern {
	case Batch:
		return settlement{"BAT-", g.number + 1}
	case Cross:
		return settlement{"SET-", g.number + 1}
	case Copy:
		return settlement{"ORD-", g.number + 1}
	}
	return settlement{}
}

func (w *world) invoiceCents(g *group, member int64) int64 {
	switch g.pattern {
	case Batch:
		return step(int64(scale(mix(g.hash, uint64(200+member)), amountSteps)))
	case Cross:
		// Whole units here and cents on the payments: no invoice equals a payment.
		return (10 + int64(scale(mix(g.hash, uint64(200+member)), 5_000))) * 100
	case Copy:
		return w.amountOf(g) + int64(scale(mix(g.hash, uint64(200+member)), uint64(w.cfg.SpreadCents)+1))
	}
	return w.amountOf(g)
}

// reference is what a payment says it is for.
type reference struct {
	kind       refKind
	invoice    int64 // key
	part       int64 // from 1
	settlement settlement
	slip       uint64 // which typing error
}

type refKind int

const (
	refNone       refKind = iota
	refInvoice            // INV-000008
	refPart               // INV-000008-PART2
	refMistyped           // lNV-00OOO8
	refSettlement         // BAT-000017
	refForeign            // CRN-004711, of something that is no invoice
)

// payment is one right record.
type payment struct {
	key       int64
	reference reference
	payer     int64
	spelling  uint64 // how the payer's name is written
	day       int64
	cents     int64
	currency  int
	hash      uint64
}

func (w *world) paymentAt(pos int64) payment {
	g, member := w.groupAt(&w.right, pos, rightLane)
	return w.payment(&g, member, pos+1)
}

// maxDelay is the longest time from invoice to payment inside the window, in days.
const maxDelay = 60

func (w *world) payment(g *group, member, key int64) payment {
	h := mix(g.hash, uint64(300+member))
	v := payment{
		key: key, payer: g.customer, spelling: h & 0xff, day: g.day + int64(scale(mix(h, 1), 46)),
		currency: currencyOf(g.customer), hash: h,
	}
	invoiceRef := func(kind refKind) reference {
		return reference{kind: kind, invoice: w.invoiceKey(g, 0), part: member + 1, slip: h >> 8 & 0xff}
	}
	v.cents = w.amountOf(g)
	v.reference.kind = refNone
	d := dice(h)
	switch g.pattern {
	case Exact:
		v.reference = invoiceRef(refInvoice)
	case Tolerance:
		v.reference = invoiceRef(refInvoice)
		v.cents += [...]int64{-2, -1, 1, 2}[d.roll(4)]
	case Split:
		v.reference = invoiceRef(refPart)
		v.cents = part(v.cents, g.size.right, member, g.hash)
	case Batch:
		v.reference = reference{kind: refSettlement, settlement: settlementOf(g)}
		v.cents = w.groupCents(g)
	case Cross:
		v.reference = reference{kind: refSettlement, settlement: settlementOf(g)}
		v.cents = crossPart(w.groupCents(g), g.size.right, member)
	case Duplicate:
		w.duplicate(g, member, &v)
	case Typo:
		v.reference = invoiceRef(refMistyped)
	case CurrencyDiffers:
		v.reference = invoiceRef(refInvoice)
		v.currency = (v.currency + 1 + int(d.roll(int64(len(currencies))-1))) % len(currencies)
	case AmountDiffers:
		v.reference = invoiceRef(refInvoice)
		v.cents = step(d.roll(amountSteps)) + offGrid
	case DateOutside:
		v.reference = invoiceRef(refInvoice)
		if v.day = g.day + maxDelay + 1 + d.roll(30); d.roll(4) == 0 {
			v.day = g.day - 1 - d.roll(10)
		}
	case OrphanRight:
		if d.roll(3) > 0 {
			v.reference = reference{kind: refForeign, settlement: settlement{"CRN-", g.number + 1}}
		}
	case Copy:
		v.reference = reference{kind: refSettlement, settlement: settlementOf(g)}
		v.cents += int64(scale(mix(h, 2), uint64(w.cfg.SpreadCents)+1))
	}
	return v
}

// duplicate fills in a payment of pattern Duplicate: an invoice paid twice
// (the later payment is left over), one payment for an invoice sent twice, or
// two invoices and three payments that agree in everything, without references.
func (w *world) duplicate(g *group, member int64, v *payment) {
	if g.size.left == 2 && g.size.right == 3 {
		v.day = g.day + int64(scale(mix(g.hash, 3), 46))
		v.spelling = mix(g.hash, 4) & 0xff
		return
	}
	v.reference = reference{kind: refInvoice, invoice: w.invoiceKey(g, 0)}
	if member == 1 {
		first := w.payment(g, 0, 0)
		v.day = first.day + 1 + int64(scale(mix(v.hash, 3), maxDelay-46))
	}
}

// groupCents returns the sum of a group's invoices.
func (w *world) groupCents(g *group) int64 {
	var sum int64
	for m := range g.size.left {
		sum += w.invoiceCents(g, m)
	}
	return sum
}

// part returns the i-th of n parts of an amount; they add up to it.
func part(cents, n, i int64, hash uint64) int64 {
	cut := func(k int64) int64 { // where the k-th part ends: near the even share
		if k == n {
			return cents
		}
		even := cents * k / n
		return even - int64(scale(mix(hash, uint64(400+k)), uint64(cents/(2*n))))
	}
	if i == 0 {
		return cut(1)
	}
	return cut(i+1) - cut(i)
}

// crossPart returns the i-th of n (2 or 3) payments of a sum in whole units;
// none of them is whole, so that no payment equals an invoice.
func crossPart(cents, n, i int64) int64 {
	odd := [...][]int64{2: {37, 63}, 3: {37, 26, 37}}[n]
	base := cents / 100 / n * 100
	if i == n-1 {
		return cents - base*(n-1) - 100 + odd[i]
	}
	return base + odd[i]
}
