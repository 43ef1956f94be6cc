package auth

import (
	"net/netip"
	"time"

	"golang.org/x/time/rate"

	"kalla/internal/state"
)

// Attempts to sign in, or to guess another secret, per account and per
// address. They are kept in memory: a restart forgives them, and with several
// processes each counts its own.
const (
	accountBurst  = 6
	accountRefill = 30 * time.Second // one more attempt
	addressBurst  = 30
	addressRefill = 4 * time.Second
	limited       = 10_000 // accounts and addresses remembered, each
)

type limiter struct {
	now       func() time.Time
	accounts  *recent[[32]byte, *rate.Limiter] // by digest of the address: texts of any length would not be bounded
	addresses *recent[netip.Prefix, *rate.Limiter]
}

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now,
		accounts:  newRecent[[32]byte, *rate.Limiter](limited),
		addresses: newRecent[netip.Prefix, *rate.Limiter](limited)}
}

// attempt counts one attempt, at the account of that e-mail where there is one,
// and returns 0, or for how long no other is allowed. The address is asked
// first, so that who is stopped there cannot lock the accounts of others.
func (l *limiter) attempt(addr netip.Addr, email string) time.Duration {
	network := networkOf(addr)
	wait := l.reserve(l.addresses.getOrPut(network, func() *rate.Limiter {
		return rate.NewLimiter(rate.Every(addressRefill), addressBurst)
	}))
	if wait > 0 || email == "" {
		return wait
	}
	return l.reserve(l.accounts.getOrPut(accountKey(email), func() *rate.Limiter {
		return rate.NewLimiter(rate.Every(accountRefill), accountBurst)
	}))
}

// forgive is called when the account's owner has proved to be it.
func (l *limiter) forgive(email string) { l.accounts.take(accountKey(email)) }

func accountKey(email string) [32]byte { return [32]byte(digest(state.Email(email))) }

func (l *limiter) reserve(b *rate.Limiter) time.Duration {
	now := l.now()
	r := b.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

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
