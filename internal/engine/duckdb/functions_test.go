package duckdb_test

import (
	"strings"
	"testing"
)

// TestFunctions states what each portable function gives; "∅" is NULL.
func TestFunctions(t *testing.T) {
	db := openPlain(t)
	for _, tc := range []struct{ expr, want string }{
		{"kalla_norm_trim(E'\\t\u00a0 a b\u3000\\n')", "a b"},
		{"kalla_norm_upper('straße é')", "STRAẞE É"},
		{"kalla_norm_unaccent('Łódź Ærø É e\u0301 ñ ß')", "Lodz Æro E e n ß"},
		{"kalla_norm_alnum(' INV-00 8/é٣')", "INV008é٣"},
		{"kalla_norm_digits('INV-00 8/٣')", "008"},
		{"kalla_norm_strip_leading_zeros('00120')", "120"},
		{"kalla_norm_collapse_spaces(E'a\\t\\n b\u00a0\u2003c')", "a b c"},
		{"kalla_normalize_ref('inv-008/é')", "INV008E"},
		{"kalla_normalize_ref(' - ')", "∅"},

		{"kalla_regexp_extract('pay INV-42', 'INV-([0-9]+)', 1)", "42"},
		{"kalla_regexp_extract('pay INV-42', 'INV-[0-9]+')", "INV-42"},
		{"kalla_regexp_extract('pay', 'INV-([0-9]+)', 1)", "∅"},
		{"kalla_regexp_extract('b', '(a)?b', 1)", "∅"},
		{"kalla_regexp_extract(NULL, 'b', 0)", "∅"},
		{"kalla_regexp_like('abc', 'b')", "true"},
		{"kalla_regexp_replace('a1b2', '[0-9]', '')", "ab"},
		{"kalla_split_part('a-b', '-', 2)", "b"},
		{"kalla_split_part('a-b', '-', 3)", "∅"},
		{"kalla_substring('hello', 2, 3)", "ell"},
		{"kalla_substring('hello', -2, 9)", "lo"},
		{"kalla_substring('hello', -6, 2)", ""},
		{"kalla_substring('hello', 0, 2)", ""},
		{"kalla_substring('hello', 2, -1)", ""},
		{"kalla_substring('日本語', 2)", "本語"},
		{"kalla_substring(NULL, 0)", "∅"},

		{`kalla_json_value('{"a": 1.50}', '$.a')`, "1.50"},
		{`kalla_json_value('{"a": 12345678901234567.89, "s": "x 2.5 \" 1"}', '$.a')`, "12345678901234567.89"},
		{`kalla_json_value('{"a": 12345678901234567.89, "s": "x 2.5 \" 1"}', '$.s')`, `x 2.5 " 1`},
		{`kalla_json_value('{"a": {"b": [1, -2e3]}}', '$.a.b[1]')`, "-2e3"},
		{`kalla_json_value('{"a": true}', '$.a')`, "true"},
		{`kalla_json_value('{"a": null}', '$.a')`, "∅"},
		{`kalla_json_value('{"a": {}}', '$.a')`, "∅"},
		{`kalla_json_value('{"a": 1}', '$.b')`, "∅"},
		{`kalla_json_value('{"a": ', '$.a')`, "∅"},
		{`kalla_json_value('', '$.a')`, "∅"},
		{`kalla_json_value(NULL, '$.a')`, "∅"},

		{"kalla_tolerance_match(100.02, 100.00, 0.02)", "true"},
		{"kalla_tolerance_match(100.03, 100.00, 0.02)", "false"},
		{"kalla_tolerance_match(100.00, 100.02, 0.02)", "true"},
		{"kalla_tolerance_match(NULL, 100.02, 0.02)", "∅"},
		{"kalla_greatest(1, 2, 3)", "3"},
		{"kalla_greatest(1, NULL)", "∅"},
		{"kalla_least(2, 1)", "1"},
		{"kalla_convert_2(10.00, 1.0005)", "10.00"},
		{"kalla_convert_2(10.00, 1.0015)", "10.02"},
		{"kalla_convert_2(-10.00, 1.0005)", "-10.00"},
		{"kalla_convert_2(-10.00, 1.00051)", "-10.01"},
		{"kalla_convert_0(1.00, 157.5)", "158"},
		{"kalla_convert_0(1.00, 156.5)", "156"},
		{"kalla_convert_3(1, 0.3765)", "0.376"},
		{"kalla_convert_2(NULL, 1.5)", "∅"},
		{"kalla_divide_2(10.00, 3)", "3.33"},
		{"kalla_divide_2(-10.00, 3.0)", "-3.33"},
		{"kalla_divide_2(0.01, 2)", "0.01"},
		{"kalla_divide_2(-0.01, 2)", "-0.01"},
		{"kalla_divide_10(1, 7)", "0.1428571429"},
		{"kalla_divide_0(7, 2)", "4"},
		{"kalla_divide_2(1, 0)", "∅"},
		{"kalla_similarity('abc', 'abd')", "0.666666"},
		{"kalla_similarity('abc', 'abc')", "1.000000"},
		{"typeof(kalla_similarity('abc', 'abc'))", "DECIMAL(9,6)"},

		{"kalla_date_diff('day', TIMESTAMP '2026-01-01 23:59:00', TIMESTAMP '2026-01-02 00:01:00')", "1"},
		{"kalla_date_diff('week', DATE '2026-01-04', DATE '2026-01-05')", "1"},
		{"kalla_date_diff('week', DATE '1960-01-03', DATE '1960-01-04')", "1"},
		{"kalla_date_diff('month', DATE '2026-01-31', DATE '2026-02-01')", "1"},
		{"kalla_date_diff('day', DATE '2026-03-01', DATE '2026-02-28')", "-1"},
		{"date_trunc('month', DATE '2026-02-17')", "2026-02-01 00:00:00"},
		{"date_trunc('week', DATE '2026-01-04')", "2025-12-29 00:00:00"},
		{"kalla_date_add('month', 1, DATE '2026-01-31')", "2026-02-28 00:00:00"},
		{"kalla_date_add('week', -1, DATE '2026-01-31')", "2026-01-24 00:00:00"},

		{"kalla_soundex('Robert')", "R163"},
		{"kalla_soundex('Rupert')", "R163"},
		{"kalla_soundex('Rubin')", "R150"},
		{"kalla_soundex('Ashcraft')", "A261"},
		{"kalla_soundex('Tymczak')", "T522"},
		{"kalla_soundex('Pfister')", "P236"},
		{"kalla_soundex('Honeyman')", "H555"},
		{"kalla_soundex('Lloyd')", "L300"},
		{"kalla_soundex('Müller')", "M460"},
		{"kalla_soundex('Wheaton')", "W350"},
		{"kalla_soundex('Jackson')", "J250"},
		{"kalla_soundex('VanDeusen')", "V532"},
		{"kalla_soundex('42')", "∅"},
		{"kalla_soundex(NULL)", "∅"},
		{"list_sort(kalla_ngrams('ababé', 2))", "[ab, ba, bé]"},
		{"kalla_ngrams('a', 2)", "[]"},
		{"kalla_ngrams(NULL, 2)", "∅"},

		{"kalla_levenshtein_diff('abc', 'abd')", "333334"},
		{"kalla_levenshtein_diff('é', 'e')", "1000000"},
		{"kalla_levenshtein_diff('Müller', 'Muller')", "166667"},
		{"kalla_levenshtein_diff('', 'a')", "∅"},
		{"kalla_levenshtein_diff('', '')", "∅"},
		{"kalla_levenshtein_diff(NULL, 'a')", "∅"},
		{"kalla_levenshtein_diff('a', NULL)", "∅"},
		{"kalla_jaro_winkler_diff('MARTHA', 'MARHTA')", "38889"},
		{"kalla_jaro_winkler_diff('abcxy', 'abczzz')", "300000"}, // a Jaro score of exactly 0.7
		{"kalla_jaro_winkler_diff('abcxé', 'abczzz')", "300000"},
		{"kalla_jaro_winkler_diff('', 'a')", "∅"},
		{"kalla_jaro_winkler_diff(NULL, 'a')", "∅"},
		{"kalla_token_set_diff('ACME Corp Ltd', 'Ltd. ACME Corp')", "0"},
		{"kalla_token_set_diff('ACME Corp', 'ACME Corp Holding')", "0"},
		{"kalla_token_set_diff('ACME North', 'ACME South')", "200000"},
		{"kalla_token_set_diff('---', 'ACME')", "∅"},
		{"kalla_token_set_diff(NULL, 'ACME')", "∅"},
	} {
		got := text(t, db, tc.expr)
		if got == nil {
			got = new(string)
			*got = "∅"
		}
		if *got != tc.want {
			t.Errorf("%s = %q, want %q", tc.expr, *got, tc.want)
		}
	}
}

func TestBinaryFloatsAreRefused(t *testing.T) {
	db := openPlain(t)
	for _, expr := range []string{"kalla_convert_2(CAST(1.5 AS DOUBLE), 1.5)", "kalla_divide_2(1, CAST(3 AS FLOAT))"} {
		var v any
		err := db.QueryRow("SELECT " + expr).Scan(&v)
		if err == nil || !strings.Contains(err.Error(), "binary float") {
			t.Errorf("%s: error %v, want one about a binary float", expr, err)
		}
	}
}
