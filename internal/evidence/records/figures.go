package records

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/shopspring/decimal"

	"kalla"
)

// figures keeps the answers of charts, which never change.
type figures struct {
	mu    sync.Mutex
	kept  map[string]any
	order []string // oldest first
}

// maxFigures is how many answers are kept; each is a few kilobytes at most.
const maxFigures = 512

// figure returns what was computed before under that name for the run, else
// computes it.
func figure[T any](r *Run, name string, compute func() (T, error)) (T, error) {
	f := &r.store.figures
	key := name + " of"
	for _, file := range slices.Sorted(maps.Keys(r.manifest.Files)) {
		key += " " + r.manifest.Files[file].SHA256
	}
	f.mu.Lock()
	kept, ok := f.kept[key].(T)
	f.mu.Unlock()
	if ok {
		return kept, nil
	}
	out, err := compute()
	if err != nil {
		return out, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.kept[key]; !ok {
		f.kept[key] = out
		if f.order = append(f.order, key); len(f.order) > maxFigures {
			delete(f.kept, f.order[0])
			f.order = f.order[1:]
		}
	}
	return out, nil
}

// Amount is the column of a side whose sums the charts show: the first one that
// the recipe compares with a tolerance or adds up, else the first by name that
// the run proved the sum of; "" where there is none.
func (r *Run) Amount(side kalla.Side) (string, error) {
	left, right, err := r.amounts()
	if side == kalla.Left {
		return left, err
	}
	return right, err
}

func (r *Run) amounts() (left, right string, err error) {
	rec, err := r.recipe()
	if err != nil {
		return "", "", err
	}
	has := func(s kalla.Side, column string) bool {
		_, sum := r.manifest.Side(s)
		_, ok := sum.Sums[column]
		return ok
	}
	for _, p := range rec.Match {
		if p.Sum != nil && has(kalla.Left, p.Sum.Left) && has(kalla.Right, p.Sum.Right) {
			return p.Sum.Left, p.Sum.Right, nil
		}
		for _, c := range p.When {
			if c.Within != nil && has(kalla.Left, c.Left) && has(kalla.Right, c.Right) {
				return c.Left, c.Right, nil
			}
		}
	}
	first := func(s kalla.Side) string {
		_, sum := r.manifest.Side(s)
		names := slices.Sorted(maps.Keys(sum.Sums))
		if len(names) == 0 {
			return ""
		}
		return names[0]
	}
	return first(kalla.Left), first(kalla.Right), nil
}

// amountIn is the Amount of a side in a table, "" where it holds none.
func (r *Run) amountIn(t *table, side kalla.Side) (string, error) {
	name, err := r.Amount(side)
	for _, c := range t.of(side) {
		if name != "" && c.Of == name {
			return c.Name, err
		}
	}
	return "", err
}

// once lists the cardinalities in which a record of a side is in one pair.
var once = map[kalla.Side]string{
	kalla.Left:  "'one_to_one', 'many_to_one'",
	kalla.Right: "'one_to_one', 'one_to_many'",
}

// eachOnce is a query of the named columns of matched.parquet, each record of a
// side once (for each pass, if that is among the columns).
func (r *Run) eachOnce(t *table, side kalla.Side, columns ...string) string {
	list := idents(columns)
	keys := slices.Clone(columns)
	for _, k := range t.keyOf(r, side) {
		if !slices.Contains(keys, k.Name) {
			keys = append(keys, k.Name)
		}
	}
	return fmt.Sprintf("SELECT %s FROM %s WHERE cardinality IN (%s) UNION ALL SELECT %s FROM (SELECT DISTINCT %s FROM %s WHERE cardinality NOT IN (%s))",
		list, t.from, once[side], list, idents(keys), t.from, once[side])
}

// groupsOnce is a query of match_id and an amount, each record once, of the matches that are groups.
func (r *Run) groupsOnce(t *table, side kalla.Side, amount string) string {
	keys := []string{"match_id", amount}
	for _, k := range t.keyOf(r, side) {
		if k.Name != amount {
			keys = append(keys, k.Name)
		}
	}
	return "SELECT DISTINCT " + idents(keys) + " FROM " + t.from + " WHERE cardinality NOT IN ('one_to_one', 'all_pairs')"
}

// counted is a count and a sum, zero where there was nothing to add.
type counted struct {
	count int64
	sum   kalla.Decimal
}

// named is what rows are counted by.
type named struct {
	name string
	null bool
}

func by(name string) named { return named{name: name} }

// sums runs a query of rows of a name, a count and a sum.
func (r *Run) sums(ctx context.Context, t *table, query string, args ...any) (map[named]counted, error) {
	rows, err := r.store.rows(ctx, "SELECT COLUMNS(*)::VARCHAR FROM ("+query+")", args...)
	if err != nil {
		return nil, r.reading(ctx, t.file, err)
	}
	out := make(map[named]counted, len(rows))
	for _, row := range rows {
		var f counted
		name := named{null: row[0] == nil}
		if !name.null {
			name.name = *row[0]
		}
		if f.count, err = strconv.ParseInt(*row[1], 10, 64); err != nil {
			return nil, r.reading(ctx, t.file, err)
		}
		if row[2] != nil {
			if f.sum, err = decimal.NewFromString(*row[2]); err != nil {
				return nil, r.reading(ctx, t.file, err)
			}
		}
		out[name] = f
	}
	return out, nil
}
