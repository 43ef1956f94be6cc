package oracle_test

import (
	"strings"
	"testing"

	"kalla"
	"kalla/e2e/oracle"
)

// holds runs one condition on one pair of values; the types are column types.
func holds(t *testing.T, c kalla.Condition, lt, l, rt, r string) bool {
	t.Helper()
	c.Left, c.Right = "v", "v"
	one := func(typ, v string) oracle.Table {
		out := table(t, "id:text v:"+typ, "k,"+strings.ReplaceAll(v, ",", ";"))
		if s, ok := out.Rows[0][1].(string); ok {
			out.Rows[0][1] = strings.ReplaceAll(s, ";", ",")
		}
		return out
	}
	return len(run(t, recipe(oneToOne(c)), one(lt, l), one(rt, r)).Matches) == 1
}

func TestConditions(t *testing.T) {
	abs := func(s string) kalla.Condition { return kalla.Condition{Within: tolerance(s)} }
	day := func(a, b int) kalla.Condition {
		return kalla.Condition{Within: &kalla.Within{Days: &kalla.Window{From: a, To: b}}}
	}
	hour := func(a, b int) kalla.Condition {
		return kalla.Condition{Within: &kalla.Within{Hours: &kalla.Window{From: a, To: b}}}
	}
	is := func(o kalla.Op) kalla.Condition { return kalla.Condition{Op: o} }
	norm := func(steps ...kalla.Normalize) kalla.Condition { return kalla.Condition{Normalize: steps} }
	for _, c := range []struct {
		name         string
		cond         kalla.Condition
		lt, l, rt, r string
		want         bool
	}{
		{"equal text", is(""), "text", "a", "text", "a", true},
		{"case counts", is(""), "text", "a", "text", "A", false},
		{"NULL equals nothing", is(""), "text", "NULL", "text", "NULL", false},
		{"NULL differs from nothing", is(kalla.OpNeq), "text", "NULL", "text", "a", false},
		{"scales do not matter", is(""), "decimal(9,2)", "1.10", "decimal(9,4)", "1.1000", true},
		{"integer and decimal", is(""), "integer", "1", "decimal(9,2)", "1.00", true},
		{"empty text equals nothing", is(""), "text", "", "text", "", false},
		{"text and number compare as text", is(""), "text", "7.50", "decimal(9,2)", "7.5", true},
		{"text and number are not read as numbers", is(""), "text", "007", "integer", "7", false},
		{"floats to nine places", is(""), "float", "0.1234567891", "decimal(12,9)", "0.123456789", true},
		{"text and date compare as text", is(""), "text", "2026-01-31", "date", "2026-01-31", true},
		{"date and timestamp", is(""), "date", "2026-01-31", "timestamp", "2026-01-31 00:00:00", true},
		{"date and a later timestamp", is(""), "date", "2026-01-31", "timestamp", "2026-01-31 00:00:01", false},
		{"instants in two zones", is(""), "timestamptz", "2026-01-31 01:00:00+01:00", "timestamptz", "2026-01-31 00:00:00Z", true},
		{"booleans", is(""), "boolean", "true", "boolean", "true", true},

		{"absolute is inclusive", abs("0.02"), "decimal(9,2)", "100.02", "decimal(9,2)", "100.00", true},
		{"absolute, beyond", abs("0.02"), "decimal(9,2)", "100.00", "decimal(9,2)", "100.03", false},
		{"absolute of signs", abs("2"), "integer", "-1", "integer", "1", true},
		{"percent is of the left", abs("1%"), "decimal(9,2)", "100.00", "decimal(9,2)", "101.00", true},
		{"percent, from the other side", abs("1%"), "decimal(9,2)", "101.00", "decimal(9,2)", "102.02", false},
		{"percent of a negative", abs("1%"), "decimal(9,2)", "-100.00", "decimal(9,2)", "-99.00", true},
		{"percent of nothing", abs("50%"), "integer", "0", "integer", "1", false},

		{"days, the first", day(0, 3), "date", "2026-01-30", "date", "2026-01-30", true},
		{"days, the last", day(0, 3), "date", "2026-01-30", "date", "2026-02-02", true},
		{"days, too late", day(0, 3), "date", "2026-01-30", "date", "2026-02-03", false},
		{"days, too early", day(0, 3), "date", "2026-01-30", "date", "2026-01-29", false},
		{"days over a leap day", day(2, 2), "date", "2024-02-28", "date", "2024-03-01", true},
		{"days of timestamps are calendar days", day(1, 1), "timestamp", "2026-01-31 23:59:59", "timestamp", "2026-02-01 00:00:00", true},
		{"days before 1970", day(1, 1), "timestamp", "1969-12-30 12:00:00", "date", "1969-12-31", true},
		{"hours are of 3600 seconds", hour(-1, 1), "timestamp", "2026-01-31 23:30:00", "timestamp", "2026-02-01 00:30:00", true},
		{"hours, a second more", hour(-1, 1), "timestamp", "2026-01-31 23:30:00", "timestamp", "2026-02-01 00:30:01", false},

		{"prefix_of", is(kalla.OpPrefixOf), "text", "INV", "text", "INV-1", true},
		{"prefix_of itself", is(kalla.OpPrefixOf), "text", "INV", "text", "INV", true},
		{"prefix_of, the wrong way", is(kalla.OpPrefixOf), "text", "INV-1", "text", "INV", false},
		{"the empty prefix", is(kalla.OpPrefixOf), "text", "", "text", "INV", false},
		{"has_prefix", is(kalla.OpHasPrefix), "text", "INV-1", "text", "INV", true},
		{"contained_in", is(kalla.OpContainedIn), "text", "NV", "text", "INV-1", true},
		{"contains", is(kalla.OpContains), "text", "INV-1", "text", "V-", true},
		{"contains, the wrong way", is(kalla.OpContains), "text", "V-", "text", "INV-1", false},
		{"a percent sign is a character", is(kalla.OpContains), "text", "50 EUR", "text", "5%", false},

		{"gt", is(kalla.OpGt), "integer", "10", "integer", "9", true},
		{"gt of text is by bytes", is(kalla.OpGt), "text", "10", "text", "9", false},
		{"gte", is(kalla.OpGte), "integer", "9", "integer", "9", true},
		{"lt", is(kalla.OpLt), "date", "2026-01-01", "date", "2026-01-02", true},
		{"lte", is(kalla.OpLte), "integer", "10", "integer", "9", false},
		{"neq", is(kalla.OpNeq), "integer", "10", "decimal(9,2)", "10.00", false},

		{"trim", norm(kalla.Trim), "text", "  a b\t", "text", "a b", true},
		{"upper", norm(kalla.Upper), "text", "äb", "text", "ÄB", true},
		{"upper of ß", norm(kalla.Upper), "text", "ß", "text", "ẞ", true},
		{"alnum", norm(kalla.Alnum), "text", "Ä-1 2/x", "text", "Ä12x", true},
		{"digits", norm(kalla.Digits), "text", "INV 0-07", "text", "007", true},
		{"strip_leading_zeros", norm(kalla.StripLeadingZeros), "text", "00700", "text", "700", true},
		{"unaccent", norm(kalla.Unaccent), "text", "Çà é ñ Ż", "text", "Ca e n Z", true},
		{"unaccent takes strokes off", norm(kalla.Unaccent), "text", "øŁ", "text", "oL", true},
		{"unaccent keeps letters of their own", norm(kalla.Unaccent), "text", "ß", "text", "ss", false},
		{"unaccent of a combining mark", norm(kalla.Unaccent), "text", "e\u0301", "text", "é", true},
		{"collapse_spaces", norm(kalla.CollapseSpaces), "text", "a \t b", "text", "a b", true},
		{"steps in their order", norm(kalla.Digits, kalla.StripLeadingZeros), "text", "X0012", "text", "12", true},
		{"steps in the other order", norm(kalla.StripLeadingZeros, kalla.Digits), "text", "X0012", "text", "12", false},
		{"nothing left is NULL", norm(kalla.Digits), "text", "abc", "text", "def", false},
		{"zero without its zeros is NULL", norm(kalla.StripLeadingZeros), "text", "000", "text", "00", false},
	} {
		if got := holds(t, c.cond, c.lt, c.l, c.rt, c.r); got != c.want {
			t.Errorf("%s: %q and %q: %v", c.name, c.l, c.r, got)
		}
	}
}

