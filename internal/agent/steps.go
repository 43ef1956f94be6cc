package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"kalla"
	"kalla/internal/job"
	"kalla/internal/recipe"
)

// next does what the phase that the conversation is in asks for.
func (t *turn) next(ctx context.Context) error {
	switch t.c.Work.Phase() {
	case Greeting, Intent:
		t.say("Which two sources do you want to reconcile?")
		return t.offerSources(ctx)
	case Scoping:
		return t.showScopes(ctx)
	case Demonstration:
		return t.showPairs(ctx)
	case Inference:
		return t.showRules(ctx)
	case Validation:
		return t.test(ctx)
	case Execution:
		if t.c.Work.Run != "" {
			t.say("The recipe is saved and was run. You may change it, or begin anew.")
			t.offerChanges()
			return nil
		}
		t.say("The recipe is saved. Shall it be run?")
		t.confirmRun()
	}
	return nil
}

const (
	offered      = 6 // pairs of sources to choose from
	shownSamples = 5
)

// input is what is known, as the tools take it.
func (w *Work) input() RulesInput {
	return RulesInput{PairInput: PairInput{Left: w.Left, Right: w.Right, Examples: w.Examples}, Without: w.Without, Choose: w.Choose}
}

// mostProposals is how many pairs are asked about at once.
const mostProposals = 4

// showPairs asks about pairs of records: a sure one of each of the first passes, then the doubtful ones.
func (t *turn) showPairs(ctx context.Context) error {
	if err := t.doing(ctx, ToolProposeMatch); err != nil {
		return err
	}
	found, err := propose(ctx, t.Services, ProposeInput{PairInput: t.c.Work.input().PairInput})
	if err != nil {
		return err
	}
	t.c.Work.SetDraft(found.draft.draft)
	return t.askPairs(found)
}

func (t *turn) askPairs(found *Proposed) error {
	var chosen []job.Pair
	take := func(kind string, most int) {
		seen := map[string]bool{}
		for _, p := range found.Pairs {
			taken := slices.ContainsFunc(chosen, func(x job.Pair) bool { return equal(x.Left.Key, p.Left.Key) })
			if p.Kind == kind && !seen[p.Pass] && !taken && most > 0 && len(chosen) < mostProposals {
				seen[p.Pass], chosen, most = true, append(chosen, p), most-1
			}
		}
	}
	take("pass", 2)
	take("near", 1)
	take("ambiguous", 1)
	take("pass", mostProposals)
	if len(chosen) == 0 {
		t.say("There is nothing left to ask about.")
		t.offer("", Option{ID: "shown", Label: "Show me the rules"})
		return nil
	}
	t.say("Do these records belong together? What you say is what the rules must agree with.")
	for _, p := range chosen {
		t.show(Card{Kind: CardMatchProposal, MatchProposal: proposal(p)})
	}
	t.offer("", Option{ID: "shown", Label: "Enough: show me the rules"})
	return nil
}

// proposal sets two records side by side.
func proposal(p job.Pair) *MatchProposal {
	out := &MatchProposal{Why: p.Kind, Pass: p.Pass, Left: p.Left, Right: p.Right, Fields: []FieldPair{}}
	find := func(r job.Record, column string) (*string, bool) {
		for i, c := range r.Columns {
			if strings.EqualFold(c, column) {
				return r.Values[i], true
			}
		}
		return nil, false
	}
	for _, c := range p.Compared {
		l, ok := find(p.Left, c[0])
		r, also := find(p.Right, c[1])
		if ok && also {
			out.Fields = append(out.Fields, FieldPair{Left: c[0], Right: c[1], LeftValue: l, RightValue: r,
				Same: l != nil && r != nil && *l == *r, Difference: difference(l, r)})
		}
	}
	return out
}

// showRules drafts the rules and shows them.
func (t *turn) showRules(ctx context.Context) error {
	if err := t.doing(ctx, ToolInferRules); err != nil {
		return err
	}
	drafted, err := t.draft(ctx, Edit{})
	if err != nil {
		return err
	}
	return t.tellRules(drafted)
}

