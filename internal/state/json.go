package state

import (
	sqldriver "database/sql/driver"
	"fmt"
)

// JSON is a JSON text that is stored to the byte.
type JSON []byte

// Value implements driver.Valuer.
func (j JSON) Value() (sqldriver.Value, error) {
	if j == nil {
		return nil, nil
	}
	return string(j), nil
}

// Scan implements sql.Scanner.
func (j *JSON) Scan(src any) error {
	switch src := src.(type) {
	case nil:
		*j = nil
	case string:
		*j = JSON(src)
	case []byte:
		*j = append(JSON{}, src...)
	default:
		return fmt.Errorf("a JSON column holds a %T", src)
	}
	return nil
}

// MarshalJSON implements json.Marshaler.
func (j JSON) MarshalJSON() ([]byte, error) {
	if j == nil {
		return []byte("null"), nil
	}
	return j, nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (j *JSON) UnmarshalJSON(text []byte) error {
	*j = append(JSON{}, text...)
	return nil
}