func TestSimilarity(t *testing.T) {
	for _, c := range []struct {
		method kalla.Method
		a, b   string
		least  string // the score, rounded down to six places: it holds, and a millionth more does not
	}{
		// kitten → sitting: three edits of seven characters, 4/7.
		{kalla.Levenshtein, "kitten", "sitting", "0.571428"},
		{"", "abcd", "abc", "0.75"},
		{"", "é", "e", "0"}, // one character of one, not two bytes of two
		{"", "Müller", "Muller", "0.833333"},
		// MARTHA, MARHTA: six common, one transposition, (1 + 1 + 5/6)/3 = 0.944444, and 3 · 0.1 of the rest.
		{kalla.JaroWinkler, "MARTHA", "MARHTA", "0.961111"},
		// D A N E common, none out of order: (4/6 + 4/5 + 1)/3 = 0.822222, prefix 1.
		{kalla.JaroWinkler, "DWAYNE", "DUANE", "0.84"},
		// D I O N common: (4/5 + 4/8 + 1)/3 = 0.766667, prefix 2.
		{kalla.JaroWinkler, "DIXON", "DICKSONX", "0.813333"},
		// R A E common: (3/5 + 3/5 + 1)/3 = 0.733333, no prefix.
		{kalla.JaroWinkler, "CRATE", "TRACE", "0.733333"},
		// (2/5 + 2/5 + 1)/3 = 0.6, too low for the bonus of its two leading characters.
		{kalla.JaroWinkler, "abxxx", "abyyy", "0.6"},
		// The window of two characters is 0: nothing is common.
		{kalla.JaroWinkler, "AB", "BA", "0"},
		// At most four characters count: (1 + 8/9 + 1)/3 = 0.962963, and 0.4 of the rest.
		{kalla.JaroWinkler, "abcdefgh", "abcdefghi", "0.977778"},
		{kalla.TokenSet, "Acme Ltd", "Ltd, Acme", "1"},
		{kalla.TokenSet, "Acme Trading Ltd", "Acme Ltd", "1"}, // the common words are one of the texts
		// Common "red": red/red apple 3/9, red/red pear 3/8, red apple/red pear 4 edits of 9, 5/9.
		{kalla.TokenSet, "red apple", "red pear", "0.555555"},
		// No common word: abc/abd 2/3.
		{kalla.TokenSet, "abc", "abd", "0.666666"},
		{kalla.TokenSet, "b a a", "a,b", "1"}, // a set: a counts once
	} {
		if !holds(t, similar("", "", c.least, c.method), "text", c.a, "text", c.b) {
			t.Errorf("%s of %q and %q is below %s", c.method, c.a, c.b, c.least)
		}
		if more := dec(c.least).Add(*dec("0.000001")); holds(t, similar("", "", more.String(), c.method), "text", c.a, "text", c.b) {
			t.Errorf("%s of %q and %q is not below %s", c.method, c.a, c.b, more)
		}
	}
}

