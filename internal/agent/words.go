package agent

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/shopspring/decimal"

	"kalla"
	"kalla/internal/job"
)

// understand is the assistant without a model. It knows a few kinds of requests,
// looks for what they name among the sources, columns and values that there are,
// and asks where it is not sure.
func (t *turn) understand(ctx context.Context, text string) error {
	w := &t.c.Work
	said := strings.ToLower(strings.Join(strings.Fields(text), " "))
	phase := w.Phase()
	switch {
	case is(said, "help", "what can you do", "?"):
		t.help(phase)
		return nil
	case is(said, "start over", "begin anew", "restart", "something else", "new reconciliation", "reset"):
		return t.do(ctx, "back:"+string(Greeting))
	case is(said, "back", "go back", "undo", "previous"):
		at := slices.Index(Phases(), phase)
		return t.do(ctx, "back:"+string(stages[max(0, at-1)].phase))
	}
	if is(said, "no", "nope", "not yet", "wrong", "that is wrong") && phase != Greeting && phase != Intent {
		t.say("What should be different?")
		t.help(phase)
		t.offerChanges()
		return nil
	}
	if key, ok := asksWhy(text); ok {
		return t.explain(ctx, key)
	}
	if phase == Greeting || phase == Intent {
		if agrees(said) {
			return t.next(ctx)
		}
		return t.hearSources(ctx, said)
	}
	// The words of a rule may name a tolerance, so a rule is heard first.
	if done, err := t.hearRule(ctx, said); done || err != nil {
		return err
	}
	if e, ok := tolerance(said); ok {
		return t.edit(ctx, e)
	}
	if done, err := t.hearFilters(ctx, text, said); done || err != nil {
		return err
	}
	if done, err := t.hearPair(ctx, said); done || err != nil {
		return err
	}
	if agrees(said) {
		switch phase {
		case Scoping:
			return t.do(ctx, "scoped")
		case Demonstration:
			return t.do(ctx, "shown")
		case Inference:
			if w.Draft != nil {
				return t.do(ctx, "agreed")
			}
		}
		return t.next(ctx) // what saves and runs is shown again: it takes a click
	}
	t.say("I did not understand that.")
	t.help(phase)
	t.offerChanges()
	return nil
}

func (t *turn) help(p Phase) {
	switch p {
	case Greeting, Intent:
		t.say("Name the two sources, such as *reconcile invoices with payments*, or upload two files.")
	case Scoping:
		t.say("Say which records count: *only 2026*, *since 2026-03-01*, *ignore cancelled*, *only EUR*. Or go on with all of them.")
	case Demonstration:
		t.say("Say of each pair whether the records belong together, by clicking. *Enough* goes on to the rules.")
	case Inference:
		t.say("Drop rules that are wrong (*add back the date rule* takes that back), or name a tolerance: *amounts may differ by 0.05*, *within 5 days*. *Looks right* goes on to the test.")
	case Validation:
		t.say("Look at the test. You may still name a tolerance, leave records out, or go *back*. The button saves.")
	case Execution:
		t.say("Run the recipe by the button, ask *why is KEY not matched?*, or begin anew.")
	}
}

// is reports whether a text is one of some, but for politeness.
func is(said string, any ...string) bool {
	said = strings.Trim(strings.NewReplacer("please", "", "can you ", "", "could you ", "").Replace(said), " .!")
	return slices.Contains(any, said)
}

var agreement = regexp.MustCompile(`^(yes|yep|ok|okay|all|all records|all of (them|these)|fine|good|great|continue|go on|go ahead|next|enough|skip|done|sure|right|correct|looks? (good|right|fine)|(these|those|they)( records| rules)? (are|look) (good|right|fine)|that is (right|fine)|show me the rules|test|test it|save|save it|run|run it|save and run)\b`)

func agrees(said string) bool { return agreement.MatchString(said) }

// tokens are the words of a text, in small letters and without their plural.
func tokens(text string) []string {
	var out []string
	for _, w := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		out = append(out, stem(w))
	}
	return out
}

// stem takes off the endings that names and values differ by.
func stem(w string) string {
	for _, end := range []string{"ies", "ing", "led", "ed", "es", "s", "e"} {
		if rest, ok := strings.CutSuffix(w, end); ok && len(rest) >= 3 {
			if end == "ies" {
				return rest + "y"
			}
			if end == "led" {
				return strings.TrimSuffix(rest, "l") + "l"
			}
			return rest
		}
	}
	return w
}

