package duckdb

import (
	"strconv"
	"strings"
)

// DuckDB's levenshtein and jaro_winkler_similarity work on bytes, docs/matching.md
// on characters (code points). For ASCII they are the same. Other pairs are first
// rewritten so that each character is one byte, which changes neither measure as
// long as two characters stay equal or different:
//
//   - Few other characters and no control characters: the former become the latter.
//   - Else only which characters of a equal which of b matters: those that both
//     have become different ASCII ones, those that only one has become \x01 or \x02.
//   - Texts that share more characters than ASCII has codes are computed in lists, slowly.
const (
	onlyInA   = "\x01"
	onlyInB   = "\x02"
	firstCode = 3
)

// asciiRange returns the characters from … to, for use as codes.
func asciiRange(from, to int) string {
	var b strings.Builder
	for c := from; c <= to; c++ {
		b.WriteByte(byte(c))
	}
	return b.String()
}

// overCharacters applies a measure of bytes to the characters of a and b.
func overCharacters(measure, long string) string {
	control, shared := asciiRange(1, 31), asciiRange(firstCode, 127)
	const list = "kalla_shared(a, b)"
	few := func(s string) string {
		return "translate(" + s + ", kalla_non_ascii(a || b), " + text(control) + ")"
	}
	coded := func(s, other string) string {
		// s itself at the end stands for every other character: translate takes the first of repeated ones.
		return "translate(" + s + ", array_to_string(" + list + ", '') || " + s +
			", rpad(left(" + text(shared) + ", len(" + list + ")), CAST(len(" + list + ") + length(" + s + ") AS INTEGER), " + text(other) + "))"
	}
	return "CASE WHEN strlen(a) = length(a) AND strlen(b) = length(b) THEN " + measure + "(a, b)" +
		` WHEN length(kalla_non_ascii(a || b)) <= ` + strconv.Itoa(len(control)) +
		` AND NOT regexp_matches(a || b, '[\x01-\x1f]') THEN ` + measure + "(" + few("a") + ", " + few("b") + ")" +
		" WHEN len(" + list + ") <= " + strconv.Itoa(len(shared)) + " THEN " + measure +
		"(" + coded("a", onlyInA) + ", " + coded("b", onlyInB) + ")" +
		" ELSE " + long + "(a, b) END"
}

