package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"kalla"
	"kalla/internal/job"
)

var (
	keeping  = regexp.MustCompile(`\b(only|just|restrict(?:ed)? to|limit(?:ed)? to)\b`)
	omitting = regexp.MustCompile(`\b(ignor(?:e|ing)|exclud(?:e|ing)|except|without|leave out|leaving out|skip|not the|drop|no)\b`)
	dating   = regexp.MustCompile(`\b(since|from|after|before|until|between|in|of|during|year|through)\b`)

	isoDate = regexp.MustCompile(`\b(\d{4})-(\d{2})-(\d{2})\b`)
	month   = regexp.MustCompile(`\b(january|february|march|april|may|june|july|august|september|october|november|december)\s+(\d{4})\b`)
	quarter = regexp.MustCompile(`\bq([1-4])\s+(\d{4})\b`)
	year    = regexp.MustCompile(`\b(19\d{2}|20\d{2})\b`)
)

// span is a range of days, both ends inclusive; an empty end is open.
type span struct{ from, to string }

// spanOf hears a time.
func spanOf(said string) (span, bool) {
	var days []span
	for _, m := range isoDate.FindAllString(said, -1) {
		days = append(days, span{m, m})
	}
	whole := func(from, to time.Time) span {
		return span{from.Format(time.DateOnly), to.AddDate(0, 0, -1).Format(time.DateOnly)}
	}
	if len(days) == 0 {
		for _, m := range month.FindAllStringSubmatch(said, -1) {
			at, err := time.Parse("January 2006", strings.ToUpper(m[1][:1])+m[1][1:]+" "+m[2])
			if err == nil {
				days = append(days, whole(at, at.AddDate(0, 1, 0)))
			}
		}
	}
	if m := quarter.FindStringSubmatch(said); len(days) == 0 && m != nil {
		y, _ := strconv.Atoi(m[2])
		q, _ := strconv.Atoi(m[1])
		at := time.Date(y, time.Month(3*q-2), 1, 0, 0, 0, 0, time.UTC)
		days = append(days, whole(at, at.AddDate(0, 3, 0)))
	}
	if len(days) == 0 {
		for _, m := range year.FindAllString(said, -1) {
			y, _ := strconv.Atoi(m)
			at := time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC)
			days = append(days, whole(at, at.AddDate(1, 0, 0)))
		}
	}
	has := func(words ...string) bool {
		return slices.ContainsFunc(strings.Fields(said), func(w string) bool { return slices.Contains(words, strings.Trim(w, ".,")) })
	}
	switch {
	case len(days) == 2:
		return span{min(days[0].from, days[1].from), max(days[0].to, days[1].to)}, true
	case len(days) != 1:
		return span{}, false
	case has("since", "from", "starting"):
		return span{from: days[0].from}, true
	case has("after"):
		at, _ := time.Parse(time.DateOnly, days[0].to)
		return span{from: at.AddDate(0, 0, 1).Format(time.DateOnly)}, true
	case has("before"):
		at, _ := time.Parse(time.DateOnly, days[0].from)
		return span{to: at.AddDate(0, 0, -1).Format(time.DateOnly)}, true
	case has("until", "through"):
		return span{to: days[0].to}, true
	}
	return days[0], true
}

// filter is the span over a column.
func (s span) filter(column string) job.Filter {
	switch {
	case s.to == "":
		return filterOf(column, "gte", s.from)
	case s.from == "":
		return filterOf(column, "lte", s.to)
	}
	return filterOf(column, "between", []string{s.from, s.to})
}

func filterOf(column, op string, value any) job.Filter {
	return job.Filter{Column: column, Op: op, Value: json.RawMessage(encode(value))}
}

