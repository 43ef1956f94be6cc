package auth

import (
	"net/netip"
	"sync"
	"time"

	"kalla/internal/state"
)

// Failures to sign in, or to guess another secret, per account and per
// address. They are kept in memory: a restart forgives them, and with several
// processes each counts its own.
var (
	accountRate = rate{burst: 6, refill: 30 * time.Second}
	addressRate = rate{burst: 30, refill: 4 * time.Second}
)

const limited = 10_000 // accounts and addresses remembered, each

// rate is how many attempts are free, and after how long there is one more.
type rate struct {
	burst  int
	refill time.Duration
}

type limiter struct {
	now       func() time.Time
	accounts  *recent[[32]byte, *bucket] // by digest of the e-mail: texts of any length would not be bounded
	addresses *recent[netip.Prefix, *bucket]
}

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, accounts: newRecent[[32]byte, *bucket](limited), addresses: newRecent[netip.Prefix, *bucket](limited)}
}

// attempt counts one attempt, at the account of that e-mail where there is one,
// and returns 0, or for how long no other is allowed. The address is asked
// first, so that who is stopped there cannot lock the accounts of others.
func (l *limiter) attempt(addr netip.Addr, email string) time.Duration {
	now := l.now()
	if wait := l.addresses.getOrPut(networkOf(addr), newBucket).take(now, addressRate); wait > 0 || email == "" {
		return wait
	}
	return l.accounts.getOrPut(accountOf(email), newBucket).take(now, accountRate)
}

// succeeded takes an attempt back: that of a whole office behind one address
// counts for nothing, and the account is again as if nobody had tried.
func (l *limiter) succeeded(addr netip.Addr, email string) {
	l.addresses.getOrPut(networkOf(addr), newBucket).giveBack(addressRate)
	if email != "" {
		l.accounts.take(accountOf(email))
	}
}

// bucket holds when it will be full again; so much is missing from it now.
type bucket struct {
	mu   sync.Mutex
	full time.Time
}

func newBucket() *bucket { return &bucket{} }

func (b *bucket) take(now time.Time, r rate) (wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.full.Before(now) {
		b.full = now
	}
	next := b.full.Add(r.refill)
	if wait := next.Sub(now) - time.Duration(r.burst)*r.refill; wait > 0 {
		return wait
	}
	b.full = next
	return 0
}

func (b *bucket) giveBack(r rate) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.full = b.full.Add(-r.refill)
}

func accountOf(email string) [32]byte { return [32]byte(digest(state.Email(email))) }

// networkOf is whom an address is counted with: its holder has the whole /64 of IPv6.
func networkOf(addr netip.Addr) netip.Prefix {
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	network, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address is known: all of those share
	}
	return network
}
