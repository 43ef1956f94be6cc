package records

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"kalla"
)

// index is what was made of the files of evidence to answer the same question
// again: the row numbers of an answer in order, in a table of the DB whose rowid
// is the place in the answer, from 0; or what differs between two runs.
type index struct {
	id     string
	name   string // begins the names of its tables
	rows   int64
	bytes  int64
	ready  chan struct{} // closed when it is there, or err is set
	err    error
	cancel context.CancelFunc // of the making
	users  int
	used   int64 // when it was asked for last, by the cache's clock
}

// maker makes the tables of an index, all under names that begin with name.
type maker func(ctx context.Context, name string) (made, error)

type made struct{ rows, bytes int64 }

func (x *index) there() bool {
	select {
	case <-x.ready:
		return x.err == nil
	default:
		return false
	}
}

// cache holds the indexes that were asked for last.
type cache struct {
	store *Store
	bound int64 // bytes
	// building holds a token for each index that is being made: few at a time,
	// so that the pages of other people find a free connection.
	building chan struct{}

	mu      sync.Mutex
	entries map[string]*index
	names   int   // given so far
	clock   int64 // requests
}

// builders is how many indexes are made at once.
const builders = 2

// acquire returns the index of that id, which begins to be made if there is
// none. The caller releases it.
func (k *cache) acquire(id string, m maker) *index {
	k.mu.Lock()
	defer k.mu.Unlock()
	x := k.entries[id]
	if x == nil {
		if err := k.store.ctx.Err(); err != nil {
			x = &index{ready: make(chan struct{}), err: closed(err), cancel: func() {}}
			close(x.ready)
			return x
		}
		k.names++
		ctx, cancel := context.WithCancel(k.store.ctx)
		x = &index{id: id, name: fmt.Sprintf("kalla_index_%d", k.names), ready: make(chan struct{}), cancel: cancel}
		k.entries[id] = x
		k.store.work.Go(func() { k.make(ctx, x, m) })
	}
	k.clock++
	x.used = k.clock
	x.users++
	return x
}

// warm makes the index of an answer that is likely to be asked for.
func (k *cache) warm(id string, m maker) {
	x := k.acquire(id, m)
	if x.there() {
		k.release(x)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.store.ctx.Err() == nil {
		k.store.work.Go(func() {
			<-x.ready
			k.release(x)
		})
	}
}

// kept returns the index of an answer if it is there already, else nil. The
// caller releases it.
func (k *cache) kept(id string) *index {
	k.mu.Lock()
	defer k.mu.Unlock()
	x := k.entries[id]
	if x == nil || !x.there() {
		return nil
	}
	k.clock++
	x.used = k.clock
	x.users++
	return x
}

// wait waits until the index is made.
func (k *cache) wait(ctx context.Context, x *index) error {
	select {
	case <-x.ready:
		return x.err
	case <-ctx.Done():
		return &kalla.Error{Code: kalla.CodeCanceled, Op: "reading records", Why: "cancelled", Err: context.Cause(ctx)}
	}
}

// release says that the caller reads the index no more. One that nobody waits
// for any longer is not made to the end.
func (k *cache) release(x *index) {
	k.mu.Lock()
	x.users--
	var out []*index
	select {
	case <-x.ready:
		out = k.evict()
	default:
		if x.users == 0 {
			x.cancel()
			delete(k.entries, x.id)
		}
	}
	k.mu.Unlock()
	k.drop(out)
}

// make fills the table of an index.
func (k *cache) make(ctx context.Context, x *index, m maker) {
	defer x.cancel()
	made, err := k.fill(ctx, x, m)
	if err != nil && k.store.ctx.Err() != nil {
		err = closed(err)
	}
	k.mu.Lock()
	x.rows, x.bytes, x.err = made.rows, made.bytes, err
	close(x.ready)
	var out []*index
	switch {
	case k.entries[x.id] != x: // given up while it was made
		out = []*index{x}
	case err != nil:
		delete(k.entries, x.id)
		out = []*index{x}
	default:
		out = k.evict()
	}
	k.mu.Unlock()
	k.drop(out)
}

func (k *cache) fill(ctx context.Context, x *index, m maker) (made, error) {
	select {
	case k.building <- struct{}{}:
		defer func() { <-k.building }()
	case <-ctx.Done():
		return made{}, ctx.Err()
	}
	return m(ctx, x.name)
}

// Size of an ordered answer in memory: DuckDB holds a number in four bytes, in blocks.
const (
	bytesPerRow   = 4
	bytesPerIndex = 256 << 10
)

// ordered makes the row numbers of an answer in order.
func (s *Store) ordered(c *compiled) maker {
	return func(ctx context.Context, name string) (made, error) {
		if c.table.rows > math.MaxUint32 {
			return made{}, &kalla.Error{Code: kalla.CodeLimit, Op: "reading records", Where: c.table.file,
				Why:  fmt.Sprintf("it has %d rows, of which at most %d can be sorted, filtered or counted", c.table.rows, uint32(math.MaxUint32)),
				Hint: "page through it as it is, or export it and ask a database"}
		}
		order := c.order
		if order == "" {
			order = c.table.number
		}
		if _, err := s.db.Exec(ctx, "CREATE TABLE "+name+" (n UINTEGER)"); err != nil {
			return made{}, err
		}
		rows, err := s.db.Exec(ctx, "INSERT INTO "+name+" SELECT "+c.table.number+" FROM "+c.table.from+c.where.where()+" ORDER BY "+order, c.where.args...)
		return made{rows, bytesPerIndex + bytesPerRow*rows}, err
	}
}

// evict takes out the indexes that were used longest ago until the rest is
// within the bound; those in use stay. The lock is held; the caller drops what
// is returned without it.
func (k *cache) evict() []*index {
	var sum int64
	var idle []*index
	for _, x := range k.entries {
		if x.there() {
			sum += x.bytes
			if x.users == 0 {
				idle = append(idle, x)
			}
		}
	}
	slices.SortFunc(idle, func(a, b *index) int { return cmp.Compare(a.used, b.used) })
	n := 0
	for ; n < len(idle) && sum > k.bound; n++ {
		sum -= idle[n].bytes
		delete(k.entries, idle[n].id)
	}
	return idle[:n]
}

// drop removes the tables of indexes that are in the map no more. Where it
// fails the instance is being closed, which frees them.
func (k *cache) drop(out []*index) {
	for _, x := range out {
		for _, part := range append([]string{""}, comparedTables...) {
			_, _ = k.store.db.Exec(context.WithoutCancel(k.store.ctx), "DROP TABLE IF EXISTS "+x.name+part)
		}
	}
}

func closed(err error) error {
	return &kalla.Error{Code: kalla.CodeCanceled, Op: "reading records", Why: "the program is shutting down", Err: err}
}