// hearFilters hears that some records count, or do not.
func (t *turn) hearFilters(ctx context.Context, text, said string) (bool, error) {
	keep, omit := keeping.MatchString(said), omitting.MatchString(said)
	when, timed := spanOf(said)
	if !keep && !omit && !(timed && dating.MatchString(said)) {
		return false, nil
	}
	if err := t.doing(ctx, ToolProfile); err != nil {
		return true, err
	}
	sides, err := t.sidesOf(ctx, said)
	if err != nil {
		return true, err
	}
	if timed {
		return true, t.filterDates(ctx, sides, when, omit && !keep)
	}
	return t.filterValues(ctx, sides, text, omit && !keep)
}

// scoped is a side with what its columns hold.
type scopedSide struct {
	side    kalla.Side
	scope   Scope
	columns []job.Column
	profile []job.Profile
}

// sidesOf are the sides that a text names, or both.
func (t *turn) sidesOf(ctx context.Context, said string) ([]scopedSide, error) {
	w := &t.c.Work
	both := []scopedSide{{side: kalla.Left, scope: *w.Left}, {side: kalla.Right, scope: *w.Right}}
	about, _ := named(said, []Source{{Alias: w.Left.Source}, {Alias: w.Right.Source}})
	if len(about) == 1 {
		both = slices.DeleteFunc(both, func(s scopedSide) bool { return s.scope.Source != about[0].Alias })
	}
	for i := range both {
		// The values of all records, whatever was left out before.
		found, err := t.Services.Preview(ctx, Scope{Source: both[i].scope.Source}, 1, true)
		if err != nil {
			return nil, err
		}
		both[i].columns, both[i].profile = found.Columns, found.Profile
	}
	return both, nil
}

// filterDates offers the date columns; where only one could be meant it is taken.
func (t *turn) filterDates(ctx context.Context, sides []scopedSide, when span, omit bool) error {
	if omit {
		t.say("Say what counts rather than what does not: *since 2026-01-01*, *until 2025-12-31*.")
		return nil
	}
	type found struct {
		side   scopedSide
		column string
	}
	var all []found
	for _, s := range sides {
		for _, c := range s.columns {
			if strings.HasPrefix(c.DataType, "date") || strings.HasPrefix(c.DataType, "timestamp") {
				all = append(all, found{s, c.Name})
			}
		}
	}
	if len(all) == 0 {
		t.say("I found no column of dates in %s.", names(sides))
		t.offerScopes()
		return nil
	}
	if len(all) == 1 {
		return t.setFilters(ctx, all[0].side.side, when.filter(all[0].column))
	}
	var options []Option
	for _, f := range all {
		options = append(options, Option{"filters:" + encode(t.with(f.side.side, when.filter(f.column))), f.side.scope.Source + " by " + f.column, ""})
	}
	if len(all) == 2 && all[0].side.side != all[1].side.side {
		both := t.with(all[0].side.side, when.filter(all[0].column))
		both.Right = append(slices.Clone(t.c.Work.Right.Filters), when.filter(all[1].column))
		options = append(options, Option{"filters:" + encode(both), "Both", "a record near the end may then lack its counterpart"})
	}
	t.offer("Which records?", options[:min(len(options), 2*offered)]...)
	return nil
}

func names(sides []scopedSide) string {
	var out []string
	for _, s := range sides {
		out = append(out, s.scope.Source)
	}
	return strings.Join(out, " and ")
}

// with are the filters of both sides with one more.
func (t *turn) with(side kalla.Side, f job.Filter) scopes {
	out := scopes{slices.Clone(t.c.Work.Left.Filters), slices.Clone(t.c.Work.Right.Filters)}
	if side == kalla.Left {
		out.Left = append(out.Left, f)
	} else {
		out.Right = append(out.Right, f)
	}
	return out
}

func (t *turn) setFilters(ctx context.Context, side kalla.Side, f job.Filter) error {
	all := t.with(side, f)
	return t.do(ctx, "filters:"+encode(all))
}

// fewValues is how many distinct values a column has at most whose values people call by name.
const fewValues = 50

