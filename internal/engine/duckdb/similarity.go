package duckdb

import (
	"strconv"
	"strings"
)

// DuckDB's levenshtein and jaro_winkler_similarity work on bytes, docs/matching.md
// on characters (code points). For ASCII they are the same. Other pairs are first
// rewritten so that each character is one byte. Only which characters of a equal
// which of b matters: those that both have become different ASCII ones, those that
// only one has become \x01 in a and \x02 in b. Texts that share more characters
// than ASCII has codes are computed in lists, slowly.
const (
	onlyInA   = "\x01"
	onlyInB   = "\x02"
	firstCode = 3
	lastCode  = 127
)

// overCharacters applies a measure of bytes, given as the SQL for two texts, to
// the characters of a and b; long is the macro that measures lists.
func overCharacters(measure func(a, b string) string, long string) string {
	var codes strings.Builder
	for c := firstCode; c <= lastCode; c++ {
		codes.WriteByte(byte(c))
	}
	const shared = "kalla_shared"
	coded := func(s, other string) string {
		// s itself at the end stands for every other character: translate takes the first of repeated ones.
		return "translate(" + s + ", " + shared + " || " + s + ", rpad(left(" + text(codes.String()) + ", length(" + shared + ")), " +
			"CAST(length(" + shared + ") + length(" + s + ") AS INTEGER), " + text(other) + "))"
	}
	return "CASE WHEN strlen(a) = length(a) AND strlen(b) = length(b) THEN " + measure("a", "b") + " ELSE " +
		"list_transform([array_to_string(list_intersect(kalla_chars(a), kalla_chars(b)), '')], lambda " + shared + ": " +
		"CASE WHEN length(" + shared + ") <= " + strconv.Itoa(codes.Len()) + " THEN " +
		measure(coded("a", onlyInA), coded("b", onlyInB)) + " ELSE " + long + "(a, b) END)[1] END"
}

func levenshtein(a, b string) string { return "levenshtein(" + a + ", " + b + ")" }

// jaroWinkler mends DuckDB's, which takes a Jaro score of exactly 0.7 for more
// than that when the sum of its three binary fractions comes out above it.
// Other scores are at least 1e-7 away, for texts of up to 150 characters.
func jaroWinkler(a, b string) string {
	return "CASE WHEN abs(jaro_similarity(" + a + ", " + b + ") - 0.7) < 1e-9 THEN 0.7 ELSE jaro_winkler_similarity(" + a + ", " + b + ") END"
}

