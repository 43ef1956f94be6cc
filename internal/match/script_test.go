package match_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"kalla/internal/match"
)

func TestScriptJSON(t *testing.T) {
	want := match.Script{
		match.Exec{Name: "one", SQL: "CREATE TABLE a AS SELECT '\n\\' AS x"},
		match.If{Name: "two", Query: "SELECT TRUE", Unless: "SELECT FALSE", Then: []match.Node{match.Exec{Name: "three", SQL: "DROP TABLE a"}},
			Else: []match.Node{match.If{Name: "four", Query: "SELECT count(*) > 0 FROM a", Then: []match.Node{}, Else: []match.Node{}}}},
	}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got match.Script
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if again, err := json.Marshal(got); err != nil || string(again) != string(data) {
		t.Errorf("again it is %s (%v), not %s", again, err, data)
	}
	if !reflect.DeepEqual(got[0], want[0]) || got.SQL() != want.SQL() {
		t.Errorf("got %#v", got)
	}
	if _, err := json.Marshal(match.Script{match.Guard{}}); err == nil {
		t.Error("a guard has become part of a script")
	}
}
