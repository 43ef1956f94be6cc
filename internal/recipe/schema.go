package recipe

import (
	_ "embed"
	"slices"
)

//go:embed schema.json
var schema []byte

// Schema returns the JSON Schema (draft 2020-12) of the format. It describes
// the document as written, with parameters unbound. What relates one
// field to another is for Validate to say.
func Schema() []byte { return slices.Clone(schema) }