func differenceMacros() []macro {
	return []macro{
		{"kalla_chars", []string{"(s) AS string_split(s, '')"}},
		{"kalla_pair", []string{ // both texts as lists, so that a lambda does not split them again for each element
			"(a, b) AS [{'a': kalla_chars(a), 'b': kalla_chars(b)}]"}},
		{"kalla_next_diagonal", []string{
			// two holds the diagonals d−2 and d−1 of the edit distance table of lists a and b, one after the
			// other, by row; a cell depends on these alone. Cells outside the table are as far as can be.
			"(two, d, a, b) AS list_concat(two[len(a) + 2:], list_transform(range(0, len(a) + 1), lambda kalla_i: " +
				"CASE WHEN kalla_i > d OR d - kalla_i > len(b) THEN 1000000000 WHEN kalla_i = 0 OR kalla_i = d THEN d ELSE least(" +
				"two[len(a) + 1 + kalla_i] + 1, two[len(a) + 2 + kalla_i] + 1, " +
				"two[kalla_i] + CASE WHEN a[kalla_i] = b[d - kalla_i] THEN 0 ELSE 1 END) END))"}},
		{"kalla_edit_distance", []string{
			"(a, b) AS list_reduce(list_transform(range(1, len(a) + len(b) + 1), lambda kalla_d: [kalla_d]), " +
				"lambda kalla_two, kalla_d: kalla_next_diagonal(kalla_two, kalla_d[1], a, b), " +
				"list_transform(range(-len(a) - 1, len(a) + 1), lambda kalla_i: CASE WHEN kalla_i = 0 THEN 0 ELSE 1000000000 END))[-1]"}},
		{"kalla_long_levenshtein", []string{
			"(a, b) AS list_transform(kalla_pair(a, b), lambda kalla_p: kalla_edit_distance(kalla_p.a, kalla_p.b))[1]"}},
		{"kalla_levenshtein", []string{"(a, b) AS " + overCharacters(levenshtein, "kalla_long_levenshtein")}},
		{"kalla_millionths_up", []string{"(part, whole) AS CAST((part * 1000000 + whole - 1) // whole AS BIGINT)"}},
		{"kalla_levenshtein_diff", []string{
			"(a, b) AS CASE WHEN a = '' OR b = '' THEN NULL WHEN a = b THEN 0 ELSE " +
				"kalla_millionths_up(kalla_levenshtein(a, b), greatest(length(a), length(b))) END"}},
		{"kalla_similarity", []string{
			"(a, b) AS CAST(CAST(1000000 - kalla_levenshtein_diff(a, b) AS DECIMAL(7,0)) * 0.000001 AS DECIMAL(9,6))"}},

		// Of lists of characters.
		{"kalla_jaro_window", []string{"(a, b) AS greatest(greatest(len(a), len(b)) // 2 - 1, 0)"}},
		{"kalla_jaro_links", []string{ // for each character of a, the position in b that it is paired with, or 0
			"(a, b) AS list_reduce(list_transform(range(1, len(a) + 1), lambda kalla_i: [kalla_i]), " +
				"lambda kalla_links, kalla_i: list_append(kalla_links, coalesce(list_filter(" +
				"range(greatest(1, kalla_i[1] - kalla_jaro_window(a, b)), least(len(b), kalla_i[1] + kalla_jaro_window(a, b)) + 1), " +
				"lambda kalla_j: b[kalla_j] = a[kalla_i[1]] AND NOT list_contains(kalla_links, kalla_j))[1], 0)), " +
				"CAST([] AS BIGINT[]))"}},
		{"kalla_jaro_matches", []string{ // the paired characters, in the order of a and in that of b
			"(a, b, links) AS {'a': list_filter(a, lambda kalla_c, kalla_i: links[kalla_i] > 0), " +
				"'b': list_transform(list_sort(list_filter(links, lambda kalla_j: kalla_j > 0)), lambda kalla_j: b[kalla_j])}"}},
		{"kalla_jaro_score", []string{
			"(m, moved, a, b) AS CASE WHEN m = 0 THEN 0.0 ELSE (CAST(m AS DOUBLE) / len(a) + CAST(m AS DOUBLE) / len(b) + " +
				"CAST(m - moved // 2 AS DOUBLE) / m) / 3 END"}},
		{"kalla_jaro_of", []string{
			"(a, b) AS list_transform([kalla_jaro_links(a, b)], lambda kalla_links: list_transform([kalla_jaro_matches(a, b, kalla_links)], " +
				"lambda kalla_m: kalla_jaro_score(len(kalla_m.a), len(list_filter(kalla_m.a, lambda kalla_c, kalla_i: kalla_c <> kalla_m.b[kalla_i])), a, b))[1])[1]"}},
		{"kalla_long_jaro", []string{
			"(a, b) AS list_transform(kalla_pair(a, b), lambda kalla_p: kalla_jaro_of(kalla_p.a, kalla_p.b))[1]"}},
		{"kalla_common_prefix", []string{ // in characters, at most four
			"(a, b) AS CASE WHEN left(a, 4) = left(b, 4) THEN least(length(a), length(b), 4) WHEN left(a, 3) = left(b, 3) THEN least(length(a), length(b), 3) " +
				"WHEN left(a, 2) = left(b, 2) THEN least(length(a), length(b), 2) WHEN left(a, 1) = left(b, 1) THEN 1 ELSE 0 END"}},
		{"kalla_long_jaro_winkler", []string{
			"(a, b) AS list_transform([kalla_long_jaro(a, b)], lambda kalla_jaro: CASE WHEN kalla_jaro < 0.700000001 THEN kalla_jaro " +
				"ELSE kalla_jaro + 0.1 * kalla_common_prefix(a, b) * (1 - kalla_jaro) END)[1]"}},
		{"kalla_jaro_winkler", []string{"(a, b) AS " + overCharacters(jaroWinkler, "kalla_long_jaro_winkler")}},
		{"kalla_jaro_winkler_diff", []string{
			"(a, b) AS CASE WHEN a = '' OR b = '' THEN NULL WHEN a = b THEN 0 ELSE " +
				"CAST(round((1 - kalla_jaro_winkler(a, b)) * 1000000) AS BIGINT) END"}},

		{"kalla_words", []string{ // the set of words of a text, sorted by bytes
			`(s) AS list_sort(list_distinct(regexp_extract_all(s, '[\p{L}\p{Nd}]+')))`}},
		{"kalla_word_sets", []string{ // the common words, and those with the rest of either text, joined
			"(wa, wb) AS list_transform([list_filter(wa, lambda kalla_w: list_contains(wb, kalla_w))], lambda kalla_common: {" +
				"'common': array_to_string(kalla_common, ' '), " +
				"'a': array_to_string(list_concat(kalla_common, list_filter(wa, lambda kalla_w: NOT list_contains(wb, kalla_w))), ' '), " +
				"'b': array_to_string(list_concat(kalla_common, list_filter(wb, lambda kalla_w: NOT list_contains(wa, kalla_w))), ' ')})[1]"}},
		{"kalla_word_sets_diff", []string{
			// The common words are a prefix of either text, so the distance to them is the rest of its length.
			"(common, a, b) AS CASE WHEN common = '' THEN kalla_levenshtein_diff(a, b) WHEN common = a OR common = b THEN 0 ELSE least(" +
				"kalla_millionths_up(length(a) - length(common), length(a)), " +
				"kalla_millionths_up(length(b) - length(common), length(b)), kalla_levenshtein_diff(a, b)) END"}},
		{"kalla_words_diff", []string{ // of two results of kalla_words, for pairs whose words are computed once a record
			"(wa, wb) AS CASE WHEN len(wa) > 0 AND len(wb) > 0 THEN " +
				"list_transform([kalla_word_sets(wa, wb)], lambda kalla_s: kalla_word_sets_diff(kalla_s.common, kalla_s.a, kalla_s.b))[1] END"}},
		{"kalla_token_set_diff", []string{
			"(a, b) AS list_transform([{'a': kalla_words(a), 'b': kalla_words(b)}], lambda kalla_pair: kalla_words_diff(kalla_pair.a, kalla_pair.b))[1]"}},
	}
}