// named finds the sources that a text names, in the order in which it does: by
// alias, or by a word of it that no other source has.
func named(said string, sources []Source) (out []Source, unsure [][]Source) {
	words := tokens(said)
	type hit struct {
		at      int
		sources []Source
	}
	var hits []hit
	used, spoken := map[string]bool{}, map[int]bool{}
	// Whole aliases first: "bank_2025" is not every source that has bank in its name.
	for _, s := range sources {
		parts := tokens(s.Alias)
		for i := 0; i+len(parts) <= len(words); i++ {
			if len(parts) > 0 && slices.Equal(words[i:i+len(parts)], parts) && !used[s.Alias] {
				used[s.Alias] = true
				hits = append(hits, hit{i, []Source{s}})
				for k := range parts {
					spoken[i+k] = true
				}
			}
		}
	}
	if len(hits) < 2 {
		for i, word := range words {
			if len(word) < 3 || spoken[i] || slices.Contains(fillers, word) {
				continue
			}
			var with []Source
			for _, s := range sources {
				if !used[s.Alias] && slices.Contains(tokens(s.Alias), word) {
					with = append(with, s)
				}
			}
			if len(with) > 0 {
				for _, s := range with {
					used[s.Alias] = true
				}
				hits = append(hits, hit{i, with})
			}
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return a.at - b.at })
	for _, h := range hits {
		if len(h.sources) == 1 {
			out = append(out, h.sources[0])
		} else {
			unsure = append(unsure, h.sources)
		}
	}
	return out, unsure
}

// fillers are words of requests that name no source.
var fillers = []string{"reconcil", "match", "compar", "with", "against", "and", "the", "our", "from", "for", "please", "want", "csv", "fil", "only"}

func (t *turn) hearSources(ctx context.Context, said string) error {
	found, err := t.Services.Sources(ctx)
	if err != nil {
		return err
	}
	sure, unsure := named(said, found)
	w := &t.c.Work
	switch {
	case len(sure) == 2 && len(unsure) == 0:
		w.SetSources(sure[0].Alias, sure[1].Alias)
		return t.next(ctx)
	case len(sure) == 1 && len(unsure) == 0 && w.Left != nil && w.Left.Source != sure[0].Alias:
		w.SetSources(w.Left.Source, sure[0].Alias)
		return t.next(ctx)
	case len(sure) == 1 && len(unsure) == 0:
		w.Left, w.Right = &Scope{Source: sure[0].Alias}, nil
		t.say("%s is one of them.", sure[0].Alias)
		return t.offerSources(ctx)
	case len(sure)+len(unsure) >= 2:
		groups := unsure
		for _, s := range sure {
			groups = append(groups, []Source{s})
		}
		var options []Option
		for i, left := range groups {
			for k, right := range groups {
				if i < k {
					for _, l := range left {
						for _, r := range right {
							options = append(options, Option{"pair:" + l.Alias + "|" + r.Alias, l.Alias + " with " + r.Alias, described(l) + "; " + described(r)})
						}
					}
				}
			}
		}
		t.say("Several sources could be meant.")
		t.offer("Which?", options[:min(len(options), 2*offered)]...)
		return nil
	case len(unsure) == 1 && len(unsure[0]) == 2:
		l, r := unsure[0][0], unsure[0][1]
		t.offer("These two?", Option{"pair:" + l.Alias + "|" + r.Alias, l.Alias + " with " + r.Alias, ""}, Option{"pair:" + r.Alias + "|" + l.Alias, r.Alias + " with " + l.Alias, ""})
		return nil
	}
	if len(found) >= 2 {
		t.say("I found no source of that name. Which two do you want to reconcile?")
	} else {
		t.say("There are not two sources yet. Upload the files, or register databases and buckets under Sources.")
	}
	return t.offerSources(ctx)
}

var pairing = regexp.MustCompile(`\b(reconcile|compare|match)\b.*\b(with|against|and|to)\b`)

// hearPair hears that other sources are to be reconciled.
func (t *turn) hearPair(ctx context.Context, said string) (bool, error) {
	if !pairing.MatchString(said) {
		return false, nil
	}
	return true, t.hearSources(ctx, said)
}

var why = regexp.MustCompile(`(?i)^\s*(?:why (?:is|was|did|does|are)n?'?t?|explain|what (?:about|became of|happened (?:to|with))|show(?: me)? record)\s+(?:the\s+)?(?:record\s+|invoice\s+|payment\s+)?["']?([^\s"'?]+(?:\|[^\s"'?]+)*)["']?`)

// asksWhy finds the key of a record that is asked about.
func asksWhy(text string) (string, bool) {
	m := why.FindStringSubmatch(text)
	if m == nil || slices.Contains([]string{"it", "this", "that", "these", "the", "not"}, strings.ToLower(m[1])) {
		return "", false
	}
	return strings.TrimRight(m[1], ".,!"), true
}

