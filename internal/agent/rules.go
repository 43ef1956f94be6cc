package agent

import (
	"context"
	"regexp"
	"slices"
	"strings"
)

var (
	dropping  = regexp.MustCompile(`^(?:drop|remove|without|ignore|forget|delete|leave out)\s+(.+)$`)
	restoring = regexp.MustCompile(`^(?:(?:add|take|put|bring|get)\s+back|restore|undrop|(?:add|take|put|bring|get)(\s+.+)\s+back)\b(.*)$`)
	ruleName  = regexp.MustCompile(`^(?:the\s+)?(?:dropped\s+)?(?:rules?\b\s*(?:about\s+|on\s+|for\s+|that\s+)?)?(.*?)(?:\s+(?:rule|condition|pass))?$`)
)

// hearRule hears that a rule is to be dropped, or taken back.
func (t *turn) hearRule(ctx context.Context, said string) (bool, error) {
	w := &t.c.Work
	said = strings.Trim(strings.TrimPrefix(said, "please "), " .!")
	if m := restoring.FindStringSubmatch(said); m != nil && (w.Draft != nil || len(w.Without) > 0) {
		dropped := t.dropped(nil)
		options := called(m[1]+m[2], "restore:", dropped)
		if len(options) == 0 {
			t.say("No such rule is dropped.")
			options = called("", "restore:", dropped)
		} else if len(options) == 1 {
			return true, t.do(ctx, options[0].ID)
		}
		t.offer("Which rule is to come back?", options[:min(len(options), 2*offered)]...)
		return true, nil
	}
	m := dropping.FindStringSubmatch(said)
	if m == nil || w.Draft == nil {
		return false, nil
	}
	options := called(m[1], "drop:", w.Draft.Rules)
	switch len(options) {
	case 0:
		return false, nil
	case 1:
		return true, t.do(ctx, options[0].ID)
	}
	t.offer("Which rule?", options[:min(len(options), 2*offered)]...)
	return true, nil
}

// called are the rules that have all words of a text, as options to do something to them.
func called(text, do string, rules []Rule) (options []Option) {
	words := tokens(ruleName.FindStringSubmatch(strings.TrimSpace(text))[1])
	for _, r := range rules {
		has := tokens(r.What + " " + r.ID)
		if !slices.ContainsFunc(words, func(x string) bool { return !slices.Contains(has, x) }) {
			options = append(options, Option{do + r.ID, r.What, r.Support})
		}
	}
	return options
}

// dropped are the rules that the person dropped and that are not among these, in the words in which they were shown.
func (t *turn) dropped(drafted []Rule) (out []Rule) {
	for _, id := range t.c.Work.Without {
		if slices.ContainsFunc(drafted, func(r Rule) bool { return r.ID == id }) {
			continue
		}
		r, ok := t.rule(id)
		if !ok {
			r.What = strings.ReplaceAll(id, ":", ": ")
		}
		out = append(out, Rule{ID: id, What: r.What, Dropped: true}) // what spoke for it was of another draft
	}
	return out
}

// rule is a rule as it was last shown in a draft. The cards that the person saw hold it: it is kept nowhere else.
func (t *turn) rule(id string) (Rule, bool) {
	of := func(cards []Card) (Rule, bool) {
		for _, c := range slices.Backward(cards) {
			if c.RuleSummary == nil {
				continue
			}
			if i := slices.IndexFunc(c.RuleSummary.Rules, func(r Rule) bool { return r.ID == id && !r.Dropped }); i >= 0 {
				return c.RuleSummary.Rules[i], true
			}
		}
		return Rule{}, false
	}
	if r, ok := of(t.reply.Cards); ok {
		return r, true
	}
	for _, m := range slices.Backward(t.c.Said) {
		if r, ok := of(m.Cards); ok {
			return r, true
		}
	}
	return Rule{}, false
}