// draft drafts with all that the person has said. What they say now must be of some rule.
func (t *turn) draft(ctx context.Context, now Edit) (*Drafted, error) {
	w := &t.c.Work
	drafted, err := infer(ctx, t.Services, BuildInput{RulesInput: w.input()})
	if err != nil {
		return nil, err
	}
	if err := drafted.tolerate(ctx, t.Services, w.Examples, now, w.tolerance()); err != nil {
		return nil, err
	}
	return drafted, t.adopt(ctx, drafted)
}

// adopt takes a draft as the one that the conversation is about.
func (t *turn) adopt(ctx context.Context, drafted *Drafted) error {
	d := *drafted.draft
	base, err := t.Services.Recipe(ctx, d.RecipeID, 0)
	if err != nil {
		return err
	}
	if base != nil {
		d.Base = base.Version
	}
	t.c.Work.SetDraft(&d)
	return nil
}

func (t *turn) tellRules(d *Drafted) error {
	t.say("These rules match %s of %s and %s of %s.", share(d.Left), d.Left.Alias, share(d.Right), d.Right.Alias)
	for _, l := range d.Lessons {
		switch l.Verdict {
		case "learned":
			t.say("From your examples: %s.", strings.TrimSuffix(l.Text, "."))
		case "conflicts", "not_found":
			t.say("One of your examples does not fit: %s.", strings.TrimSuffix(l.Text, "."))
		}
	}
	rules := slices.Concat(d.Rules, t.dropped(d.Rules))
	t.show(Card{Kind: CardRuleSummary, RuleSummary: &RuleSummary{Rules: rules, Lessons: d.Lessons, Left: d.Left, Right: d.Right}})
	options := []Option{{ID: "agreed", Label: "These rules are right"}}
	for _, s := range d.Suggestions[:min(3, len(d.Suggestions))] {
		options = append(options, Option{ID: "suggest:" + encode(suggested{s.Side, s.Filter}), Label: "Leave out: " + s.What, Detail: s.Support})
	}
	t.offer("", options...)
	return nil
}

func share(c Coverage) string {
	if c.Total == 0 {
		return "none"
	}
	return fmt.Sprintf("%s (%.1f%%)", count(c.Matched), 100*float64(c.Matched)/float64(c.Total))
}

// test back-tests the draft, and asks whether it is to be saved.
func (t *turn) test(ctx context.Context) error {
	if err := t.doing(ctx, ToolRunSample); err != nil {
		return err
	}
	w := &t.c.Work
	checked, err := t.Services.Check(ctx, w.Draft.Document)
	if err != nil {
		return err
	}
	if !checked.Valid {
		return &kalla.Error{Code: kalla.CodeRecipe, Op: "checking the recipe", Where: w.Draft.RecipeID, Err: kalla.Faults(checked.Faults)}
	}
	tried, err := try(ctx, t.Services, SampleInput{DocumentInput{w.Draft.Document}, w.Examples})
	if err != nil {
		return err
	}
	return t.tellTest(tried)
}

// tellTest shows what a back-test of the draft came to, and the buttons to save it.
func (t *turn) tellTest(tried *Tried) error {
	if err := t.showTest(tried); err != nil {
		return err
	}
	t.confirmSave()
	return nil
}

// showTest shows what a back-test of the draft came to.
func (t *turn) showTest(tried *Tried) error {
	w := &t.c.Work
	w.Agreed = true
	w.Tested = &Tested{MatchRate: tried.Summary.MatchRate, Disagreements: len(tried.Disagreements)}
	r, err := parse(w.Draft.Document)
	if err != nil {
		return err
	}
	diff := &RecipeDiff{RecipeID: w.Draft.RecipeID, Name: w.Draft.Name, Sentences: sentencesOf(r), After: w.Draft.Document}
	test := &Backtest{RecipeID: w.Draft.RecipeID, Summary: tried.Summary, Base: tried.Base, Changes: tried.Changes, Disagreements: tried.Disagreements, Examples: len(w.Examples)}
	if tried.base != nil {
		before, err := parse(tried.base.Document)
		if err != nil {
			return err
		}
		diff.From, diff.Before, test.BaseLabel = tried.base.Version, tried.base.Document, fmt.Sprintf("version %d", tried.base.Version)
		for _, c := range recipe.Diff(before, r) {
			diff.Changes = append(diff.Changes, c.String())
		}
	}
	s := tried.Summary
	t.say("On the real data the recipe matches %s%%: %s of %s records of %s, %s of %s of %s.", s.MatchRate.Shift(2).Round(2).String(),
		count(s.Left.Matched), count(s.Left.Total), s.Left.Alias, count(s.Right.Matched), count(s.Right.Total), s.Right.Alias)
	if s.Ambiguous > 0 {
		t.say("%s matches are ambiguous: the key decided between equally good candidates.", count(s.Ambiguous))
	}
	if n := len(tried.Disagreements); n > 0 {
		t.say("It disagrees with %d of your %d examples.", n, len(w.Examples))
	}
	t.show(Card{Kind: CardRecipeDiff, RecipeDiff: diff})
	t.show(Card{Kind: CardBacktest, Backtest: test})
	return nil
}

