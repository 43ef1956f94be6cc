package duckdb_test

import (
	"database/sql"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

// The functions below are straight from docs/matching.md, over code points.

func levenshtein(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i, x := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j, y := range b {
			cost := 1
			if x == y {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

func levenshteinDiff(a, b string) string {
	x, y := []rune(a), []rune(b)
	longest := max(len(x), len(y))
	if len(x) == 0 || len(y) == 0 {
		return "∅"
	}
	return fmt.Sprint((levenshtein(x, y)*1000000 + longest - 1) / longest)
}

// jaroWinkler returns the similarity as a fraction.
func jaroWinkler(a, b []rune) *big.Rat {
	window := max(max(len(a), len(b))/2-1, 0)
	used := make([]bool, len(b))
	var pairedA []rune
	for i, x := range a {
		for j := max(0, i-window); j < min(len(b), i+window+1); j++ {
			if !used[j] && b[j] == x {
				used[j] = true
				pairedA = append(pairedA, x)
				break
			}
		}
	}
	m := len(pairedA)
	if m == 0 {
		return new(big.Rat)
	}
	k, swapped := 0, 0
	for j, y := range b {
		if used[j] {
			if pairedA[k] != y {
				swapped++
			}
			k++
		}
	}
	n := func(a, b int) *big.Rat { return big.NewRat(int64(a), int64(b)) }
	jaro := n(m, len(a))
	jaro.Add(jaro, n(m, len(b)))
	jaro.Add(jaro, n(m-swapped/2, m))
	jaro.Mul(jaro, n(1, 3))
	if jaro.Cmp(n(7, 10)) <= 0 {
		return jaro
	}
	prefix := 0
	for prefix < 4 && prefix < len(a) && prefix < len(b) && a[prefix] == b[prefix] {
		prefix++
	}
	boost := new(big.Rat).Sub(n(1, 1), jaro)
	return jaro.Add(jaro, boost.Mul(boost, n(prefix, 10)))
}

func words(s string) []string {
	w := strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	slices.Sort(w)
	return slices.Compact(w)
}

func tokenSetDiff(a, b string) string {
	var common, onlyA, onlyB []string
	wa, wb := words(a), words(b)
	if len(wa) == 0 || len(wb) == 0 {
		return "∅"
	}
	for _, w := range wa {
		if slices.Contains(wb, w) {
			common = append(common, w)
		} else {
			onlyA = append(onlyA, w)
		}
	}
	for _, w := range wb {
		if !slices.Contains(wa, w) {
			onlyB = append(onlyB, w)
		}
	}
	i := strings.Join(common, " ")
	ia := strings.Join(slices.Concat(common, onlyA), " ")
	ib := strings.Join(slices.Concat(common, onlyB), " ")
	best := big.NewInt(1000001)
	pairs := [][2]string{{ia, ib}}
	if len(common) > 0 {
		pairs = append(pairs, [2]string{i, ia}, [2]string{i, ib})
	}
	for _, p := range pairs {
		if d, ok := new(big.Int).SetString(levenshteinDiff(p[0], p[1]), 10); ok && d.Cmp(best) < 0 {
			best = d
		}
	}
	return best.String()
}

// manyRunes are more letters than ASCII has codes, so that texts of them share too many for one byte each.
var manyRunes = func() []rune {
	var out []rune
	for r := '一'; r < '一'+160; r++ {
		out = append(out, r)
	}
	return out
}()

// texts draws pairs that are alike, of one of the alphabets that take different ways.
func texts() *rapid.Generator[[2]string] {
	return rapid.Custom(func(t *rapid.T) [2]string {
		alphabets := [][]rune{[]rune("abcAB 1"), []rune("aé bÉ'\U0001F600"), []rune("a\t\x01é\x7f"), []rune("абвгдежзиклмнопрстуфхцч ")}
		letter := rapid.SampledFrom(alphabets[rapid.IntRange(0, len(alphabets)-1).Draw(t, "alphabet")])
		a := rapid.SliceOfN(letter, 0, 90).Draw(t, "a")
		b := slices.Clone(a)
		if rapid.Bool().Draw(t, "unrelated") {
			b = rapid.SliceOfN(letter, 0, 90).Draw(t, "b")
		}
		for range rapid.IntRange(0, 4).Draw(t, "edits") {
			i := rapid.IntRange(0, len(b)).Draw(t, "at")
			switch {
			case rapid.Bool().Draw(t, "insert"):
				b = slices.Insert(b, i, letter.Draw(t, "letter"))
			case i < len(b):
				b = slices.Delete(b, i, i+1)
			}
		}
		return [2]string{string(a), string(b)}
	})
}

func TestLevenshteinAndTokenSetAreExact(t *testing.T) {
	db := openPlain(t)
	rapid.Check(t, func(rt *rapid.T) {
		p := texts().Draw(rt, "texts")
		for f, want := range map[string]string{
			"kalla_levenshtein_diff": levenshteinDiff(p[0], p[1]),
			"kalla_token_set_diff":   tokenSetDiff(p[0], p[1]),
		} {
			if got := diff(rt, db, f, p[0], p[1]); got != want {
				rt.Fatalf("%s(%q, %q) = %s, want %s", f, p[0], p[1], got, want)
			}
		}
	})
}

func TestJaroWinklerIsExact(t *testing.T) {
	db := openPlain(t)
	rapid.Check(t, func(rt *rapid.T) {
		p := texts().Draw(rt, "texts")
		checkJaroWinkler(rt, db, p[0], p[1])
	})
}

func TestTextsOfManyCharacters(t *testing.T) {
	db := openPlain(t)
	a := string(manyRunes)
	for _, b := range []string{
		a,
		string(manyRunes[1:]),
		"x" + string(manyRunes[:80]) + "yz" + string(manyRunes[79:]),
		string(slices.Concat(manyRunes[5:20], manyRunes[:5], manyRunes[20:])),
	} {
		if got, want := diff(t, db, "kalla_levenshtein_diff", a, b), levenshteinDiff(a, b); got != want {
			t.Errorf("levenshtein of %d and %d characters: %s, want %s", len([]rune(a)), len([]rune(b)), got, want)
		}
		checkJaroWinkler(t, db, a, b)
	}
}

// checkJaroWinkler allows either neighbour where the exact value lies half-way, which a binary float cannot tell.
func checkJaroWinkler(t rapid.TB, db *sql.DB, a, b string) {
	t.Helper()
	got := diff(t, db, "kalla_jaro_winkler_diff", a, b)
	if a == "" || b == "" {
		if got != "∅" {
			t.Fatalf("jaro_winkler(%q, %q) = %s, want NULL", a, b, got)
		}
		return
	}
	exact := new(big.Rat).Sub(big.NewRat(1, 1), jaroWinkler([]rune(a), []rune(b)))
	exact.Mul(exact, big.NewRat(1000000, 1))
	value, ok := new(big.Rat).SetString(got)
	if !ok {
		t.Fatalf("jaro_winkler(%q, %q) = %s", a, b, got)
	}
	off := value.Sub(value, exact)
	if off.Abs(off).Cmp(big.NewRat(1, 2)) > 0 {
		t.Fatalf("jaro_winkler(%q, %q) = %s, want %s", a, b, got, exact.FloatString(3))
	}
}

// diff computes f(a, b) over columns, as a plan does; "∅" is NULL.
func diff(t rapid.TB, db *sql.DB, f, a, b string) string {
	t.Helper()
	var v sql.NullString
	query := "SELECT CAST(" + f + "(x, i) AS VARCHAR) FROM (VALUES ($1::VARCHAR, $2::VARCHAR)) AS v(x, i)"
	if err := db.QueryRow(query, a, b).Scan(&v); err != nil {
		t.Fatalf("%s(%q, %q): %v", f, a, b, err)
	}
	if !v.Valid {
		return "∅"
	}
	return v.String
}
