package records

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"

	"kalla"
)

// PassFigures is a step of the waterfall. The sums are of the side's Amount
// column, each record once; nil where the evidence does not hold it.
type PassFigures struct {
	kalla.PassSummary
	LeftSum  *kalla.Decimal `json:"left_sum"`
	RightSum *kalla.Decimal `json:"right_sum"`
}

// ReasonFigures is how many records of a side have a reason, and their Amount.
type ReasonFigures struct {
	Reason  kalla.Reason   `json:"reason"`
	Records int64          `json:"records"`
	Sum     *kalla.Decimal `json:"sum"` // nil where the evidence does not hold it
}

// Bucket counts what falls into a range.
type Bucket struct {
	From  *kalla.Decimal `json:"from"` // nil: no lower end, or unknown
	To    *kalla.Decimal `json:"to"`   // nil: no upper end, or unknown
	Count int64          `json:"count"`
	Sum   *kalla.Decimal `json:"sum"` // of differences, signed, or of the side's Amount; nil where the evidence does not hold it
}

// CurrencyFigures is what a side holds in a currency; the sums are of its Amount.
type CurrencyFigures struct {
	Currency     *string       `json:"currency"`
	Matched      int64         `json:"matched"`
	MatchedSum   kalla.Decimal `json:"matched_sum"`
	Unmatched    int64         `json:"unmatched"`
	UnmatchedSum kalla.Decimal `json:"unmatched_sum"`
}

// maxCurrencies bounds a chart by currency; those with most records come first.
const maxCurrencies = 100

// Waterfall is what each pass contributed, in order.
func (r *Run) Waterfall(ctx context.Context) ([]PassFigures, error) {
	return figure(r, "waterfall", func() ([]PassFigures, error) {
		t, err := r.table(Matched)
		if err != nil {
			return nil, err
		}
		out := make([]PassFigures, len(r.manifest.Summary.Passes))
		for i, p := range r.manifest.Summary.Passes {
			out[i].PassSummary = p
		}
		for _, side := range []kalla.Side{kalla.Left, kalla.Right} {
			amount, err := r.amountIn(t, side)
			if err != nil {
				return nil, err
			}
			if amount == "" {
				continue
			}
			sums, err := r.sums(ctx, t, "SELECT pass, count(*), sum("+ident(amount)+") FROM ("+r.eachOnce(t, side, "pass", amount)+") GROUP BY 1")
			if err != nil {
				return nil, err
			}
			for i := range out {
				sum := sums[by(out[i].Name)].sum
				if side == kalla.Left {
					out[i].LeftSum = &sum
				} else {
					out[i].RightSum = &sum
				}
			}
		}
		return out, nil
	})
}

// Reasons counts the unmatched records of a side by reason, most frequent first.
func (r *Run) Reasons(ctx context.Context, side kalla.Side) ([]ReasonFigures, error) {
	return figure(r, "reasons "+string(side), func() ([]ReasonFigures, error) {
		t, err := r.table(Unmatched(side))
		if err != nil {
			return nil, err
		}
		amount, err := r.amountIn(t, side)
		if err != nil {
			return nil, err
		}
		sums, err := r.sums(ctx, t, "SELECT "+ident(t.reason)+", count(*), "+sumOf(amount)+" FROM "+t.from+" GROUP BY 1")
		if err != nil {
			return nil, err
		}
		out := []ReasonFigures{}
		for reason, f := range sums {
			out = append(out, ReasonFigures{Reason: kalla.Reason(reason.name), Records: f.count, Sum: known(f.sum, amount)})
		}
		slices.SortFunc(out, func(a, b ReasonFigures) int {
			return cmp.Or(cmp.Compare(b.Records, a.Records), cmp.Compare(a.Reason, b.Reason))
		})
		return out, nil
	})
}

func sumOf(column string) string {
	if column == "" {
		return "NULL"
	}
	return "sum(" + ident(column) + ")"
}

// known is a sum, nil where there was no column to add up.
func known(sum kalla.Decimal, column string) *kalla.Decimal {
	if column == "" {
		return nil
	}
	return &sum
}

func idents(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = ident(n)
	}
	return strings.Join(quoted, ", ")
}

