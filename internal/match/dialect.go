// Package match compiles a recipe and the schemas of its staged sources into a
// plan: named SQL steps for one dialect. It is pure; docs/matching.md says what
// the steps must compute.
package match

import "kalla"

// Dialect is what differs between engines in the SQL that a plan needs. All
// results are defined by docs/matching.md, so that every engine gives the same.
type Dialect interface {
	Name() string
	Ident(name string) string                  // a quoted identifier
	Text(value string) string                  // a quoted text literal
	Literal(value string, t kalla.Type) string // a typed literal; the value was checked before
	TypeName(t kalla.Type) string              // the engine's name of a type

	RowID() string                                    // the column that numbers the rows of a staged table
	TextOf(expr string, t kalla.Type) string          // canonical text of a value: dates in ISO 8601, decimals with their scale
	Decimal(expr string, precision, scale int) string // conversion to decimal; NULL where it does not fit
	Sum(expr string) string                           // an exact sum of exact numbers, as wide as it needs to be
	KeyHash(exprs []string) string                    // equal keys give equal values; used to prove that there are no duplicates
	Days(from, to string) string                      // calendar days from one date to another
	Microseconds(from, to string) string              // from one timestamp to another
	AddDays(date string, days int) string
	AddSeconds(timestamp string, seconds int64) string
	Normalize(step kalla.Normalize, expr string) string
	Dissimilarity(method kalla.Method, a, b string) string // 1 − score in millionths, rounded as docs/matching.md says; NULL for empty text
	StartsWith(s, prefix string) string
	Contains(s, part string) string
	Soundex(expr string) string
	Ngrams(expr string, n int) string // an array of distinct n-grams
}
