package infer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"kalla"
)

// settleFacts turns what was observed into conditions: derived amounts, a
// tolerance, a window, thresholds of similarity.
func (d *drafter) settleFacts() error {
	f := &d.facts
	if f.amount != nil {
		if err := d.turnAmount(f.amount); err != nil {
			return err
		}
	}
	if f.link != nil { // other links were looked at since
		if err := d.confident(f.link); err != nil {
			return err
		}
	} else if err := d.confidentAmount(f.amount); err != nil {
		return err
	}
	if f.amount != nil && f.link != nil {
		if err := d.tolerance(f); err != nil {
			return err
		}
	}
	if f.date != nil {
		if err := d.window(f); err != nil {
			return err
		}
	}
	for i := range f.names {
		if err := d.threshold(&f.names[i]); err != nil {
			return err
		}
	}
	f.names = slices.DeleteFunc(f.names, func(n nameFact) bool { return n.least.IsZero() })
	return nil
}

// turnAmount derives amounts that are written in the other side's convention.
func (d *drafter) turnAmount(a *amountFact) error {
	change := func(c **column, what, factor string) error {
		s := (*c).side
		name := s.freeName(strings.ToLower((*c).name) + "_" + what)
		x := d.d.Ident((*c).name)
		expr := fmt.Sprintf("cast(%s * %s AS decimal(18,%d))", x, factor, max(2, (*c).typ.Scale))
		if (*c).typ.Kind == kalla.Float {
			expr = fmt.Sprintf("cast(cast(%s AS decimal(18,4)) * %s AS decimal(18,4))", x, factor)
		}
		derived, err := d.addDerived(s, name, expr, expr, kalla.Type{Kind: kalla.DecimalKind, Precision: 18, Scale: 2})
		if err != nil {
			return err
		}
		d.note("sources."+string(s.name)+".derive."+name, fmt.Sprintf("%s is %s times what the other side writes", (*c).name, map[string]string{"-1": "-1", "0.01": "100", "-0.01": "-100"}[factor]),
			fmt.Sprintf("%s of %s pairs agree that way", share(a.exact*d.facts.pairs, d.facts.pairs), count(d.facts.pairs)))
		*c = derived
		return nil
	}
	t := a.turn
	a.turn = plain
	switch t {
	case negated:
		return change(&a.r, "negated", "-1")
	case leftCents:
		return change(&a.l, "units", "0.01")
	case rightCents:
		return change(&a.r, "units", "0.01")
	case leftCentsN:
		return change(&a.l, "units", "-0.01")
	case rightCentsN:
		return change(&a.r, "units", "-0.01")
	}
	return nil
}

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

const negligible = 0.004 // of the pairs: what a wider tolerance must add to be taken

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
	counts := n[1:]
	most := slices.Max(counts)
	for i, c := range counts {
		if c < most-max(negligible*n[0], 0.5) {
			continue
		}
		if i > 0 {
			a.within = &tolerances[i]
		}
		a.exact = counts[0] / max(1, n[0])
		return nil
	}
	return nil
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

// window reads off how many days lie between the dates: the densest nine
// tenths, and from there as far as there is no sharp drop.
func (d *drafter) window(f *facts) error {
	l, r := pairing{l: f.date.l, r: f.date.r}.cells()
	where := "TRUE"
	if f.amount != nil {
		where = f.amount.agrees()
	}
	counts := map[int]int{}
	total := 0
	err := d.each(fmt.Sprintf("SELECT %s - %s AS d, count(*) FROM %s WHERE %s AND d IS NOT NULL GROUP BY 1 ORDER BY 1", day(r), day(l), goodTable, where), func(scan func(...any) error) error {
		var days, n int
		if err := scan(&days, &n); err != nil {
			return err
		}
		counts[days] = n
		total += n
		return nil
	})
	if err != nil {
		return err
	}
	if total == 0 {
		f.date = nil
		return nil
	}
	f.date.window = windowOf(counts, total)
	return nil
}

