package match

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Script is nodes that another process can be given: Exec and If.
type Script []Node

// SQL is all that the script runs, one statement after the other.
func (s Script) SQL() string {
	var b strings.Builder
	for _, n := range s {
		switch n := n.(type) {
		case Exec:
			b.WriteString(n.SQL + ";\n")
		case If:
			b.WriteString(n.Query + ";\n" + n.Unless + ";\n" + Script(n.Then).SQL() + Script(n.Else).SQL())
		}
	}
	return b.String()
}

// step is a node of a script as JSON.
type step struct {
	Name          string
	SQL           string `json:",omitempty"` // of Exec
	Query, Unless string `json:",omitempty"` // of If
	Then, Else    Script `json:",omitempty"`
}

// MarshalJSON implements json.Marshaler. It fails for other nodes.
func (s Script) MarshalJSON() ([]byte, error) {
	steps := make([]step, len(s))
	for i, n := range s {
		switch n := n.(type) {
		case Exec:
			steps[i] = step{Name: n.Name, SQL: n.SQL}
		case If:
			steps[i] = step{Name: n.Name, Query: n.Query, Unless: n.Unless, Then: n.Then, Else: n.Else}
		default:
			return nil, fmt.Errorf("a script holds no %T", n)
		}
	}
	return json.Marshal(steps)
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *Script) UnmarshalJSON(data []byte) error {
	var steps []step
	if err := json.Unmarshal(data, &steps); err != nil {
		return err
	}
	*s = make(Script, len(steps))
	for i, n := range steps {
		if n.SQL != "" {
			(*s)[i] = Exec{n.Name, n.SQL}
			continue
		}
		(*s)[i] = If{Name: n.Name, Query: n.Query, Unless: n.Unless, Then: n.Then, Else: n.Else}
	}
	return nil
}

// pair adds to a plan what another one, compiled of the same recipe in the
// dialect of the embedded engine, has for work that can be divided.
func pair(plan, embedded *Plan, nodes bool) {
	for i := range plan.Files {
		if plan.Files[i].Per.Table != "" {
			plan.Files[i].Embedded = embedded.Files[i].Query
		}
	}
	var walk func(of, with []Node)
	walk = func(of, with []Node) {
		for i, n := range of {
			switch n := n.(type) {
			case If:
				walk(n.Then, with[i].(If).Then)
				walk(n.Else, with[i].(If).Else)
			case Each:
				n.Embedded = with[i].(Each).Nodes
				of[i] = n
			}
		}
	}
	if nodes {
		walk(plan.Nodes, embedded.Nodes)
	}
}
