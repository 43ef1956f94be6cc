package job_test

import (
	"encoding/json"
	"testing"

	"kalla"
	"kalla/internal/job"
)

// FuzzFilter: whatever comes as a filter either is one, with as many values as its operation takes, or has faults at its fields.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		`{"column":"amount","op":"between","value":[1,2.50]}`, `{"column":"a","op":"in","value":["x",null]}`, `{"column":"a","op":"is_null"}`,
		`{"column":"a","op":"eq","value":1e400}`, `{"column":"a","op":"like","value":{"x":[]}}`, `{"column":"","op":"about"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var in job.Filter
		if json.Unmarshal(data, &in) != nil {
			return
		}
		out, faults := in.Read("filters[0]")
		for _, fault := range faults {
			if fault.Path == "" || fault.Problem == "" {
				t.Fatalf("%+v", fault)
			}
		}
		if len(faults) > 0 {
			return
		}
		n := len(out.Values)
		ok := out.Column != ""
		switch out.Op {
		case kalla.FilterIsNull, kalla.FilterIsNotNull:
			ok = ok && n == 0
		case kalla.FilterBetween:
			ok = ok && n == 2
		case kalla.FilterIn:
			ok = ok && n > 0
		default:
			ok = ok && n == 1
		}
		if !ok {
			t.Fatalf("%s is %+v", data, out)
		}
	})
}
