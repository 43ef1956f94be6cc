package gate

import (
	"maps"
	"slices"
	"strings"
)

// Why functions that people may well write are not allowed, and what to write instead.
var (
	readsFiles  = [2]string{"reads files", "put the file under extras and join it by its alias"}
	changes     = [2]string{"gives another result every time", "use a parameter of the recipe: ${run_date}"}
	readsState  = [2]string{"reads the settings or the catalogue of the machine", "use a parameter of the recipe"}
	binaryFloat = [2]string{"computes in binary floats, which are not exact", "write divide(a, b, places)"}
	intervals   = [2]string{"makes an interval, which engines treat differently", "write date_add('day', 3, column)"}
	regexps     = [2]string{"differs between engines", "write regexp_like(s, pattern) or regexp_extract(s, pattern, group)"}
	jsons       = [2]string{"differs between engines", "write json_value(column, '$.field')"}
)

var refusedFunctions = map[string][2]string{
	"glob": readsFiles, "parquet_scan": readsFiles, "parquet_metadata": readsFiles, "sniff_csv": readsFiles,
	"random": changes, "uuid": changes, "gen_random_uuid": changes, "uuidv4": changes, "uuidv7": changes, "now": changes,
	"today": changes, "get_current_timestamp": changes, "get_current_time": changes, "transaction_timestamp": changes,
	"current_date": changes, "current_timestamp": changes, "nextval": changes, "setseed": changes, "age": changes,
	"getenv": readsState, "current_setting": readsState, "getvariable": readsState, "current_database": readsState,
	"current_schema": readsState, "current_query": readsState, "version": readsState, "txid_current": readsState, "pg_typeof": readsState,
	"/": binaryFloat, "//": binaryFloat, "^": binaryFloat, "**": binaryFloat, "pow": binaryFloat, "power": binaryFloat, "sqrt": binaryFloat,
	"avg":     {"gives a binary float, which is not exact", "write divide(sum(x), count(x), 2)"},
	"to_days": intervals, "to_months": intervals, "to_years": intervals, "to_hours": intervals, "to_minutes": intervals,
	"to_seconds": intervals, "to_weeks": intervals, "to_quarters": intervals, "interval": intervals,
	"~~*": {"(ILIKE) is not portable", "write upper(s) LIKE 'X%'"}, "!~~*": {"(NOT ILIKE) is not portable", "write upper(s) NOT LIKE 'X%'"},
	"~~~": {"(GLOB) is not portable", "write LIKE"}, "like_escape": {"is not portable", "write LIKE without ESCAPE"},
	"regexp_matches": regexps, "regexp_full_match": regexps, "regexp_extract_all": regexps,
	"->": jsons, "->>": jsons, "json_extract": jsons, "json_extract_string": jsons,
	"levenshtein": {"counts bytes in one engine and characters in another", "write similarity(a, b)"},
	"list_value":  {"makes a list, which is not portable", "write x IN (1, 2)"},
	"row":         {"makes a row, which is not portable", "compare the columns one by one"},
	"first":       {"takes another row every time", "write min or max, or first_value with ORDER BY"},
	"any_value":   {"takes another row every time", "write min or max"},
	"string_agg":  {"depends on the order of rows", ""}, "list": {"makes a list, which is not portable", ""},
	"query": readsFiles, "query_table": readsFiles,
}

// refusedFunction says why a function is not on the allow-list, and what to write instead.
func refusedFunction(name string) (why, hint string) {
	if r, ok := refusedFunctions[name]; ok {
		return name + " " + r[0], r[1]
	}
	if strings.HasPrefix(name, "read_") || strings.HasSuffix(name, "_scan") {
		return name + " " + readsFiles[0], readsFiles[1]
	}
	names := slices.Sorted(maps.Keys(functions))
	hint = nearest(name, names)
	if !strings.HasPrefix(hint, "did you mean") {
		hint = "docs/functions.md lists those that are"
	}
	return "the function " + name + " is not allowed", hint
}