// filterValues looks for the values that a text names among those of columns with few.
func (t *turn) filterValues(ctx context.Context, sides []scopedSide, text string, omit bool) (bool, error) {
	op := "eq"
	if omit {
		op = "neq"
	}
	var options []Option
	var only suggested
	words := valueWords(text, sides)
	for _, s := range sides {
		for _, p := range s.profile {
			if p.Distinct > fewValues || p.Distinct == 0 {
				continue
			}
			value, ok, err := t.valueIn(ctx, s, p, words)
			if err != nil {
				return true, err
			}
			if ok {
				only = suggested{s.side, filterOf(p.Column, op, value)}
				options = append(options, Option{"filters:" + encode(t.with(s.side, only.Filter)), s.scope.Source + ": " + filterWords(only.Filter), ""})
			}
		}
	}
	switch len(options) {
	case 0:
		t.say("I found no such value in %s. Columns with few values are: %s.", names(sides), fewIn(sides))
		t.offerScopes()
		return true, nil
	case 1:
		return true, t.setFilters(ctx, only.Side, only.Filter)
	}
	t.offer("Which is meant?", options[:min(len(options), 2*offered)]...)
	return true, nil
}

func fewIn(sides []scopedSide) string {
	var out []string
	for _, s := range sides {
		for _, p := range s.profile {
			if p.Distinct > 0 && p.Distinct <= 20 && len(out) < 6 {
				out = append(out, fmt.Sprintf("%s of %s (%s)", p.Column, s.scope.Source, strings.Join(p.Samples[:min(3, len(p.Samples))], ", ")))
			}
		}
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, "; ")
}

// valueWords are the words of a text that may be values.
func valueWords(text string, sides []scopedSide) (out []string) {
	of := []string{}
	for _, s := range sides {
		of = append(of, tokens(s.scope.Source)...)
	}
	for _, w := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,.;:!?\"'()", r) }) {
		if l := strings.ToLower(w); len(l) >= 2 && !slices.Contains(notValues, l) && !slices.Contains(of, stem(l)) {
			out = append(out, w)
		}
	}
	return out
}

var notValues = []string{"only", "just", "ignore", "ignoring", "exclude", "excluding", "except", "without", "leave", "leaving", "out", "skip", "not", "the", "those", "that", "are", "is", "in", "of",
	"and", "or", "with", "please", "all", "any", "records", "rows", "ones", "restrict", "restricted", "limit", "limited", "to", "which", "where", "drop", "no", "for", "by", "from", "status", "currency", "type"}

// valueIn finds the value of a column that one of the words names.
func (t *turn) valueIn(ctx context.Context, s scopedSide, p job.Profile, words []string) (string, bool, error) {
	for _, w := range words {
		for _, v := range p.Samples {
			if strings.EqualFold(v, w) || len(w) >= 4 && stem(strings.ToLower(v)) == stem(strings.ToLower(w)) {
				return v, true, nil
			}
		}
	}
	// The profile names the frequent values only: the others are asked for.
	if p.Distinct <= int64(len(p.Samples)) || !slices.ContainsFunc(s.columns, func(c job.Column) bool { return c.Name == p.Column && c.DataType == "text" }) {
		return "", false, nil
	}
	var forms []string
	for _, w := range words {
		l := strings.ToLower(w)
		forms = append(forms, w, l, strings.ToUpper(w), upper(l), stem(l), upper(stem(l)), stem(l)+"led", stem(l)+"ed")
	}
	if len(forms) == 0 {
		return "", false, nil
	}
	found, err := t.Services.Preview(ctx, Scope{s.scope.Source, []job.Filter{filterOf(p.Column, "in", forms)}}, 1, false)
	if err != nil || len(found.Rows) == 0 {
		return "", false, err
	}
	for i, c := range found.Columns {
		if c.Name == p.Column && found.Rows[0][i] != nil {
			return *found.Rows[0][i], true, nil
		}
	}
	return "", false, nil
}
