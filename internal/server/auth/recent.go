package auth

import "sync"

// recent is a map of bounded size that forgets what was not used for longest,
// roughly: two generations, of which the old one is dropped when the young one
// is full. It is safe for concurrent use.
type recent[K comparable, V any] struct {
	max int // of one generation

	mu         sync.Mutex
	young, old map[K]V
}

func newRecent[K comparable, V any](limit int) *recent[K, V] {
	return &recent[K, V]{max: limit, young: map[K]V{}}
}

func (r *recent[K, V]) get(k K) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.find(k)
}

func (r *recent[K, V]) find(k K) (V, bool) {
	if v, ok := r.young[k]; ok {
		return v, true
	}
	v, ok := r.old[k]
	if ok {
		delete(r.old, k)
		r.add(k, v)
	}
	return v, ok
}

func (r *recent[K, V]) put(k K, v V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.old, k)
	r.add(k, v)
}

// getOrPut returns the value of k, which is made if there is none.
func (r *recent[K, V]) getOrPut(k K, make func() V) V {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.find(k)
	if !ok {
		v = make()
		r.add(k, v)
	}
	return v
}

// take returns the value of k and forgets it: of two callers one gets it.
func (r *recent[K, V]) take(k K) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.find(k)
	delete(r.young, k)
	return v, ok
}

// drop forgets the values for which f holds.
func (r *recent[K, V]) drop(f func(K, V) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range []map[K]V{r.young, r.old} {
		for k, v := range m {
			if f(k, v) {
				delete(m, k)
			}
		}
	}
}

func (r *recent[K, V]) add(k K, v V) {
	if len(r.young) >= r.max {
		r.old, r.young = r.young, make(map[K]V, r.max/4)
	}
	r.young[k] = v
}
