package server_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kalla/internal/agent"
)

// shortPaid writes 200 bills and what was paid for them: ten are 0.03 short, five 0.40.
func shortPaid(t testing.TB) (bills, pays string) {
	t.Helper()
	dir := t.TempDir()
	var l, r strings.Builder
	l.WriteString("number,customer,issued,amount\n")
	r.WriteString("id,reference,paid_on,paid\n")
	for i := range 200 {
		cents := 10_000 + i*137
		day := i%28 + 1
		fmt.Fprintf(&l, "INV-%04d,customer %d,2026-03-%02d,%d.%02d\n", i, i%17, day, cents/100, cents%100)
		switch {
		case i < 10:
			cents -= 3
		case i < 15:
			cents -= 40
		}
		fmt.Fprintf(&r, "P%05d,INV-%04d,2026-04-%02d,%d.%02d\n", i, i, min(28, day+i%3), cents/100, cents%100)
	}
	bills, pays = filepath.Join(dir, "bills.csv"), filepath.Join(dir, "pays.csv")
	check(t, os.WriteFile(bills, []byte(l.String()), 0o600))
	check(t, os.WriteFile(pays, []byte(r.String()), 0o600))
	return bills, pays
}

// atRules is a conversation that has drafted rules of such files.
func atRules(t *testing.T, o options) *talk {
	t.Helper()
	o.scheduler = scheduler(t).URL()
	s := newSite(t, o)
	bills, pays := shortPaid(t)
	s.register(map[string]string{"bills": bills, "pays": pays})
	k := s.talk()
	k.say("reconcile bills with pays")
	k.choose("scoped")
	k.say("enough")
	k.in(agent.Inference)
	return k
}

func (k *talk) rules() *agent.RuleSummary {
	k.t.Helper()
	return k.last(agent.CardRuleSummary).RuleSummary
}

// rule is the rule of the last card whose id begins so.
func (k *talk) rule(prefix string) agent.Rule {
	k.t.Helper()
	rules := k.rules().Rules
	i := slices.IndexFunc(rules, func(r agent.Rule) bool { return strings.HasPrefix(r.ID, prefix) })
	if i < 0 {
		k.t.Fatalf("no rule %s in %+v", prefix, rules)
	}
	return rules[i]
}

func (k *talk) text() string { return k.messages[len(k.messages)-1].Text }

// TestChatToleranceOnTheCard: after a tolerance was named, the card, the text and the recipe say the same.
func TestChatToleranceOnTheCard(t *testing.T) {
	noLeaks(t)
	k := atRules(t, options{})
	inferred := k.rule("amount:")
	k.say("amounts may differ by 7 cents")
	k.in(agent.Inference)
	amount := k.rule("amount:")
	if !amount.Set || !strings.Contains(amount.What, "at most 0.07") || amount.Support != "" || amount.Of != 0 || len(amount.CounterExamples) > 0 {
		t.Errorf("the rule is %+v; inferred was %+v", amount, inferred)
	}
	first := k.rules().Rules[slices.IndexFunc(k.rules().Rules, func(r agent.Rule) bool { return strings.HasPrefix(r.ID, "pass:") })]
	if first.Agree != 195 || first.Of != 200 || !strings.Contains(first.Support, "195 (97.5%) of bills") {
		t.Errorf("the pass matches %+v", first)
	}
	if left := k.rules().Left; left.Matched != 195 || !strings.Contains(k.text(), "match 195 (97.5%) of bills") {
		t.Errorf("%+v: %s", left, k.text())
	}
	if k.rule("date:").Set {
		t.Error("the dates are marked too")
	}

	// A second one leaves the first.
	k.say("within 90 days")
	if date := k.rule("date:"); !date.Set || !strings.Contains(date.What, "90 days") || !k.rule("amount:").Set || !strings.Contains(k.rule("amount:").What, "0.07") {
		t.Errorf("%+v", k.rules().Rules)
	}
	// What was inferred stands beside it, and can be taken again.
	card := k.last(agent.CardRuleSummary)
	at := slices.IndexFunc(k.rule("amount:").Alternatives, func(o agent.Option) bool { return o.Label == inferred.What && o.Detail == inferred.Support })
	if at < 0 {
		t.Fatalf("%q is not among %+v", inferred.What, k.rule("amount:").Alternatives)
	}
	k.click(card, agent.Click{Action: agent.ActChoose, Option: k.rule("amount:").Alternatives[at].ID})
	if amount := k.rule("amount:"); amount.Set || amount.What != inferred.What || amount.Support != inferred.Support || !k.rule("date:").Set {
		t.Errorf("taken back: %+v", k.rules().Rules)
	}
	k.say("amounts may differ by 0.50")
	if left := k.rules().Left; left.Matched != 200 {
		t.Errorf("%+v", left)
	}
	said := k.rule("amount:").What
	k.say("looks right")
	k.in(agent.Validation)
	diff := k.last(agent.CardRecipeDiff).RecipeDiff
	if !strings.Contains(diff.After, "0.5") || !slices.ContainsFunc(diff.Sentences, func(x agent.Sentence) bool { return strings.Contains(x.Text, said) }) {
		t.Errorf("%q is not in %+v\n%s", said, diff.Sentences, diff.After)
	}
	if s := k.last(agent.CardBacktest).Backtest.Summary; s.Left.Matched != 200 {
		t.Errorf("tried: %+v", s.Left)
	}
}

