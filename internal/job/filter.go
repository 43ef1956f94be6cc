package job

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kalla"
)

var filterOps = []string{"eq", "neq", "gt", "gte", "lt", "lte", "between", "in", "like", "is_null", "not_null"}

// Read makes a filter of a recipe of f, which is at a path of its request. The
// faults are all that is wrong with it. Numbers are kept digit by digit as they are written.
func (f Filter) Read(path string) (kalla.Filter, kalla.Faults) {
	var faults kalla.Faults
	add := func(path, problem, hint string) {
		faults = append(faults, kalla.Fault{Path: path, Problem: problem, Hint: hint})
	}
	out := kalla.Filter{Column: f.Column, Op: kalla.FilterOp(f.Op)}
	if f.Column == "" {
		add(path+".column", "is missing", `a filter is written {"column": "status", "op": "neq", "value": "cancelled"}`)
	}
	ops := strings.Join(filterOps[:len(filterOps)-1], ", ") + " or " + filterOps[len(filterOps)-1]
	switch {
	case f.Op == "":
		add(path+".op", "is missing", "write "+ops)
	case !slices.Contains(filterOps, f.Op):
		add(path+".op", strconv.Quote(f.Op)+" is not known", "write "+ops)
	}
	if len(faults) > 0 {
		return out, faults
	}
	path += ".value"
	var value any
	if len(f.Value) > 0 {
		decoder := json.NewDecoder(bytes.NewReader(f.Value))
		decoder.UseNumber()
		if err := decoder.Decode(&value); err != nil {
			add(path, "is no JSON value", "")
			return out, faults
		}
	}
	items, isList := value.([]any)
	if !isList && value != nil {
		items = []any{value}
	}
	several := out.Op == kalla.FilterIn || out.Op == kalla.FilterBetween
	switch n := len(items); {
	case out.Op == kalla.FilterIsNull || out.Op == kalla.FilterIsNotNull:
		if n > 0 {
			add(path, f.Op+" takes no value", "leave it out")
		}
	case n == 0:
		add(path, "is missing", "say what the column is compared with; for no value use is_null")
	case isList && !several:
		add(path, f.Op+" takes one value, this is a list", "use in for any of several values, between for a range")
	case !isList && several:
		add(path, f.Op+" takes a list", "write it like [100, 200]")
	case out.Op == kalla.FilterBetween && n != 2:
		add(path, fmt.Sprintf("between takes two values, this has %d", n), "write it like [100, 200]; both ends are included")
	}
	for i, item := range items {
		at := path
		if isList {
			at = fmt.Sprintf("%s[%d]", path, i)
		}
		switch item := item.(type) {
		case string:
			out.Values = append(out.Values, item)
		case json.Number:
			out.Values = append(out.Values, item.String())
		case bool:
			out.Values = append(out.Values, strconv.FormatBool(item))
		case nil:
			add(at, "is null, which nothing equals", "use is_null or not_null")
		default:
			add(at, "is neither a text nor a number nor a boolean", "write one of them")
		}
	}
	return out, faults
}