func (t *turn) offerChanges() {
	var options []Option
	now := slices.Index(Phases(), t.c.Work.Phase())
	for _, s := range []struct {
		phase Phase
		label string
	}{{Inference, "Change the rules"}, {Demonstration, "Show more examples"}, {Scoping, "Change the records"}, {Greeting, "Reconcile something else"}} {
		if slices.Index(Phases(), s.phase) <= now {
			options = append(options, Option{ID: "back:" + string(s.phase), Label: s.label})
		}
	}
	t.offer("", options...)
}

// suggested is a filter that may be added to a side.
type suggested struct {
	Side   kalla.Side `json:"side"`
	Filter job.Filter `json:"filter"`
}

// scopes are filters of both sides.
type scopes struct {
	Left  []job.Filter `json:"left,omitempty"`
	Right []job.Filter `json:"right,omitempty"`
}

func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // made of texts and numbers
	}
	return string(text)
}

// label is what an option was called. What its label says may come from the data, so the model gets its kind alone
// where it may not see that.
func (t *turn) label(option string) string {
	for _, m := range t.c.Said {
		for _, c := range m.Cards {
			if c.Kind != CardChoice {
				continue
			}
			for _, o := range c.Choice.Options {
				if o.ID == option && (t.sharesAll() || !strings.HasPrefix(option, "suggest:") && !strings.HasPrefix(option, "filters:")) {
					return o.Label
				}
			}
		}
	}
	return "go on"
}

// do does what an option says. Options are made here and come back as they were
// (see Conversation.Answer), so none says what was not offered.
func (t *turn) do(ctx context.Context, option string) error {
	w := &t.c.Work
	label := t.label(option)
	what, rest, _ := strings.Cut(option, ":")
	switch what {
	case "pair":
		left, right, _ := strings.Cut(rest, "|")
		w.SetSources(left, right)
	case "upload":
		w.Greeted = true
		t.say("Send both files.")
		t.ask(kalla.Left, "Upload the records that are to be answered", "For example invoices or a ledger: CSV, Parquet, JSON or Excel.")
		t.ask(kalla.Right, "Upload the records that answer them", "For example payments or a bank statement.")
		return nil
	case "scoped":
		w.Scoped = true
	case "filters":
		var f scopes
		if err := json.Unmarshal([]byte(rest), &f); err != nil {
			return err
		}
		w.SetFilters(kalla.Left, f.Left)
		w.SetFilters(kalla.Right, f.Right)
	case "suggest":
		var s suggested
		if err := json.Unmarshal([]byte(rest), &s); err != nil {
			return err
		}
		w.SetFilters(s.Side, append(slices.Clone(w.Scope(s.Side).Filters), s.Filter))
		w.Scoped, w.Shown = true, true
	case "shown":
		w.Scoped, w.Shown = true, true
	case "agreed":
		w.Agreed = w.Draft != nil
	case "drop":
		w.Drop(rest)
	case "restore":
		w.TakeBack(rest)
	case "back":
		if err := w.Back(Phase(rest)); err != nil {
			return err
		}
		if Phase(rest) == Greeting {
			w.Greeted = true
		}
	case "next":
	}
	return t.goOn(ctx, label)
}
