package engine

import (
	"context"
	"fmt"

	"github.com/shopspring/decimal"

	"kalla"
	"kalla/internal/match"
)

// Summarize reads what a plan came to into the summary and proves that every
// record ended in exactly one place. A proof that fails is an error of CodeProof.
func Summarize(ctx context.Context, s Session, plan *match.Plan, searches Searches, into *kalla.Summary) error {
	for _, read := range []func(context.Context, Session, *match.Plan, *kalla.Summary) error{readTotals, readReasons, readBreaks} {
		if err := read(ctx, s, plan, into); err != nil {
			return err
		}
	}
	if err := readPasses(ctx, s, plan, searches, into); err != nil {
		return err
	}
	return prove(into)
}

func each(ctx context.Context, s Session, query string, row func(scan func(...any) error) error) error {
	rows, err := s.Query(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

func side(into *kalla.Summary, name kalla.Side) *kalla.SideSummary {
	if name == kalla.Left {
		return &into.Left
	}
	return &into.Right
}

func readTotals(ctx context.Context, s Session, plan *match.Plan, into *kalla.Summary) error {
	into.Left.Sums, into.Right.Sums = map[string]kalla.SumTriple{}, map[string]kalla.SumTriple{}
	return each(ctx, s, plan.Totals(), func(scan func(...any) error) error {
		var name kalla.Side
		var measure string
		var text [3]string
		if err := scan(&name, &measure, &text[0], &text[1], &text[2]); err != nil {
			return err
		}
		var value [3]kalla.Decimal
		for i, t := range text {
			d, err := decimal.NewFromString(t)
			if err != nil {
				return fmt.Errorf("total of %s: %w", measure, err)
			}
			value[i] = d
		}
		out := side(into, name)
		switch measure {
		case match.CountMeasure:
			out.Total, out.Matched, out.Unmatched = value[0].IntPart(), value[1].IntPart(), value[2].IntPart()
		case match.BadKeyMeasure:
			out.BadKeys = value[0].IntPart()
		default:
			out.Sums[measure] = kalla.SumTriple{Total: value[0], Matched: value[1], Unmatched: value[2]}
		}
		return nil
	})
}

func readReasons(ctx context.Context, s Session, plan *match.Plan, into *kalla.Summary) error {
	into.Reasons = map[kalla.Side]map[kalla.Reason]int64{kalla.Left: {}, kalla.Right: {}}
	return each(ctx, s, plan.Reasons(), func(scan func(...any) error) error {
		var name kalla.Side
		var reason kalla.Reason
		var n int64
		if err := scan(&name, &reason, &n); err != nil {
			return err
		}
		into.Reasons[name][reason] = n
		return nil
	})
}

func readBreaks(ctx context.Context, s Session, plan *match.Plan, into *kalla.Summary) error {
	into.Breaks = map[string]int64{}
	return each(ctx, s, plan.Breaks(), func(scan func(...any) error) error {
		var field string
		var n int64
		if err := scan(&field, &n); err != nil {
			return err
		}
		into.Breaks[field] = n
		return nil
	})
}

func readPasses(ctx context.Context, s Session, plan *match.Plan, searches Searches, into *kalla.Summary) error {
	return each(ctx, s, plan.PassCounts(), func(scan func(...any) error) error {
		var no int
		var p kalla.PassSummary
		if err := scan(&no, &p.Matches, &p.Pairs, &p.Left, &p.Right, &p.Ambiguous); err != nil {
			return err
		}
		p.Name = plan.Passes[no-1]
		if search, ok := searches[no]; ok {
			p.Subset = &search
		}
		into.Passes = append(into.Passes, p)
		into.Matches += p.Matches
		into.Pairs += p.Pairs
		into.Ambiguous += p.Ambiguous
		return nil
	})
}

// prove holds the counts against each other: they come from different tables.
func prove(sum *kalla.Summary) error {
	fail := func(alias, what string, total, matched, unmatched any) error {
		return &kalla.Error{Code: kalla.CodeProof, Op: "proving the result", Where: alias,
			Why:  fmt.Sprintf("%s does not add up: %v in all, %v matched, %v unmatched", what, total, matched, unmatched),
			Hint: "this is a fault of Kalla's own; nothing was published, please report it with the recipe"}
	}
	for name, s := range map[kalla.Side]kalla.SideSummary{kalla.Left: sum.Left, kalla.Right: sum.Right} {
		if s.Total != s.Matched+s.Unmatched {
			return fail(s.Alias, "the number of records", s.Total, s.Matched, s.Unmatched)
		}
		for column, t := range s.Sums {
			if !t.Total.Equal(t.Matched.Add(t.Unmatched)) {
				return fail(s.Alias, "the sum of "+column, t.Total, t.Matched, t.Unmatched)
			}
		}
		var reasons, passes int64
		for _, n := range sum.Reasons[name] {
			reasons += n
		}
		if reasons != s.Unmatched {
			return fail(s.Alias, "the number of reasons", s.Unmatched, 0, reasons)
		}
		for _, p := range sum.Passes {
			if name == kalla.Left {
				passes += p.Left
			} else {
				passes += p.Right
			}
		}
		if passes != s.Matched {
			return fail(s.Alias, "the number of records that the passes matched", s.Matched, passes, 0)
		}
	}
	return nil
}

// Rate is the match rate, four places, rounded down: of the anchor side where there is one.
func Rate(r *kalla.Recipe, left, right kalla.SideSummary) kalla.Decimal {
	matched, total := left.Matched+right.Matched, left.Total+right.Total
	switch {
	case r.Sources.Left.Anchor:
		matched, total = left.Matched, left.Total
	case r.Sources.Right.Anchor:
		matched, total = right.Matched, right.Total
	}
	if total == 0 {
		return decimal.New(10000, -4)
	}
	return decimal.New(matched*10000/total, -4)
}
