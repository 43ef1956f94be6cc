package infer

import (
	"fmt"
	"maps"
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
	if err := f.again(); err != nil { // others were looked at since
		return err
	}
	if f.amount != nil && f.link != nil && !f.crowd {
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
		if (*c).opposite != "" && factor == "-1" { // a sign that was derived is derived the other way round
			derived, err := d.addDerived(s, s.freeName((*c).name+"_"+what), (*c).opposite, (*c).opposite, (*c).typ)
			if err != nil {
				return err
			}
			*c = derived
			return nil
		}
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
		d.note(Evidence{ID: deriveID(s, name), Path: "sources." + string(s.name) + ".derive." + name,
			What:    fmt.Sprintf("%s is %s times what the other side writes", (*c).name, map[string]string{"-1": "-1", "0.01": "100", "-0.01": "-100"}[factor]),
			Support: fmt.Sprintf("%s of %s pairs agree that way", share(a.exact*d.facts.pairs, d.facts.pairs), count(d.facts.pairs)), Agree: int64(a.exact * d.facts.pairs), Of: int64(d.facts.pairs)})
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
	days := slices.Sorted(maps.Keys(counts))
	all := kalla.Window{From: days[0], To: days[len(days)-1]}
	id := pairID(Dates, f.date.l, f.date.r)
	if s, ok := d.choice(id); ok {
		var w kalla.Window
		if n, err := fmt.Sscanf(s, "%d..%d", &w.From, &w.To); n == 2 && err == nil && w.From <= w.To {
			f.date.window = w
		}
	}
	if all != f.date.window {
		f.date.others = []Alternative{{ID: fmt.Sprintf("%s~%d..%d", id, all.From, all.To), What: fmt.Sprintf("%s is %s after %s", f.date.r.name, span(all), f.date.l.name), Support: fmt.Sprintf("all %s pairs", count(total))}}
	}
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
		if beyond*7 < min(within(to-step+1, to), core) && beyond*50 < total || beyond == 0 {
			break
		}
		to++
	}
	for from > days[0] {
		beyond := within(from-step, from-1)
		if beyond*7 < min(within(from, from+step-1), core) && beyond*50 < total || beyond == 0 {
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

const (
	nearNames = kalla.TokenSet // finds names whose words are in another order
	farNames  = 350_000        // millionths: less alike are no candidates
)

// nameSteps are how names are normalised before they are compared.
func nameSteps(l, r *column) []kalla.Normalize {
	steps := []kalla.Normalize{kalla.Upper, kalla.Trim, kalla.CollapseSpaces}
	if l.wide || r.wide {
		steps = append(steps, kalla.Unaccent)
	}
	return steps
}

func (d *drafter) normal(steps []kalla.Normalize, x string) string {
	for _, n := range steps {
		x = d.d.Normalize(n, x)
	}
	return x
}

const similarPairs = 1_000 // that similarities are measured of

// threshold chooses a method and the least similarity that tells pairs that belong together from others.
func (d *drafter) threshold(n *nameFact) error {
	methods := []kalla.Method{kalla.JaroWinkler, kalla.Levenshtein, kalla.TokenSet}
	limits := []string{"0.95", "0.9", "0.85", "0.8", "0.75", "0.7", "0.65", "0.6"}
	l, r := pairing{l: n.l, r: n.r}.cells()
	steps := nameSteps(n.l, n.r)
	l, r = d.normal(steps, l), d.normal(steps, r)
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
		return d.numbers(fmt.Sprintf("SELECT %s FROM %s FROM %s WHERE n <= %d)", strings.Join(list, ", "), from, table, similarPairs), len(list))
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
		return nil
	}
	id := pairID(Names, n.l, n.r)
	if s, ok := d.choice(id); ok {
		if v, err := decimal.NewFromString(s); err == nil && v.Sign() > 0 && v.LessThanOrEqual(one) {
			n.least = v
		}
	}
	for i, t := range limits {
		least := decimal.RequireFromString(t)
		k := 1 + slices.Index(methods, n.method)*len(limits) + i
		if apart := least.Sub(n.least).Abs(); apart.IsPositive() && apart.LessThanOrEqual(decimal.New(1, -1)) {
			n.others = append(n.others, Alternative{ID: id + "~" + t, What: fmt.Sprintf("%s and %s reach %s", n.l.name, n.r.name, t),
				Support: fmt.Sprintf("%s of pairs, %s of other pairs", share(good[k], max(1, good[0])), share(chance[k], max(1, chance[0])))})
		}
	}
	return nil
}

func (n *nameFact) condition() kalla.Condition {
	least := n.least
	return kalla.Condition{Left: n.l.name, Right: n.r.name, Similar: &least, Method: n.method, Normalize: nameSteps(n.l, n.r)}
}
