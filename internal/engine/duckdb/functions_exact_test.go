package duckdb_test

import (
	"fmt"
	"math/big"
	"testing"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"
)

// decimals draws decimals of at most 16 digits, of up to scale places, many of them near a half.
func decimals(scale int) *rapid.Generator[decimal.Decimal] {
	return rapid.Custom(func(t *rapid.T) decimal.Decimal {
		n := rapid.Int64Range(-9_999_999_999_999_999, 9_999_999_999_999_999).Draw(t, "digits")
		if rapid.Bool().Draw(t, "small") {
			n %= 100_000
		}
		if rapid.Bool().Draw(t, "half") {
			n -= n%10 - 5
		}
		return decimal.New(n, -int32(rapid.IntRange(0, scale).Draw(t, "scale")))
	})
}

// quotient is a/b to places, rounded half away from zero.
func quotient(a, b decimal.Decimal, places int) string {
	q := new(big.Rat).Quo(a.Rat(), b.Rat())
	return q.FloatString(places)
}

func TestDecimalFunctionsAreExact(t *testing.T) {
	db := openPlain(t)
	rapid.Check(t, func(rt *rapid.T) {
		a, b, n := decimals(4).Draw(rt, "a"), decimals(8).Draw(rt, "b"), rapid.IntRange(0, 4).Draw(rt, "places")
		apart := a.Sub(b).Abs()
		literal := func(d decimal.Decimal) string { return "(" + d.StringFixed(-d.Exponent()) + ")" }
		for expr, want := range map[string]string{
			fmt.Sprintf("kalla_convert_%d(%s, %s)", n, literal(a), literal(b)):                                               a.Mul(b).RoundBank(int32(n)).StringFixed(int32(n)),
			fmt.Sprintf("round(%s, %d)", literal(a), n):                                                                      a.Round(int32(n)).String(),
			fmt.Sprintf("kalla_times(%s, %s)", literal(a), literal(b)):                                                       a.Mul(b).String(),
			fmt.Sprintf("kalla_tolerance_match(%s, %s, %s)", literal(a), literal(b), literal(apart)):                         "true",
			fmt.Sprintf("kalla_tolerance_match(%s, %s, %s)", literal(a), literal(b), literal(apart.Sub(decimal.New(1, -8)))): "false",
		} {
			checkExact(rt, text(t, db, expr), expr, want)
		}
		if !b.IsZero() {
			expr := fmt.Sprintf("kalla_divide_%d(%s, %s)", n, literal(a), literal(b))
			checkExact(rt, text(t, db, expr), expr, quotient(a, b, n))
		}
	})
}

func checkExact(t *rapid.T, got *string, expr, want string) {
	t.Helper()
	if got == nil {
		t.Fatalf("%s is NULL, want %s", expr, want)
	}
	if *got == want {
		return
	}
	g, err := decimal.NewFromString(*got)
	w, err2 := decimal.NewFromString(want)
	if err != nil || err2 != nil || !g.Equal(w) {
		t.Fatalf("%s = %s, want %s", expr, *got, want)
	}
}
