package source

import "encoding/json"

// disclosed is a source with its secrets; it has none of the methods that mask them.
type disclosed struct {
	Plain  plain
	Values map[string]string
}

type plain Source

// Disclose writes a source with its secrets, for a message that is sealed before
// it leaves the process. Restore reads it.
func (s Source) Disclose() ([]byte, error) { return json.Marshal(disclosed{plain(s), s.values}) }

// Restore reads what Disclose wrote.
func Restore(data []byte) (Source, error) {
	var d disclosed
	if err := json.Unmarshal(data, &d); err != nil {
		return Source{}, err
	}
	s := Source(d.Plain)
	s.values = d.Values
	return s, nil
}
