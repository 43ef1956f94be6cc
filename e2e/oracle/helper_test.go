package oracle_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"kalla"
	"kalla/e2e/oracle"
)

// tester is a *testing.T or a *rapid.T.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// table reads "id:text amount:decimal(18,2)" and rows whose fields are parted
// by commas; a field NULL is NULL.
func table(t tester, columns string, rows ...string) oracle.Table {
	t.Helper()
	var out oracle.Table
	for _, c := range strings.Fields(columns) {
		name, kind, _ := strings.Cut(c, ":")
		typ := kalla.Type{Kind: kalla.Kind(kind)}
		if inner, ok := strings.CutPrefix(kind, "decimal("); ok {
			p, s, _ := strings.Cut(strings.TrimSuffix(inner, ")"), ",")
			typ.Kind = kalla.DecimalKind
			typ.Precision, _ = strconv.Atoi(p)
			typ.Scale, _ = strconv.Atoi(s)
		}
		out.Schema = append(out.Schema, kalla.Column{Name: name, Type: typ})
	}
	for _, row := range rows {
		fields := strings.Split(row, ",")
		if len(fields) != len(out.Schema) {
			t.Fatalf("row %q has %d fields", row, len(fields))
		}
		var vals []oracle.Value
		for i, f := range fields {
			if f == "NULL" {
				vals = append(vals, nil)
				continue
			}
			v, err := oracle.Parse(f, out.Schema[i].Type)
			if err != nil {
				t.Fatalf("row %q: %v", row, err)
			}
			vals = append(vals, v)
		}
		out.Rows = append(out.Rows, vals)
	}
	return out
}

func dec(s string) *kalla.Decimal {
	d := decimal.RequireFromString(s)
	return &d
}

func eq(l, r string) kalla.Condition { return kalla.Condition{Left: l, Right: r} }

func op(l string, o kalla.Op, r string) kalla.Condition {
	return kalla.Condition{Left: l, Right: r, Op: o}
}

func within(l, r, amount string) kalla.Condition {
	return kalla.Condition{Left: l, Right: r, Within: tolerance(amount)}
}

// tolerance reads "0.02" or "2%".
func tolerance(s string) *kalla.Within {
	if p, ok := strings.CutSuffix(s, "%"); ok {
		return &kalla.Within{Percent: dec(p)}
	}
	return &kalla.Within{Absolute: dec(s)}
}

func days(l, r string, from, to int) kalla.Condition {
	return kalla.Condition{Left: l, Right: r, Within: &kalla.Within{Days: &kalla.Window{From: from, To: to}}}
}

func similar(l, r, least string, m kalla.Method) kalla.Condition {
	return kalla.Condition{Left: l, Right: r, Similar: dec(least), Method: m}
}

func recipe(passes ...kalla.Pass) *kalla.Recipe {
	return &kalla.Recipe{
		Version: 1, ID: "test",
		Sources: kalla.Sources{
			Left:  kalla.Source{Alias: "a", PrimaryKey: []string{"id"}},
			Right: kalla.Source{Alias: "b", PrimaryKey: []string{"id"}},
		},
		Match: passes,
	}
}

func oneToOne(when ...kalla.Condition) kalla.Pass {
	return kalla.Pass{Cardinality: kalla.OneToOne, When: when}
}

func run(t tester, r *kalla.Recipe, left, right oracle.Table) oracle.Result {
	t.Helper()
	out, err := oracle.Run(r, left, right)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// matched renders the matches as "1/a: a ~ x y" with a ! when ambiguous.
func matched(r oracle.Result) string {
	var out []string
	for _, m := range r.Matches {
		mark := ""
		if m.Ambiguous {
			mark = "!"
		}
		out = append(out, fmt.Sprintf("%s: %s ~ %s%s", m.ID, strings.Join(m.Left, " "), strings.Join(m.Right, " "), mark))
	}
	return strings.Join(out, "; ")
}

// unmatched renders one side as "key reason closest@pass score (taken by)".
func unmatched(r oracle.Result, side kalla.Side) string {
	var out []string
	for _, u := range r.Unmatched[side] {
		s := u.Key + " " + string(u.Reason)
		if u.ClosestKey != "" {
			s += fmt.Sprintf(" %s@%d %s", u.ClosestKey, u.ClosestPass, u.ClosestScore)
		}
		if u.TakenBy != "" {
			s += " (" + u.TakenBy + ")"
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}
