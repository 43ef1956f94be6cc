package trino

import (
	"regexp"
	"strings"
)

// function is an SQL routine that a statement brings along: nothing can be
// installed on a cluster that is not ours.
type function struct{ name, declaration string }

// functions are all of them, those that others call before them.
var functions = []function{
	{"kalla_epoch_us", `(x timestamp(6)) RETURNS bigint
BEGIN
  -- to_unixtime is a binary float, which is exact to the microsecond within a day.
  DECLARE days bigint DEFAULT date_diff('day', DATE '1970-01-01', CAST(x AS date));
  RETURN days * 86400000000 + CAST(round(to_unixtime(date_add('day', -days, x)) * 1E6) AS bigint);
END`},
	{"kalla_float_text", `(x double) RETURNS varchar
BEGIN
  -- Trino writes -d.dddE-n always; here the exponent shows only where it is needed.
  DECLARE s varchar DEFAULT CAST(x AS varchar);
  DECLARE sign varchar DEFAULT '';
  DECLARE digits varchar;
  DECLARE e integer;
  IF x IS NULL THEN RETURN NULL; END IF;
  IF is_nan(x) THEN RETURN 'nan'; END IF;
  IF starts_with(s, '-') THEN SET sign = '-'; SET s = substr(s, 2); END IF;
  IF is_infinite(x) THEN RETURN sign || 'inf'; END IF;
  IF x = 0E0 THEN RETURN sign || '0.0'; END IF;
  SET digits = trim(TRAILING '0' FROM replace(split_part(s, 'E', 1), '.', ''));
  SET e = CAST(split_part(s, 'E', 2) AS integer);
  IF e >= 0 AND e < 16 THEN
    SET digits = rpad(digits, greatest(length(digits), e + 2), '0');
    RETURN sign || substr(digits, 1, e + 1) || '.' || substr(digits, e + 2);
  END IF;
  IF e < 0 AND e > -5 THEN RETURN sign || '0.' || substr('0000', 1, -e - 1) || digits; END IF;
  RETURN sign || substr(digits, 1, 1) || CASE WHEN length(digits) > 1 THEN '.' || substr(digits, 2) ELSE '' END ||
    CASE WHEN e < 0 THEN 'e-' ELSE 'e+' END || lpad(CAST(abs(e) AS varchar), greatest(2, length(CAST(abs(e) AS varchar))), '0');
END`},
	{"kalla_characters", `(s varchar) RETURNS array(varchar) RETURN regexp_extract_all(s, '(?s).')`},
	{"kalla_next_diagonal", `(two array(bigint), d bigint, a array(varchar), b array(varchar)) RETURNS array(bigint)
RETURN slice(two, cardinality(a) + 2, cardinality(a) + 1) || transform(sequence(0, cardinality(a)), i -> CASE
  WHEN i > d OR d - i > cardinality(b) THEN 1000000000
  WHEN i = 0 OR i = d THEN d
  ELSE least(two[cardinality(a) + 1 + i] + 1, two[cardinality(a) + 2 + i] + 1, two[i] + IF(a[i] = b[d - i], 0, 1)) END)`},
	{"kalla_long_levenshtein", `(s varchar, t varchar) RETURNS bigint
BEGIN
  -- By diagonals of the table of distances, whose cells depend on the two before them alone.
  DECLARE a array(varchar) DEFAULT kalla_characters(s);
  DECLARE b array(varchar) DEFAULT kalla_characters(t);
  DECLARE two array(bigint) DEFAULT transform(sequence(-cardinality(a) - 1, cardinality(a)), i -> CASE WHEN i = 0 THEN 0 ELSE 1000000000 END);
  DECLARE d bigint DEFAULT 1;
  WHILE d <= cardinality(a) + cardinality(b) DO
    SET two = kalla_next_diagonal(two, d, a, b);
    SET d = d + 1;
  END WHILE;
  RETURN two[cardinality(two)];
END`},
	{"kalla_levenshtein", `(a varchar, b varchar) RETURNS bigint
RETURN CASE WHEN length(a) * length(b) < 1000000 THEN levenshtein_distance(a, b) ELSE kalla_long_levenshtein(a, b) END`},
	{"kalla_millionths_up", `(part bigint, whole bigint) RETURNS bigint RETURN (part * 1000000 + whole - 1) / whole`},
	{"kalla_levenshtein_diff", `(a varchar, b varchar) RETURNS bigint
RETURN CASE WHEN a = '' OR b = '' THEN NULL WHEN a = b THEN 0
  ELSE kalla_millionths_up(kalla_levenshtein(a, b), greatest(length(a), length(b))) END`},
	{"kalla_jaro_winkler_diff", `(a varchar, b varchar) RETURNS bigint
BEGIN
  DECLARE gone varchar DEFAULT chr(1114109); -- in place of a character that has its pair; no text holds it
  DECLARE la bigint DEFAULT length(a);
  DECLARE lb bigint DEFAULT length(b);
  DECLARE reach bigint DEFAULT greatest(greatest(length(a), length(b)) / 2 - 1, 0);
  DECLARE rest varchar DEFAULT b;
  DECLARE paired varchar DEFAULT '';
  DECLARE c varchar;
  DECLARE low bigint;
  DECLARE p bigint;
  DECLARE m bigint DEFAULT 0;
  DECLARE moved bigint DEFAULT 0;
  DECLARE prefix bigint DEFAULT 0;
  DECLARE i bigint DEFAULT 1;
  DECLARE jaro double;
  IF a IS NULL OR b IS NULL OR a = '' OR b = '' THEN RETURN NULL; END IF;
  IF a = b THEN RETURN 0; END IF;
  WHILE i <= la DO
    SET c = substr(a, i, 1);
    SET low = greatest(1, i - reach);
    SET p = strpos(substr(rest, low, i + reach - low + 1), c);
    IF p > 0 THEN
      SET rest = substr(rest, 1, low + p - 2) || gone || substr(rest, low + p);
      SET paired = paired || c;
      SET m = m + 1;
    END IF;
    SET i = i + 1;
  END WHILE;
  IF m = 0 THEN RETURN 1000000; END IF;
  SET i = 1;
  SET p = 1;
  WHILE i <= lb DO
    IF substr(rest, i, 1) = gone THEN
      IF substr(b, i, 1) <> substr(paired, p, 1) THEN SET moved = moved + 1; END IF;
      SET p = p + 1;
    END IF;
    SET i = i + 1;
  END WHILE;
  SET jaro = (CAST(m AS double) / la + CAST(m AS double) / lb + CAST(m - moved / 2 AS double) / m) / 3;
  IF jaro > 0.700000001E0 THEN
    WHILE prefix < least(4, la, lb) AND substr(a, prefix + 1, 1) = substr(b, prefix + 1, 1) DO
      SET prefix = prefix + 1;
    END WHILE;
    SET jaro = jaro + 0.1E0 * prefix * (1 - jaro);
  END IF;
  RETURN CAST(round((1 - jaro) * 1E6) AS bigint);
END`},
	{"kalla_words", `(s varchar) RETURNS array(varchar) RETURN array_sort(array_distinct(regexp_extract_all(s, '` + alnum + `')))`},
	{"kalla_token_set_diff", `(a varchar, b varchar) RETURNS bigint
BEGIN
  DECLARE wa array(varchar) DEFAULT kalla_words(a);
  DECLARE wb array(varchar) DEFAULT kalla_words(b);
  DECLARE both array(varchar);
  DECLARE common varchar;
  IF a IS NULL OR b IS NULL OR cardinality(wa) = 0 OR cardinality(wb) = 0 THEN RETURN NULL; END IF;
  SET both = array_sort(array_intersect(wa, wb));
  SET common = array_join(both, ' ');
  SET a = array_join(both || array_sort(array_except(wa, wb)), ' ');
  SET b = array_join(both || array_sort(array_except(wb, wa)), ' ');
  IF common = '' THEN RETURN kalla_levenshtein_diff(a, b); END IF;
  IF common = a OR common = b THEN RETURN 0; END IF;
  -- The common words are a prefix of either text, so the distance to them is the rest of its length.
  RETURN least(kalla_millionths_up(length(a) - length(common), length(a)),
    kalla_millionths_up(length(b) - length(common), length(b)), kalla_levenshtein_diff(a, b));
END`},
	{"kalla_soundex_letters", `(s varchar) RETURNS varchar RETURN regexp_replace(` + Dialect{}.Normalize("upper", Dialect{}.Normalize("unaccent", "s")) + `, '[^A-Z]+')`},
	{"kalla_soundex", `(s varchar) RETURNS varchar RETURN CASE WHEN kalla_soundex_letters(s) <> '' THEN CAST(soundex(kalla_soundex_letters(s)) AS varchar) END`},
	{"kalla_ngrams", `(s varchar, n integer) RETURNS array(varchar)
RETURN CASE WHEN length(s) < n THEN CAST(ARRAY[] AS array(varchar)) WHEN s IS NOT NULL THEN array_distinct(transform(ngrams(kalla_characters(s), n), g -> array_join(g, ''))) END`},
}

var call = regexp.MustCompile(`\bkalla_[a-z_]+\(`)

// declared is the WITH FUNCTION clause of the functions that a query calls and
// of those that they call in turn, or nothing.
func declared(query string) string {
	needed := map[string]bool{}
	calls := func(sql string) {
		for _, c := range call.FindAllString(sql, -1) {
			needed[strings.TrimSuffix(c, "(")] = true
		}
	}
	calls(query)
	var out []string
	for i := len(functions) - 1; i >= 0; i-- {
		f := functions[i]
		if needed[f.name] {
			calls(f.declaration)
			out = append([]string{"FUNCTION " + f.name + f.declaration}, out...)
		}
	}
	if len(out) == 0 {
		return ""
	}
	return "WITH " + strings.Join(out, ",\n") + "\n"
}
