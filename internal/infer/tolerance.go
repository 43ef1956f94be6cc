package infer

import (
	"fmt"
	"strings"

	"github.com/shopspring/decimal"

	"kalla"
)

// tolerances are tried from the narrowest on.
var tolerances = func() []kalla.Within {
	var out []kalla.Within
	for _, t := range strings.Fields("0 0.01 0.02 0.05 0.10 0.50 1.00") {
		v := decimal.RequireFromString(t)
		out = append(out, kalla.Within{Absolute: &v})
	}
	for _, t := range strings.Fields("0.1 0.5 1 2 3 5") {
		v := decimal.RequireFromString(t)
		out = append(out, kalla.Within{Percent: &v})
	}
	return out
}()

func holds(w kalla.Within, l, r string) string {
	if w.Percent != nil {
		return fmt.Sprintf("abs(%[1]s - %[2]s) * 100 <= abs(%[1]s) * %[3]s", l, r, w.Percent)
	}
	return fmt.Sprintf("abs(%s - %s) <= %s", l, r, w.Absolute)
}

func tolerance(w *kalla.Within) string {
	switch {
	case w == nil:
		return "exactly"
	case w.Percent != nil:
		return "within " + w.Percent.String() + "%"
	}
	return "within " + w.Absolute.String()
}

// What a wider tolerance must add to be taken, as a share of the pairs. Rounding
// shows by few of them; what is so much per cent off is a rule where it is frequent, and else a finding.
const (
	negligible        = 0.004
	negligiblePercent = 0.08
)

// toleranceID is a tolerance as IDs write it: exactly, 0.05, 2%.
func toleranceID(w *kalla.Within) string {
	return strings.TrimPrefix(tolerance(w), "within ")
}

// parseTolerance reads what toleranceID writes.
func parseTolerance(s string) (w *kalla.Within, ok bool) {
	if s == "exactly" {
		return nil, true
	}
	digits, percent := strings.CutSuffix(s, "%")
	v, err := decimal.NewFromString(digits)
	if err != nil || v.Sign() <= 0 || strings.ContainsAny(s, "eE") {
		return nil, false
	}
	if percent {
		return &kalla.Within{Percent: &v}, true
	}
	return &kalla.Within{Absolute: &v}, true
}

// tolerance takes the narrowest tolerance beyond which there is next to nothing.
func (d *drafter) tolerance(f *facts) error {
	a := f.amount
	l, r := pairing{l: a.l, r: a.r}.cells()
	l, r = exact(l), exact(r)
	list := []string{"count(" + l + " - " + r + ")"}
	for _, t := range tolerances {
		list = append(list, "count_if("+holds(t, l, r)+")")
	}
	n, err := d.numbers("SELECT "+strings.Join(list, ", ")+" FROM "+goodTable, len(list))
	if err != nil {
		return err
	}
	total, counts := n[0], n[1:]
	a.exact = counts[0] / max(1, total)
	at := narrowest(counts, total)
	if at > 0 {
		a.within = &tolerances[at]
	}
	if s, ok := d.choice(a.id); ok {
		if w, ok := parseTolerance(s); ok {
			a.within = w
		}
	}
	for i, c := range counts {
		w := &tolerances[i]
		if i == 0 {
			w = nil
		}
		if id := toleranceID(w); id != toleranceID(a.within) && (i == 0 || c > counts[i-1]) {
			a.others = append(a.others, Alternative{ID: a.id + "~" + id, What: fmt.Sprintf("%s and %s agree %s", a.l.name, a.r.name, tolerance(w)), Support: fmt.Sprintf("%s of %s pairs", share(c, total), count(total))})
		}
	}
	a.others = a.others[:min(len(a.others), 5)]
	return nil
}

// narrowest is the first tolerance to which no wider one adds more than next to nothing.
func narrowest(counts []float64, total float64) int {
	for i, c := range counts {
		wider := false
		for j := i + 1; j < len(counts); j++ {
			least := negligible
			if tolerances[j].Percent != nil {
				least = negligiblePercent
			}
			wider = wider || counts[j]-c > max(least*total, 0.5)
		}
		if !wider {
			return i
		}
	}
	return len(counts) - 1
}

// amountCondition compares the amounts, with the tolerance or exactly.
func (a *amountFact) condition(exactly bool) kalla.Condition {
	c := kalla.Condition{Left: a.l.name, Right: a.r.name, Within: a.within}
	if exactly {
		c.Within = nil
	}
	return c
}

// agrees is SQL of whether the amounts of a pair in goodTable agree.
func (a *amountFact) agrees() string {
	l, r := pairing{l: a.l, r: a.r}.cells()
	w := a.within
	if w == nil {
		w = &tolerances[0]
	}
	return holds(*w, exact(l), exact(r))
}
