package records

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// blockRows is how many rows are read at a time: some pages. Rows of a sorted
// answer lie all over the file, and reading two hundred costs a sixth more than
// fifty: the pages beside the one that was asked for come with it.
func (c *compiled) blockRows() int64 { return min(4*c.limit, maxBlock) }

// maxBlock is the most rows that are read at a time.
const maxBlock = 512

// block is the rows of an answer from a multiple of its length on.
type block struct {
	numbers []int64 // in the file
	rows    [][]*string
}

// blockBytes is the memory of all blocks that are kept.
const blockBytes = 32 << 20

// blocks keeps the blocks that were read last.
type blocks struct {
	mu    sync.Mutex
	kept  map[string]*block
	order []string // oldest first
	bytes int
}

func (k *blocks) get(key string) *block {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.kept[key]
}

func (k *blocks) put(key string, b *block) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kept[key] != nil {
		return
	}
	k.kept[key] = b
	k.order = append(k.order, key)
	for k.bytes += b.bytes(); k.bytes > blockBytes && len(k.order) > 1; {
		oldest := k.order[0]
		k.order = k.order[1:]
		k.bytes -= k.kept[oldest].bytes()
		delete(k.kept, oldest)
	}
}

// bytes is about what a block takes.
func (b *block) bytes() int {
	n := 8 * len(b.numbers)
	for _, row := range b.rows {
		for _, v := range row {
			n += 8
			if v != nil {
				n += 16 + len(*v)
			}
		}
	}
	return n
}

// block returns the rows from place n·blockRows() on; list gives the numbers of
// the rows at the places from start up to end.
func (l lookup) block(ctx context.Context, n int64, list func(start, end int64) ([]int64, error)) (*block, error) {
	names := make([]string, len(l.columns))
	for i, c := range l.columns {
		names[i] = ident(c.Name)
	}
	size := l.blockRows()
	key := fmt.Sprintf("%s %d %d %s", l.name(), size, n, strings.Join(names, " "))
	if b := l.store.blocks.get(key); b != nil {
		return b, nil
	}
	numbers, err := list(n*size, (n+1)*size)
	if err != nil {
		return nil, err
	}
	rows, err := l.read(ctx, numbers)
	if err != nil {
		return nil, err
	}
	b := &block{numbers: numbers, rows: rows}
	l.store.blocks.put(key, b)
	return b, nil
}

// read returns the rows of the given numbers, in that order.
func (l lookup) read(ctx context.Context, numbers []int64) ([][]*string, error) {
	out := make([][]*string, 0, len(numbers))
	if len(numbers) == 0 {
		return out, nil
	}
	rows, err := l.store.rows(ctx, "SELECT CAST("+l.table.number+" AS VARCHAR), "+shown(l.columns)+" FROM "+l.table.pick(numbers))
	if err != nil {
		return nil, err
	}
	found := make(map[string][]*string, len(rows))
	for _, row := range rows {
		found[*row[0]] = row[1:]
	}
	for _, n := range numbers {
		row, ok := found[strconv.FormatInt(n, 10)]
		if !ok {
			return nil, fmt.Errorf("row %d is not there, though the manifest counts %d", n, l.table.rows)
		}
		out = append(out, row)
	}
	return out, nil
}
