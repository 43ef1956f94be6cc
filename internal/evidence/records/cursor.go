package records

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
)

// cursor is a place between two rows of an answer.
type cursor struct {
	before bool  // the rows before the row, else those after it
	row    int64 // its number in the file
}

// boundTo is how many bytes of the identity of a query a cursor carries.
const boundTo = 16

// encode binds the cursor to a query.
func (c cursor) encode(id [sha256.Size]byte) string {
	b := make([]byte, 1, 1+boundTo+binary.MaxVarintLen64)
	if c.before {
		b[0] = 1
	}
	b = append(b, id[:boundTo]...)
	return base64.RawURLEncoding.EncodeToString(binary.AppendUvarint(b, uint64(c.row)))
}

// parseCursor refuses what encode did not write for the same query and file.
func parseCursor(text string, id [sha256.Size]byte, rows int64) (cursor, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 2+boundTo || b[0] > 1 {
		return cursor{}, damagedCursor()
	}
	if subtle.ConstantTimeCompare(b[1:1+boundTo], id[:boundTo]) != 1 {
		return cursor{}, usage("cursor", "it belongs to another query or run", "begin again without a cursor; filters, search and sort must stay the same from page to page")
	}
	row, n := binary.Uvarint(b[1+boundTo:])
	if n <= 0 || 1+boundTo+n != len(b) || row >= uint64(rows) {
		return cursor{}, damagedCursor()
	}
	c := cursor{before: b[0] == 1, row: int64(row)}
	if c.encode(id) != text { // one number has one spelling
		return cursor{}, damagedCursor()
	}
	return c, nil
}

func damagedCursor() error {
	return usage("cursor", "it is damaged", "begin again without a cursor")
}