// Differences distributes the differences (right − left) of Amount by size: of
// matches in Matched, where a group counts by its sums, of records and their
// closest candidates in the unmatched tables. The buckets are 0, then up to the
// smallest unit of the amount, then by powers of ten, without those beyond the
// greatest difference; ends are inclusive above. At level keys the evidence
// lacks the amounts, and groups are left out.
func (r *Run) Differences(ctx context.Context, name Table) ([]Bucket, error) {
	return figure(r, "differences "+string(name), func() ([]Bucket, error) {
		t, err := r.table(name)
		if err != nil {
			return nil, err
		}
		left, err := r.Amount(kalla.Left)
		if err != nil {
			return nil, err
		}
		column := "diff_" + left
		switch name {
		case Matched:
		case UnmatchedLeft, UnmatchedRight:
			column = "closest_diff_" + left
		default:
			return nil, usage("table "+string(name), "it holds no differences of amounts", "name matched, unmatched_left or unmatched_right")
		}
		c, err := t.column(column)
		if err != nil {
			return nil, usage("differences", "the recipe compares no amounts with a tolerance, so the evidence holds no differences", "")
		}
		values := "SELECT " + ident(c.Name) + " AS d FROM " + t.from
		if name == Matched {
			values += " WHERE cardinality IN ('one_to_one', 'all_pairs')"
			l, errL := r.amountIn(t, kalla.Left)
			rt, errR := r.amountIn(t, kalla.Right)
			if err := errors.Join(errL, errR); err != nil {
				return nil, err
			}
			if l != "" && rt != "" {
				values += fmt.Sprintf(" UNION ALL SELECT sum(r) - sum(l) FROM (SELECT match_id, 0 AS l, %s AS r FROM (%s) UNION ALL SELECT match_id, %s, 0 FROM (%s)) GROUP BY match_id",
					ident(rt), r.groupsOnce(t, kalla.Right, rt), ident(l), r.groupsOnce(t, kalla.Left, l))
			}
		}
		edges := decades(c.Type)
		var cases strings.Builder
		for i, e := range edges {
			fmt.Fprintf(&cases, " WHEN abs(d) <= %s THEN %d", e, i)
		}
		sums, err := r.sums(ctx, t, fmt.Sprintf("SELECT CASE%s ELSE %d END, count(*), sum(d) FROM (%s) WHERE d IS NOT NULL GROUP BY 1", cases.String(), len(edges), values))
		if err != nil {
			return nil, err
		}
		return buckets(edges, sums), nil
	})
}

// decades are 0, the smallest unit of a type, and the powers of ten from there to a billion.
func decades(t kalla.Type) []kalla.Decimal {
	least := -min(t.Scale, 6)
	if t.Kind == kalla.Float {
		least = -6
	}
	edges := []kalla.Decimal{{}}
	for e := least; e <= 9; e++ {
		edges = append(edges, decimal.New(1, int32(e)))
	}
	return edges
}

// buckets writes counts by the index of the upper edge, as far as there are any.
func buckets(edges []kalla.Decimal, sums map[named]counted) []Bucket {
	out := []Bucket{}
	seen := int64(0)
	all := int64(0)
	for _, f := range sums {
		all += f.count
	}
	for i := 0; i <= len(edges) && seen < all; i++ {
		f := sums[by(strconv.Itoa(i))]
		b := Bucket{Count: f.count, Sum: &f.sum}
		if i > 0 {
			b.From = &edges[i-1]
		}
		if i < len(edges) {
			b.To = &edges[i]
		}
		seen += f.count
		out = append(out, b)
	}
	return out
}

// ages are the upper ends, in days, of the buckets of Ageing.
var ages = []int64{-1, 7, 30, 60, 90}