func differenceMacros() []macro {
	return []macro{
		{"kalla_non_ascii", []string{`(s) AS regexp_replace(s, '[\x00-\x7f]+', '', 'g')`}},
		{"kalla_chars", []string{"(s) AS string_split(s, '')"}},
		// Sorted, because both texts must be coded by the same list.
		{"kalla_shared", []string{"(a, b) AS list_sort(list_intersect(kalla_chars(a), kalla_chars(b)))"}},

		{"kalla_edit_row", []string{
			// t[j] is the cost of coming from the row above; a cell is the least t[k] + (j − k), k ≤ j.
			"(prev, c, b) AS list_transform([list_prepend(prev[1] + 1, list_transform(b, lambda kalla_x, kalla_j: " +
				"least(prev[kalla_j + 1] + 1, prev[kalla_j] + CASE WHEN kalla_x = c THEN 0 ELSE 1 END)))], " +
				"lambda kalla_t: list_transform(kalla_t, lambda kalla_v, kalla_j: list_min(list_transform(kalla_t[1:kalla_j], lambda kalla_u, kalla_k: kalla_u + kalla_j - kalla_k))))[1]"}},
		{"kalla_long_levenshtein", []string{
			"(a, b) AS list_reduce(list_transform(kalla_chars(a), lambda kalla_c: [CAST(unicode(kalla_c) AS BIGINT)]), " +
				"lambda kalla_prev, kalla_c: kalla_edit_row(kalla_prev, kalla_c[1], list_transform(kalla_chars(b), lambda kalla_x: CAST(unicode(kalla_x) AS BIGINT))), " +
				"range(0, length(b) + 1))[-1]"}},
		{"kalla_levenshtein", []string{"(a, b) AS " + overCharacters("levenshtein", "kalla_long_levenshtein")}},
		{"kalla_millionths_up", []string{"(part, whole) AS CAST((part * 1000000 + whole - 1) // whole AS BIGINT)"}},
		{"kalla_levenshtein_diff", []string{
			"(a, b) AS CASE WHEN a = '' OR b = '' THEN NULL WHEN a = b THEN 0 ELSE " +
				"kalla_millionths_up(kalla_levenshtein(a, b), greatest(length(a), length(b))) END"}},
		{"kalla_similarity", []string{
			"(a, b) AS CAST(CAST(1000000 - kalla_levenshtein_diff(a, b) AS DECIMAL(7,0)) * 0.000001 AS DECIMAL(9,6))"}},

		{"kalla_jaro_window", []string{"(a, b) AS greatest(greatest(length(a), length(b)) // 2 - 1, 0)"}},
		{"kalla_jaro_links", []string{ // for each character of a, the position in b that it is paired with, or 0
			"(a, b) AS list_reduce(list_transform(range(1, length(a) + 1), lambda kalla_i: [kalla_i]), " +
				"lambda kalla_links, kalla_i: list_append(kalla_links, coalesce(list_filter(" +
				"range(greatest(1, kalla_i[1] - kalla_jaro_window(a, b)), least(length(b), kalla_i[1] + kalla_jaro_window(a, b)) + 1), " +
				"lambda kalla_j: kalla_chars(b)[kalla_j] = kalla_chars(a)[kalla_i[1]] AND NOT list_contains(kalla_links, kalla_j))[1], 0)), " +
				"CAST([] AS BIGINT[]))"}},
		{"kalla_jaro_pairs", []string{ // the paired characters, in the order of a and in that of b
			"(a, b, links) AS {'a': list_filter(kalla_chars(a), lambda kalla_c, kalla_i: links[kalla_i] > 0), " +
				"'b': list_transform(list_sort(list_filter(links, lambda kalla_j: kalla_j > 0)), lambda kalla_j: kalla_chars(b)[kalla_j])}"}},
		{"kalla_long_jaro", []string{
			"(a, b) AS list_transform([kalla_jaro_links(a, b)], lambda kalla_links: " +
				"list_transform([kalla_jaro_pairs(a, b, kalla_links)], lambda kalla_p: CASE WHEN len(kalla_p.a) = 0 THEN 0.0 ELSE " +
				"(CAST(len(kalla_p.a) AS DOUBLE) / length(a) + CAST(len(kalla_p.a) AS DOUBLE) / length(b) + 1 - CAST(" +
				"len(list_filter(kalla_p.a, lambda kalla_c, kalla_i: kalla_c <> kalla_p.b[kalla_i])) // 2 AS DOUBLE) / len(kalla_p.a)) / 3 END)[1])[1]"}},
		{"kalla_common_prefix", []string{ // in characters, at most four
			"(a, b) AS CASE WHEN left(a, 4) = left(b, 4) THEN least(length(a), length(b), 4) WHEN left(a, 3) = left(b, 3) THEN least(length(a), length(b), 3) " +
				"WHEN left(a, 2) = left(b, 2) THEN least(length(a), length(b), 2) WHEN left(a, 1) = left(b, 1) THEN 1 ELSE 0 END"}},
		{"kalla_long_jaro_winkler", []string{
			"(a, b) AS list_transform([kalla_long_jaro(a, b)], lambda kalla_j: CASE WHEN kalla_j <= 0.7 THEN kalla_j " +
				"ELSE kalla_j + 0.1 * kalla_common_prefix(a, b) * (1 - kalla_j) END)[1]"}},
		{"kalla_jaro_winkler", []string{"(a, b) AS " + overCharacters("jaro_winkler_similarity", "kalla_long_jaro_winkler")}},
		{"kalla_jaro_winkler_diff", []string{
			"(a, b) AS CASE WHEN a = '' OR b = '' THEN NULL WHEN a = b THEN 0 ELSE " +
				"CAST(round((1 - kalla_jaro_winkler(a, b)) * 1000000) AS BIGINT) END"}},

		{"kalla_words", []string{ // the set of words of a text, sorted by bytes
			`(s) AS list_sort(list_distinct(regexp_extract_all(s, '[\p{L}\p{Nd}]+')))`}},
		{"kalla_word_sets", []string{
			"(wa, wb) AS {'common': array_to_string(list_filter(wa, lambda kalla_w: list_contains(wb, kalla_w)), ' '), " +
				"'a': array_to_string(list_filter(wa, lambda kalla_w: NOT list_contains(wb, kalla_w)), ' '), " +
				"'b': array_to_string(list_filter(wb, lambda kalla_w: NOT list_contains(wa, kalla_w)), ' ')}"}},
		{"kalla_word_sets_diff", []string{
			// The common words are a prefix of either joined text, so the distance to them is what follows:
			// a space and the rest.
			"(s) AS CASE WHEN s.common = '' THEN kalla_levenshtein_diff(s.a, s.b) WHEN s.a = '' OR s.b = '' THEN 0 ELSE least(" +
				"kalla_millionths_up(1 + length(s.a), length(s.common) + 1 + length(s.a)), " +
				"kalla_millionths_up(1 + length(s.b), length(s.common) + 1 + length(s.b)), " +
				"kalla_levenshtein_diff(s.common || ' ' || s.a, s.common || ' ' || s.b)) END"}},
		{"kalla_words_diff", []string{ // of two results of kalla_words, for pairs whose words are computed once a record
			"(wa, wb) AS CASE WHEN len(wa) > 0 AND len(wb) > 0 THEN " +
				"list_transform([kalla_word_sets(wa, wb)], lambda kalla_s: kalla_word_sets_diff(kalla_s))[1] END"}},
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
