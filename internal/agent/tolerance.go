package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"kalla"
	"kalla/internal/job"
	"kalla/internal/recipe"
)

// What the ids of the rules begin with whose tolerance may be named; an alternative of
// one is its id, ~ and the tolerance. See infer.Guidance.
const (
	amountRule = "amount:"
	dateRule   = "date:"
)

// then is an edit after which a later one was made.
func (e Edit) then(later Edit) Edit {
	if later.Amount != "" {
		e.Amount = later.Amount
	}
	if later.Days != nil {
		e.Days = later.Days
	}
	return e
}

// edit puts a tolerance into the draft, and shows what comes of it.
func (t *turn) edit(ctx context.Context, e Edit) error {
	w := &t.c.Work
	if w.Phase() == Scoping || w.Phase() == Demonstration {
		w.Scoped, w.Shown = true, true
	}
	wasAgreed := w.Agreed
	drafted, err := t.draft(ctx, e)
	if err != nil {
		return err // it cannot be put anywhere
	}
	w.Edits = []Edit{w.tolerance().then(e)}
	t.say("The tolerance is changed.")
	if wasAgreed {
		return t.test(ctx)
	}
	return t.tellRules(drafted)
}

// tolerate puts tolerances that a person named into the draft, and says of its rules and its coverage
// what then holds. One that is named now must be of some rule; one that was kept may be of a rule
// that was dropped since, and holds again when that is taken back.
func (d *Drafted) tolerate(ctx context.Context, s Services, examples []job.Example, now, kept Edit) error {
	e := kept.then(now)
	if e == (Edit{}) {
		return nil
	}
	checked, err := s.Check(ctx, d.Document)
	if err != nil {
		return err
	}
	if now != (Edit{}) {
		if _, set, err := now.apply(d.Document, checked.Left, checked.Right); err != nil {
			return err
		} else if len(set) == 0 {
			return now.nowhere()
		}
	}
	document, set, err := e.apply(d.Document, checked.Left, checked.Right)
	if err != nil || len(set) == 0 {
		return err
	}
	before, err := parse(d.Document)
	if err != nil {
		return err
	}
	after, err := parse(document)
	if err != nil {
		return err
	}
	for i := range d.Rules {
		d.Rules[i].reword(before, after, set)
	}
	if encode(before.Match) == encode(after.Match) { // it was inferred as the person named it
		return d.write(d.Document)
	}
	if err := d.measure(ctx, s, document, after, examples); err != nil {
		return err
	}
	return d.write(document)
}

// reword says a rule whose tolerance was set, at one of these paths, as it is now. What the data suggests
// instead can be taken in its place; what was counted of that says nothing of the rule.
func (r *Rule) reword(before, after *kalla.Recipe, set []string) {
	if !slices.Contains(set, r.Path) {
		return
	}
	r.Set = true
	old, now := conditionAt(before, r.Path), conditionAt(after, r.Path)
	if now == nil { // the sums of a pass
		for i, p := range after.Match {
			if r.Path == passPath(i) {
				r.What = fmt.Sprintf("%s: sums within %s", p.Name, toleranceID(p.Sum.Within))
			}
		}
		return
	}
	was, is := toleranceID(old.Within), toleranceID(now.Within)
	id, _, _ := strings.Cut(r.ID, "~")
	if was != is && (strings.HasPrefix(id, amountRule) || strings.HasPrefix(id, dateRule)) {
		r.Alternatives = append([]Option{{id + "~" + was, r.What, r.Support}}, r.Alternatives...)
	}
	r.Alternatives = slices.DeleteFunc(r.Alternatives, func(o Option) bool { return o.ID == id+"~"+is })
	r.What = recipe.Phrase(after, *now)
	if was != is {
		r.Support, r.Agree, r.Of, r.CounterExamples = "", 0, 0, nil
	}
}

// measure counts what a draft matches whose tolerances are not the inferred ones, pass by pass, and
// how it agrees with the examples.
func (d *Drafted) measure(ctx context.Context, s Services, document string, r *kalla.Recipe, examples []job.Example) error {
	found, err := s.Backtest(ctx, BacktestInput{Document: document, Examples: examples})
	if err != nil {
		return err
	}
	sum := found.Summary
	d.Left.Total, d.Left.Matched = sum.Left.Total, sum.Left.Matched
	d.Right.Total, d.Right.Matched = sum.Right.Total, sum.Right.Matched
	d.Suggestions = nil // they count what the inferred rules leave
	for i := range d.Rules {
		rule := &d.Rules[i]
		at := slices.IndexFunc(r.Match, func(p kalla.Pass) bool { return p.Name == rule.What || strings.HasPrefix(rule.What, p.Name+": ") })
		if at < 0 || rule.Path != passPath(at) {
			continue
		}
		rule.Support, rule.Agree, rule.Of, rule.CounterExamples = "", 0, 0, nil
		for _, p := range sum.Passes {
			if p.Name == r.Match[at].Name {
				rule.Agree, rule.Of = p.Left, sum.Left.Total
				rule.Support = fmt.Sprintf("matches %s of %s and %s of %s", share(Coverage{Total: sum.Left.Total, Matched: p.Left}), d.Left.Alias,
					share(Coverage{Total: sum.Right.Total, Matched: p.Right}), d.Right.Alias)
				if p.Ambiguous > 0 {
					rule.Support += fmt.Sprintf("; %s have equally good candidates", count(p.Ambiguous))
				}
			}
		}
	}
	for i := range d.Lessons {
		d.Lessons[i] = d.relearned(d.Lessons[i], examples, found.Disagreements)
	}
	return nil
}

