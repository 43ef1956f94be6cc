package duckdb

import (
	"strconv"
	"strings"

	"kalla/internal/gate"
)

// whiteSpace lists the characters of Unicode's White_Space property: what trim
// and collapse_spaces mean by white space. Both DuckDB's trim(s), which leaves
// tabs, and RE2's \s, which is ASCII only, mean something else.
const whiteSpace = " \t\n\v\f\r\u0085\u00a0\u1680" +
	"\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a" +
	"\u2028\u2029\u202f\u205f\u3000"

// Letters whose stroke or missing dot has no decomposition in Unicode, so that
// stripping marks leaves them; people and banks write them without it.
const (
	strokeLetters = "ŁłØøĐđĦħŦŧı"
	plainLetters  = "LlOoDdHhTti"
)

// macro is one CREATE MACRO statement; several bodies are overloads by arity.
type macro struct {
	name   string
	bodies []string // "(a, b) AS expression"
}

func (m macro) statement() string {
	return "CREATE OR REPLACE MACRO " + m.name + strings.Join(m.bodies, ", ")
}

// Macros returns the CREATE MACRO statements, in the order of their use of each other, that a session executes before
// any SQL of a plan or a recipe runs: the portable functions of recipes (see
// docs/functions.md) and the normalisations and differences of text that
// docs/matching.md defines. A macro repeats its arguments, so they are best
// plain columns.
func Macros() []string {
	var out []string
	for _, list := range [][]macro{textMacros(), differenceMacros(), blockMacros(), numberMacros(), dateMacros()} {
		for _, m := range list {
			out = append(out, m.statement())
		}
	}
	return out
}

func textMacros() []macro {
	ws := text(whiteSpace)
	return []macro{
		{"kalla_norm_trim", []string{"(s) AS trim(s, " + ws + ")"}},
		{"kalla_norm_upper", []string{"(s) AS upper(s)"}},
		{"kalla_norm_unaccent", []string{
			// NFD, marks dropped, NFC; DuckDB does nothing for ASCII.
			"(s) AS CASE WHEN strlen(s) = length(s) THEN s ELSE translate(strip_accents(s), " +
				text(strokeLetters) + ", " + text(plainLetters) + ") END"}},
		{"kalla_norm_alnum", []string{`(s) AS regexp_replace(s, '[^\p{L}\p{Nd}]+', '', 'g')`}},
		{"kalla_norm_digits", []string{`(s) AS regexp_replace(s, '[^0-9]+', '', 'g')`}},
		{"kalla_norm_strip_leading_zeros", []string{"(s) AS ltrim(s, '0')"}},
		{"kalla_norm_collapse_spaces", []string{
			`(s) AS regexp_replace(s, '[\s\x{0b}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+', ' ', 'g')`}},
		{"kalla_normalize_ref", []string{"(s) AS nullif(kalla_norm_alnum(upper(kalla_norm_unaccent(s))), '')"}},
		{"kalla_regexp_extract", []string{
			// Trino gives NULL where DuckDB gives '' for no match and for a group that took no part.
			"(s, p) AS nullif(regexp_extract(s, p), '')",
			"(s, p, g) AS nullif(regexp_extract(s, p, g), '')"}},
		{"kalla_regexp_like", []string{"(s, p) AS regexp_matches(s, p)"}},
		{"kalla_regexp_replace", []string{
			"(s, p, r) AS regexp_replace(s, p, r, 'g')"}},
		{"kalla_split_part", []string{"(s, d, n) AS nullif(split_part(s, d, n), '')"}},
		{"kalla_substring", []string{
			"(s, i) AS CASE WHEN s IS NOT NULL AND (i = 0 OR -i > length(s)) THEN '' ELSE substring(s, CAST(i AS BIGINT)) END",
			"(s, i, n) AS CASE WHEN s IS NOT NULL AND (i = 0 OR -i > length(s) OR n < 1) THEN '' ELSE substring(s, CAST(i AS BIGINT), CAST(n AS BIGINT)) END"}},
		{"kalla_json_tokens", []string{
			// DuckDB reads 1.50 and 12345678901234567.89 in JSON as binary floats. Numbers become strings first.
			`(s) AS array_to_string(list_transform(regexp_extract_all(s, '"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|[^"0-9-]+'), ` +
				`lambda kalla_t: CASE WHEN regexp_matches(kalla_t, '^[-0-9]') THEN '"' || kalla_t || '"' ELSE kalla_t END), '')`}},
		{"kalla_json_value", []string{
			"(s, p) AS CASE WHEN json_valid(s) THEN CASE json_type(s, p)" +
				" WHEN 'DOUBLE' THEN json_extract_string(kalla_json_tokens(s), p)" +
				" WHEN 'OBJECT' THEN NULL WHEN 'ARRAY' THEN NULL" +
				" ELSE json_extract_string(s, p) END END"}},
	}
}