// Ageing distributes the unmatched records of a side by the days from a date
// column to the end of the run: later dates, 0–7, 8–30, 31–60, 61–90, 91 and
// more, and last those without a date. Without a column it is the first that
// the recipe compares by days, else the first date of the source.
func (r *Run) Ageing(ctx context.Context, side kalla.Side, column string) ([]Bucket, error) {
	return figure(r, "ageing "+string(side)+" "+column, func() ([]Bucket, error) {
		t, err := r.table(Unmatched(side))
		if err != nil {
			return nil, err
		}
		if column == "" {
			if column, err = r.dateOf(side); err != nil {
				return nil, err
			}
		}
		c, err := t.sourceColumn(side, column)
		if err != nil {
			return nil, err
		}
		if !c.Type.Temporal() {
			return nil, usage("column "+c.Name, "it holds no dates", "name a date column of the source")
		}
		amount, err := r.amountIn(t, side)
		if err != nil {
			return nil, err
		}
		var cases strings.Builder
		for i, a := range ages {
			fmt.Fprintf(&cases, " WHEN age <= %d THEN %d", a, i)
		}
		end := r.manifest.Ended.UTC().Format("2006-01-02")
		sums, err := r.sums(ctx, t, fmt.Sprintf("SELECT CASE WHEN age IS NULL THEN -1%s ELSE %d END, count(*), %s FROM (SELECT *, DATE '%s' - CAST(%s AS DATE) AS age FROM %s) GROUP BY 1",
			cases.String(), len(ages), sumOf(amount), end, ident(c.Name), t.from))
		if err != nil {
			return nil, err
		}
		out := []Bucket{}
		for i := range len(ages) + 1 {
			f := sums[by(strconv.Itoa(i))]
			b := Bucket{Count: f.count, Sum: known(f.sum, amount)}
			if i > 0 {
				from := decimal.NewFromInt(ages[i-1] + 1)
				b.From = &from
			}
			if i < len(ages) {
				to := decimal.NewFromInt(ages[i])
				b.To = &to
			}
			out = append(out, b)
		}
		if f, ok := sums[by("-1")]; ok {
			out = append(out, Bucket{Count: f.count, Sum: known(f.sum, amount)})
		}
		return out, nil
	})
}

// dateOf is the column that a side is aged by.
func (r *Run) dateOf(side kalla.Side) (string, error) {
	rec, err := r.recipe()
	if err != nil {
		return "", err
	}
	for _, p := range rec.Match {
		for _, c := range p.When {
			if c.Within != nil && (c.Within.Days != nil || c.Within.Hours != nil) {
				if side == kalla.Left {
					return c.Left, nil
				}
				return c.Right, nil
			}
		}
	}
	src, _ := r.manifest.Side(side)
	for _, c := range src.Schema {
		if c.Type.Temporal() {
			return c.Name, nil
		}
	}
	return "", usage("ageing", "the "+string(side)+" source has no date column", "")
}

// sourceColumn finds a column of a source in a table.
func (t *table) sourceColumn(side kalla.Side, name string) (Column, error) {
	for _, c := range t.of(side) {
		if strings.EqualFold(c.Of, name) {
			return c, nil
		}
	}
	return t.column(name)
}

// Currencies adds up the Amount of a side by its currency, the one with most
// records first; nothing where it has no column with a currency in its name.
func (r *Run) Currencies(ctx context.Context, side kalla.Side) ([]CurrencyFigures, error) {
	return figure(r, "currencies "+string(side), func() ([]CurrencyFigures, error) {
		out := map[named]*CurrencyFigures{}
		for _, name := range []Table{Matched, Unmatched(side)} {
			t, err := r.table(name)
			if err != nil {
				return nil, err
			}
			i := slices.IndexFunc(t.of(side), func(c Column) bool { return c.Type.Kind == kalla.Text && isCurrency(c.Of) })
			amount, err := r.amountIn(t, side)
			if err != nil {
				return nil, err
			}
			if i < 0 || amount == "" {
				return []CurrencyFigures{}, nil
			}
			currency := t.of(side)[i].Name
			from := t.from
			if name == Matched {
				from = "(" + r.eachOnce(t, side, currency, amount) + ")"
			}
			sums, err := r.sums(ctx, t, fmt.Sprintf("SELECT %s, count(*), sum(%s) FROM %s GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %d", ident(currency), ident(amount), from, maxCurrencies))
			if err != nil {
				return nil, err
			}
			for value, f := range sums {
				c := out[value]
				if c == nil {
					c = &CurrencyFigures{}
					if !value.null {
						c.Currency = &value.name
					}
					out[value] = c
				}
				if name == Matched {
					c.Matched, c.MatchedSum = f.count, f.sum
				} else {
					c.Unmatched, c.UnmatchedSum = f.count, f.sum
				}
			}
		}
		list := []CurrencyFigures{}
		for _, c := range out {
			list = append(list, *c)
		}
		slices.SortFunc(list, func(a, b CurrencyFigures) int {
			return cmp.Or(cmp.Compare(b.Matched+b.Unmatched, a.Matched+a.Unmatched), strings.Compare(deref(a.Currency), deref(b.Currency)))
		})
		return list, nil
	})
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func isCurrency(name string) bool {
	name = strings.ToLower(name)
	return strings.Contains(name, "curr") || strings.Contains(name, "ccy")
}
