package trino

import (
	"fmt"
	"strings"
	"testing"

	"kalla/internal/engine"
)

// TestRanges proves that each number of a row is in one range, also one that was not foreseen.
func TestRanges(t *testing.T) {
	for _, c := range []struct {
		rows, room int64
		pieces     int
		want       int
	}{{0, 10, 0, 1}, {1, 10, 0, 1}, {99_999, 100_000, 1, 1}, {100_000, 100_000, 1, 2}, {1_000_000, 300_000, 0, 4}, {1_000_000, 300_000, 3, 4}, {1_000_000, 300_000, 8, 4},
		{100, 1000, 4, 1}, {1 << 40, 1 << 35, 0, 32}, {1 << 40, 1 << 35, 100, 32}, {1 << 40, 1 << 30, 0, 0}, {7, 0, 0, 7}} {
		s := Session{staged: []engine.Staged{{Table: engine.Table{Name: "t", Rows: c.rows}, Pieces: c.pieces}}}
		ranges := s.ranges("t", -1, 2, c.room*2*2*valueBytes)
		if len(ranges) != c.want {
			t.Errorf("%+v: %q", c, ranges)
		}
		if c.want == 0 {
			continue
		}
		numbers := []int64{-1, 0, 1, c.rows - 1, c.rows, 1<<62 + 1}
		for n := range int64(c.pieces) {
			numbers = append(numbers, n<<engine.PieceBits-1, n<<engine.PieceBits, n<<engine.PieceBits+c.rows)
		}
		for _, number := range numbers {
			in := 0
			for _, r := range ranges {
				if met(t, r, number) {
					in++
				}
			}
			if in != 1 {
				t.Errorf("%+v: %d is in %d ranges of %q", c, number, in, ranges)
			}
		}
	}
	s := Session{staged: []engine.Staged{{Table: engine.Table{Name: "t", Rows: 1_000_000}}}}
	if got := s.ranges("t", 100_000, 1, 100_000*2*2*valueBytes); len(got) != 1 {
		t.Errorf("a tenth of the rows is divided into %q", got)
	}
	if got := (&Session{}).ranges("t", -1, 1, 1<<20); got != nil {
		t.Errorf("a table that is not staged has ranges %q", got)
	}
}

// met decides a range.
func met(t *testing.T, condition string, number int64) bool {
	t.Helper()
	if condition == "" {
		return true
	}
	for part := range strings.SplitSeq(fmt.Sprintf(condition, "x"), " AND ") {
		var name, sign string
		var bound int64
		if _, err := fmt.Sscan(part, &name, &sign, &bound); err != nil || name != "x" {
			t.Fatalf("%q: %v", part, err)
		}
		if sign == ">=" && number < bound || sign == "<" && number >= bound {
			return false
		}
	}
	return true
}