func numberMacros() []macro {
	list := []macro{
		// DuckDB computes with decimals of up to 18 digits in 18 digits, and fails where the result has more.
		// Adding a wide zero keeps the scale and makes it 38.
		{"kalla_wide", []string{"(x) AS x + CAST(0 AS DECIMAL(38,0))"}},
		{"kalla_times", []string{"(a, b) AS kalla_wide(a) * b"}},
		{"kalla_tolerance_match", []string{"(a, b, t) AS abs(kalla_wide(a) - b) <= t"}},
		{"kalla_greatest", nullingBodies("greatest")},
		{"kalla_least", nullingBodies("least")},
		// Binary floats must not slip into arithmetic on money. typeof is constant, so this costs nothing a row.
		{"kalla_exact", []string{"(x) AS CASE WHEN typeof(x) IN ('DOUBLE', 'FLOAT') " +
			"THEN error('a binary float where a decimal is needed: cast it to decimal(p,s)') ELSE kalla_wide(x) END"}},
		{"kalla_half_even", []string{ // of a decimal, to a whole number
			"(x) AS floor(x) + CASE WHEN x - floor(x) > 0.5 THEN 1" +
				" WHEN x - floor(x) = 0.5 AND floor(x) % 2 <> 0 THEN 1 ELSE 0 END"}},
		{"kalla_ten_places", []string{ // a decimal times 10^10, as an integer
			"(x) AS CASE WHEN CAST(x AS DECIMAL(38,10)) = x THEN CAST(CAST(x AS DECIMAL(38,10)) * 10000000000 AS HUGEINT)" +
				" WHEN x IS NOT NULL THEN error('divide takes decimals of at most 10 places') END"}},
		{"kalla_quotient", []string{ // of integers, rounded half away from zero; NULL for a zero divisor
			"(n, d) AS CASE WHEN d <> 0 THEN sign(n) * sign(d) * ((2 * abs(n) + abs(d)) // (2 * abs(d))) END"}},
	}
	// The type of convert's and divide's results depends on the places, so there is a macro for each.
	for n := range gate.MaxConvertPlaces + 1 {
		list = append(list, macro{"kalla_convert_" + strconv.Itoa(n), []string{
			"(a, r) AS " + scaled("kalla_half_even(kalla_exact(a) * kalla_exact(r) * "+pow10(n)+")", n)}})
	}
	for n := range gate.MaxDividePlaces + 1 {
		list = append(list, macro{"kalla_divide_" + strconv.Itoa(n), []string{
			"(a, b) AS " + scaled("kalla_quotient(kalla_ten_places(kalla_exact(a)) * "+pow10(n)+", kalla_ten_places(kalla_exact(b)))", n)}})
	}
	return list
}

// nullingBodies are overloads of greatest or least for two to four arguments
// that give NULL when one is NULL, as SQL's do; DuckDB's skip NULLs.
func nullingBodies(f string) []string {
	args := []string{"a", "b", "c", "d"}
	var out []string
	for n := 2; n <= len(args); n++ {
		list := strings.Join(args[:n], ", ")
		out = append(out, "("+list+") AS CASE WHEN "+strings.Join(args[:n], " IS NOT NULL AND ")+
			" IS NOT NULL THEN "+f+"("+list+") END")
	}
	return out
}

// scaled divides a whole number by 10^places, exactly.
func scaled(expr string, places int) string {
	whole := "CAST(" + expr + " AS DECIMAL(38,0))"
	if places == 0 {
		return whole
	}
	return "CAST(" + whole + " * 0." + strings.Repeat("0", places-1) + "1 AS DECIMAL(38," + strconv.Itoa(places) + "))"
}

func pow10(n int) string { return "1" + strings.Repeat("0", n) }

func dateMacros() []macro {
	return []macro{
		{"kalla_date_diff", []string{
			// DuckDB counts weeks from the first date; here every unit counts the boundaries between.
			"(u, a, b) AS CASE WHEN u = 'week' THEN date_diff('day', date_trunc('week', a), date_trunc('week', b)) // 7" +
				" ELSE date_diff(u, a, b) END"}},
		{"kalla_date_add", []string{
			"(u, n, d) AS CAST(d AS TIMESTAMP) + CASE u WHEN 'day' THEN to_days(CAST(n AS INTEGER)) WHEN 'week' THEN to_days(CAST(7 * n AS INTEGER))" +
				" WHEN 'month' THEN to_months(CAST(n AS INTEGER)) WHEN 'quarter' THEN to_months(CAST(3 * n AS INTEGER))" +
				" WHEN 'year' THEN to_months(CAST(12 * n AS INTEGER)) WHEN 'hour' THEN to_hours(CAST(n AS BIGINT))" +
				" WHEN 'minute' THEN to_minutes(CAST(n AS BIGINT)) WHEN 'second' THEN to_seconds(CAST(n AS BIGINT)) END"}},
	}
}