func windowOf(counts map[int]int, total int) kalla.Window {
	var days []int
	for v := range counts {
		days = append(days, v)
	}
	slices.Sort(days)
	from, to := days[0], days[len(days)-1]
	for i, sum, j := 0, 0, 0; j < len(days); j++ {
		for sum += counts[days[j]]; sum*10 >= total*9; i++ {
			if days[j]-days[i] < to-from {
				from, to = days[i], days[j]
			}
			sum -= counts[days[i]]
		}
	}
	within := func(a, b int) int {
		n := 0
		for v := a; v <= b; v++ {
			n += counts[v]
		}
		return n
	}
	// A drop is sharp where the days beyond hold less than a seventh of those before.
	step := max(3, (to-from+1)/8)
	if total < 200 {
		step = max(3, (to-from+1)/3)
	}
	core := within(from, to)
	for to < days[len(days)-1] {
		beyond := within(to+1, to+step)
		if beyond*7 < min(within(to-step+1, to), core) || beyond == 0 {
			break
		}
		to++
	}
	for from > days[0] {
		beyond := within(from-step, from-1)
		if beyond*7 < min(within(from, from+step-1), core) || beyond == 0 {
			break
		}
		from--
	}
	for counts[to] == 0 {
		to--
	}
	for counts[from] == 0 {
		from++
	}
	if total < 200 { // few pairs do not show the extremes
		slack := (to - from + 9) / 10
		to += slack
		if from < 0 {
			from -= slack
		} else {
			from = max(0, from-slack)
		}
	}
	return kalla.Window{From: from, To: to}
}

func (f *dateFact) condition() kalla.Condition {
	w := f.window
	return kalla.Condition{Left: f.l.name, Right: f.r.name, Within: &kalla.Within{Days: &w}}
}

var nameSteps = []kalla.Normalize{kalla.Upper, kalla.Trim, kalla.CollapseSpaces}

// threshold chooses a method and the least similarity that tells pairs that belong together from others.
func (d *drafter) threshold(n *nameFact) error {
	methods := []kalla.Method{kalla.JaroWinkler, kalla.Levenshtein, kalla.TokenSet}
	limits := []string{"0.95", "0.9", "0.85", "0.8", "0.75", "0.7", "0.65", "0.6"}
	l, r := pairing{l: n.l, r: n.r}.cells()
	for _, step := range nameSteps {
		l, r = d.d.Normalize(step, l), d.d.Normalize(step, r)
	}
	list := []string{"count(" + l + " || " + r + ")"}
	from := "(SELECT n, " + l + " || " + r + " AS b"
	list[0] = "count(b)"
	for m, method := range methods {
		from += fmt.Sprintf(", %s AS d%d", d.d.Dissimilarity(method, "nullif("+l+", '')", "nullif("+r+", '')"), m)
		for _, t := range limits {
			list = append(list, fmt.Sprintf("count_if(d%d <= %s)", m, decimal.RequireFromString(t).Neg().Add(decimal.NewFromInt(1)).Shift(6)))
		}
	}
	ask := func(table string) ([]float64, error) {
		return d.numbers(fmt.Sprintf("SELECT %s FROM %s FROM %s WHERE n <= 1000)", strings.Join(list, ", "), from, table), len(list))
	}
	good, err := ask(goodTable)
	if err != nil {
		return err
	}
	chance, err := ask(chanceTable)
	if err != nil {
		return err
	}
	// Of what is equally good, the first method and the highest threshold; letting in others counts threefold.
	best := 0.0
	for m, method := range methods {
		for i, t := range limits {
			k := 1 + m*len(limits) + i
			g, c := good[k]/max(1, good[0]), chance[k]/max(1, chance[0])
			if gain := g - 3*c; gain > best+0.002 && (method == n.method || gain > best+0.01) {
				best = gain
				n.method, n.least, n.reached, n.chance = method, decimal.RequireFromString(t), g, c
			}
		}
	}
	if best < 0.3 {
		n.least = decimal.Zero
	}
	return nil
}

func (n *nameFact) condition() kalla.Condition {
	least := n.least
	return kalla.Condition{Left: n.l.name, Right: n.r.name, Similar: &least, Method: n.method, Normalize: nameSteps}
}