// explain says what became of a record of the last run.
func (t *turn) explain(ctx context.Context, key string) error {
	if err := t.doing(ctx, ToolExplainRecord); err != nil {
		return err
	}
	in := ExplainInput{RunID: t.c.Work.Run, Key: key}
	if t.c.Work.Saved != nil && in.RunID == "" {
		in.RecipeID = t.c.Work.Saved.RecipeID
	}
	var first error
	for _, in.Side = range []kalla.Side{kalla.Left, kalla.Right} {
		found, err := explain(ctx, t.Services, in)
		if err == nil {
			t.tellRecord(found)
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

func (t *turn) tellRecord(r *Explained) {
	switch {
	case len(r.Matches) > 0:
		m := r.Matches[0]
		t.say("%s is matched by the pass %s.", r.Key, m.Pass)
		if m.Ambiguous {
			t.say("The match is ambiguous: others would have fitted as well.")
		}
		if len(m.Breaks.Rows) > 0 {
			t.say("%d compared fields differ.", len(m.Breaks.Rows))
		}
	case r.Unmatched != nil:
		u := r.Unmatched
		t.say("%s is not matched: %s.", r.Key, strings.ReplaceAll(string(u.Reason), "_", " "))
		if u.ClosestKey != nil {
			t.say("What came closest is %s.", *u.ClosestKey)
			for _, c := range u.Conditions {
				if c.Holds != nil && !*c.Holds {
					t.say("There %s.", strings.TrimSuffix(fmt.Sprintf("%s does not hold: %s against %s", c.Rule, shown(c.LeftValue), shown(c.RightValue)), "."))
				}
			}
		}
		if u.TakenBy != nil {
			t.say("It was taken by %s.", *u.TakenBy)
		}
	}
}

func shown(v *string) string {
	if v == nil {
		return "nothing"
	}
	return *v
}

var (
	percentage = regexp.MustCompile(`(\d+(?:[.,]\d+)?)\s*(?:%|percent)`)
	dayWords   = regexp.MustCompile(`(\d+|one|two|three|five|seven|ten)\s*(?:calendar |working )?(day|week)s?`)
	tolerances = regexp.MustCompile(`\b(toleran|differ|deviat|off by|up to|within|rounding|cents?|apart|window|difference)`)
	numeral    = regexp.MustCompile(`\b\d+(?:[.,]\d+)?\b`)
)

// tolerance hears how far amounts or dates may be apart.
func tolerance(said string) (Edit, bool) {
	if !tolerances.MatchString(said) {
		return Edit{}, false
	}
	if m := dayWords.FindStringSubmatch(said); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			n = map[string]int{"one": 1, "two": 2, "three": 3, "five": 5, "seven": 7, "ten": 10}[m[1]]
		}
		if m[2] == "week" {
			n *= 7
		}
		if n <= 10_000 {
			return Edit{Days: &n}, true
		}
		return Edit{}, false
	}
	if m := percentage.FindStringSubmatch(said); m != nil {
		return Edit{Amount: strings.ReplaceAll(m[1], ",", ".") + "%"}, true
	}
	all := numeral.FindAllString(said, -1)
	if len(all) != 1 {
		return Edit{}, false
	}
	d, err := decimal.NewFromString(strings.ReplaceAll(all[0], ",", "."))
	if err != nil {
		return Edit{}, false
	}
	if regexp.MustCompile(`\bcents?\b`).MatchString(said) {
		d = d.Shift(-2)
	}
	return Edit{Amount: d.String()}, true
}

// filterWords says a filter in words.
func filterWords(f job.Filter) string {
	read, faults := f.Read("filter")
	if len(faults) > 0 {
		return f.Column
	}
	op := map[kalla.FilterOp]string{kalla.FilterEq: "is", kalla.FilterNeq: "is not", kalla.FilterGt: "is more than", kalla.FilterGte: "is at least", kalla.FilterLt: "is less than",
		kalla.FilterLte: "is at most", kalla.FilterBetween: "is between", kalla.FilterIn: "is one of", kalla.FilterLike: "is like", kalla.FilterIsNull: "is empty", kalla.FilterIsNotNull: "is not empty"}[read.Op]
	joint := ", "
	if read.Op == kalla.FilterBetween {
		joint = " and "
	}
	return strings.TrimSpace(f.Column + " " + op + " " + strings.Join(read.Values, joint))
}

// difference is right − left of two values: numbers as they are written, dates in days.
func difference(l, r *string) string {
	if l == nil || r == nil {
		return ""
	}
	if a, err := time.Parse(time.DateOnly, *l); err == nil {
		if b, err := time.Parse(time.DateOnly, *r); err == nil {
			if days := int(b.Sub(a).Hours() / 24); days == 1 || days == -1 {
				return fmt.Sprintf("%d day", days)
			} else if days != 0 {
				return fmt.Sprintf("%d days", days)
			}
			return ""
		}
	}
	number := regexp.MustCompile(`^-?\d{1,30}(\.\d{1,30})?$`)
	if *l == *r || !number.MatchString(*l) || !number.MatchString(*r) {
		return ""
	}
	a, errA := decimal.NewFromString(*l)
	b, errB := decimal.NewFromString(*r)
	if errA != nil || errB != nil || a.Equal(b) {
		return ""
	}
	return b.Sub(a).String()
}