// TestChatRulesComeBack: rules that were dropped are shown in words, and taken back by a click or in words.
func TestChatRulesComeBack(t *testing.T) {
	noLeaks(t)
	k := atRules(t, options{})
	k.say("amounts may differ by 0.07")
	before := k.rules().Rules
	date, amount := k.rule("date:"), k.rule("amount:")
	isDropped := func(r agent.Rule) {
		t.Helper()
		if got := k.rule(r.ID); !got.Dropped || got.What != r.What || got.Support != "" {
			t.Errorf("dropped: %+v, not %q", got, r.What)
		}
	}
	k.click(k.last(agent.CardRuleSummary), agent.Click{Action: agent.ActDrop, Rules: []string{date.ID}})
	isDropped(date)
	k.click(k.last(agent.CardRuleSummary), agent.Click{Action: agent.ActDrop, Rules: []string{amount.ID}})
	k.in(agent.Inference)
	isDropped(date) // still in its words
	isDropped(amount)
	if strings.Contains(k.text(), "did not work") { // the tolerance is of a rule that is gone
		t.Errorf("%s", k.text())
	}

	card := k.last(agent.CardRuleSummary)
	for _, wrong := range []agent.Click{{Action: agent.ActRestore}, {Action: agent.ActRestore, Rules: []string{"nonsense"}}, {Action: agent.ActDrop, Rules: []string{date.ID}}} {
		wrong.Card = card.ID
		if got := k.call(http.MethodPost, "/api/chat/sessions/"+k.id+"/actions", wrong); got.status != http.StatusUnprocessableEntity {
			t.Errorf("%+v: %d %s", wrong, got.status, got.body)
		}
	}
	k.click(card, agent.Click{Action: agent.ActRestore, Rules: []string{amount.ID}})
	if got := k.rule(amount.ID); got.Dropped || !got.Set || got.What != amount.What {
		t.Errorf("back: %+v, not %+v", got, amount)
	}
	isDropped(date)

	k.say("add back the customer rule")
	if !strings.Contains(k.text(), "No such rule is dropped") {
		t.Errorf("%s", k.text())
	}
	k.choose("restore:" + date.ID)
	if k.rule(date.ID).Dropped {
		t.Error("the dates are not back by a choice")
	}
	k.say("drop the date rule")
	if options := k.open(agent.CardChoice); len(options) > 0 && options[0].Choice.Question == "Which rule?" {
		k.choose("drop:" + date.ID)
	}
	isDropped(date)
	for _, said := range []string{"Please add back the date rule.", "bring the dates back"} {
		k.say(said)
		if got := k.rules().Rules; len(got) != len(before) || k.rule(date.ID).Dropped || k.rule(date.ID).What != date.What {
			t.Errorf("%q: %+v", said, got)
		}
		k.click(k.last(agent.CardRuleSummary), agent.Click{Action: agent.ActDrop, Rules: []string{date.ID}})
	}
}

// TestChatModelDropsRules: what a person has a model drop and take back in words is on the card as well, and a
// tolerance that they named outlives both.
func TestChatModelDropsRules(t *testing.T) {
	noLeaks(t)
	m := &scripted{}
	k := func() *talk {
		m.steps = []step{calls("load_scoped", `{"side":"left","source":"bills"}`), calls("load_scoped", `{"side":"right","source":"pays"}`), says("Go on?"),
			calls("propose_match", `{}`), says("Look."), calls("infer_rules", `{}`), says("These.")}
		return atRules(t, options{model: m})
	}()
	date := k.rule("date:")
	next := func(text string, steps ...step) {
		t.Helper()
		m.mu.Lock()
		m.steps = append(slices.Clone(m.steps[:len(m.sent)]), append(steps, says("Done."))...)
		m.mu.Unlock()
		k.say(text)
	}
	next("amounts may differ by 0.07", calls("build_recipe", `{"amount_tolerance":"0.07"}`))
	if r := k.rule("amount:"); !r.Set || !strings.Contains(r.What, "0.07") {
		t.Errorf("%+v", r)
	}
	next("drop the dates", calls("infer_rules", `{"without":["`+date.ID+`","made up"]}`))
	if r := k.rule(date.ID); !r.Dropped || r.What != date.What || slices.ContainsFunc(k.rules().Rules, func(r agent.Rule) bool { return r.ID == "made up" }) {
		t.Errorf("%+v", k.rules().Rules)
	}
	if r := k.rule("amount:"); !r.Set || !strings.Contains(r.What, "0.07") {
		t.Errorf("the tolerance is lost: %+v", r)
	}
	next("take the dates back", calls("infer_rules", `{"without":[]}`))
	if r := k.rule(date.ID); r.Dropped || r.What != date.What {
		t.Errorf("%+v", r)
	}
}