func TestBlocks(t *testing.T) {
	for _, c := range []struct {
		transform kalla.BlockTransform
		n         int
		a, b      string
		want      bool
	}{
		{kalla.BlockExact, 0, "a", "a", true},
		{kalla.BlockExact, 0, "a", "A", false},
		{kalla.BlockSoundex, 0, "Robert", "Rupert", true},     // R163
		{kalla.BlockSoundex, 0, "Robert", "Rubin", false},     // R163, R150
		{kalla.BlockSoundex, 0, "Ashcraft", "Asgrafe", true},  // A261: H does not part S and C
		{kalla.BlockSoundex, 0, "Tymczak", "Tanksok", true},   // T522: the vowel parts Z and K
		{kalla.BlockSoundex, 0, "Pfister", "pister", true},    // P236: F has P's code
		{kalla.BlockSoundex, 0, "Lee", "Lo", true},            // L000
		{kalla.BlockSoundex, 0, "Ödman", "Otman", true},       // O355: diacritics do not sound
		{kalla.BlockSoundex, 0, "12", "12", false},            // no letter, no code
		{kalla.BlockFirst, 3, "Müller", "Mülheim", true},      // characters, not bytes
		{kalla.BlockFirst, 4, "Müller", "Mülheim", false},     //
		{kalla.BlockFirst, 4, "Mül", "Mül", true},             // a shorter text is its own beginning
		{kalla.BlockFirst, 2, "", "", false},                  //
		{kalla.BlockNgram, 3, "Smithson", "Nysmithe", true},   // mit
		{kalla.BlockNgram, 4, "Smithson", "Nyssmitte", false}, // mith is not there
		{kalla.BlockNgram, 3, "ab", "ab", false},              // too short to have one
	} {
		pass := kalla.Pass{Cardinality: kalla.OneToOne, Block: []kalla.Block{
			{Left: "none", Right: "none"}, // NULL on both sides: never holds, but does not forbid
			{Left: "v", Right: "v", Transform: c.transform, N: c.n},
		}}
		got := run(t, recipe(pass), table(t, "id:text v:text none:text", "k,"+c.a+",NULL"), table(t, "id:text v:text none:text", "k,"+c.b+",NULL"))
		if (len(got.Matches) == 1) != c.want {
			t.Errorf("%s(%d) of %q and %q: not %v", c.transform, c.n, c.a, c.b, c.want)
		}
	}
}