func blockMacros() []macro {
	collapsed := "kalla_soundex_codes(s)"
	for c := '0'; c <= '6'; c++ {
		collapsed = "regexp_replace(" + collapsed + ", '" + string(c) + "{2,}', '" + string(c) + "', 'g')"
	}
	return []macro{
		{"kalla_soundex_letters", []string{"(s) AS regexp_replace(upper(kalla_norm_unaccent(s)), '[^A-Z]+', '', 'g')"}},
		{"kalla_soundex_codes", []string{
			// H and W do not part letters of one code, so they go first; vowels do, so they are coded until codes are merged.
			"(s) AS translate(left(s, 1), 'ABCDEFGIJKLMNOPQRSTUVXYZHW', '01230120224550126230120200') || " +
				"translate(substring(s, 2), 'ABCDEFGIJKLMNOPQRSTUVXYZHW', '012301202245501262301202')"}},
		{"kalla_soundex_of", []string{
			"(s) AS left(left(s, 1) || replace(substring(" + collapsed + ", 2), '0', '') || '000', 4)"}},
		{"kalla_soundex", []string{ // American Soundex; NULL for a text without letters
			"(s) AS CASE WHEN regexp_matches(kalla_soundex_letters(s), '[A-Z]') THEN kalla_soundex_of(kalla_soundex_letters(s)) END"}},
		{"kalla_ngrams", []string{ // the distinct runs of n characters, none for a text shorter than n
			"(s, n) AS list_distinct(list_transform(range(1, length(s) - n + 2), lambda kalla_i: substring(s, kalla_i, n)))"}},
	}
}