// relearned is what a draft with other tolerances has to say of an example.
func (d *Drafted) relearned(l job.Lesson, examples []job.Example, against []job.Disagreement) job.Lesson {
	if l.Verdict == "not_found" || l.Example < 0 || l.Example >= len(examples) {
		return l
	}
	e := examples[l.Example]
	for _, x := range against {
		if equal(x.Example.Left, e.Left) && equal(x.Example.Right, e.Right) {
			return job.Lesson{Example: l.Example, Verdict: "conflicts", Text: x.Why}
		}
	}
	replaced := slices.ContainsFunc(d.Rules, func(r Rule) bool { return r.Set && slices.Contains(l.Rules, r.ID) })
	if l.Verdict == "conflicts" || replaced {
		return job.Lesson{Example: l.Example, Verdict: "held", Text: "the rules agree with it"}
	}
	return l
}

// apply puts a tolerance into every condition that compares amounts, or dates, and says where these are.
// Which columns are amounts the types tell: a decimal or a float on both sides.
func (e Edit) apply(document string, left, right []job.Column) (text string, set []string, err error) {
	r, err := parse(document)
	if err != nil {
		return "", nil, err
	}
	amount, err := e.amount()
	if err != nil {
		return "", nil, err
	}
	types := [2]map[string]string{{}, {}}
	for i, columns := range [][]job.Column{left, right} {
		for _, c := range columns {
			types[i][c.Name] = c.DataType
		}
	}
	both := func(c kalla.Condition, kinds ...string) bool {
		is := func(t string) bool {
			return slices.ContainsFunc(kinds, func(k string) bool { return strings.HasPrefix(t, k) })
		}
		return (c.Op == "" || c.Op == kalla.OpEq) && c.Similar == nil && is(types[0][c.Left]) && is(types[1][c.Right])
	}
	for p := range r.Match {
		pass := &r.Match[p]
		for i := range pass.When {
			c := &pass.When[i]
			w := c.Within
			switch {
			case amount != nil && (w != nil && (w.Absolute != nil || w.Percent != nil) || w == nil && both(*c, "decimal", "float")):
				c.Within, c.Normalize = amount, nil
			case e.Days != nil && (w != nil && w.Days != nil || w == nil && both(*c, "date", "timestamp")):
				window := kalla.Window{From: -*e.Days, To: *e.Days}
				if w != nil && w.Days.From >= 0 { // the right one is never earlier
					window.From = 0
				}
				c.Within, c.Op = &kalla.Within{Days: &window}, ""
			default:
				continue
			}
			set = append(set, conditionPath(p, i))
		}
		if amount != nil && pass.Sum != nil {
			pass.Sum.Within = amount
			set = append(set, passPath(p))
		}
	}
	if len(set) == 0 {
		return document, nil, nil
	}
	marshalled, err := recipe.Marshal(r)
	return string(marshalled), set, err
}

// nowhere says that no rule has such a tolerance.
func (e Edit) nowhere() error {
	what := "amounts"
	if e.Days != nil && e.Amount == "" {
		what = "dates"
	}
	return &kalla.Error{Code: kalla.CodeUsage, Op: "changing the tolerance", Why: "no rule compares " + what, Hint: "look at the rules: the tolerance may not matter, or a rule was dropped"}
}

// amount is the tolerance of amounts, nil where none was named.
func (e Edit) amount() (*kalla.Within, error) {
	if e.Amount == "" {
		return nil, nil
	}
	number, percent := strings.CutSuffix(strings.ReplaceAll(e.Amount, " ", ""), "%")
	d, err := decimal.NewFromString(number)
	if err != nil || d.IsNegative() || strings.ContainsAny(number, "eE") {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "changing the tolerance", Where: e.Amount, Why: "it is no amount and no percentage", Hint: "write 0.05 or 1%"}
	}
	if percent {
		return &kalla.Within{Percent: &d}, nil
	}
	return &kalla.Within{Absolute: &d}, nil
}

// The paths of the parts of a recipe that rules are about.
func passPath(pass int) string { return fmt.Sprintf("match[%d]", pass) }

func conditionPath(pass, i int) string { return fmt.Sprintf("%s.when[%d]", passPath(pass), i) }

func conditionAt(r *kalla.Recipe, path string) *kalla.Condition {
	for p := range r.Match {
		for i := range r.Match[p].When {
			if path == conditionPath(p, i) {
				return &r.Match[p].When[i]
			}
		}
	}
	return nil
}

// toleranceID is a tolerance as the ids of alternatives write it.
func toleranceID(w *kalla.Within) string {
	switch {
	case w == nil:
		return "exactly"
	case w.Days != nil:
		return fmt.Sprintf("%d..%d", w.Days.From, w.Days.To)
	case w.Percent != nil:
		return w.Percent.String() + "%"
	case w.Absolute != nil:
		return w.Absolute.String()
	}
	return ""
}
