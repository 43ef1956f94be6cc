package demo

import "math/bits"

// permutation is a bijection of [0, n) that is computed point by point: a
// Feistel network over the mixed radix a·b ≥ n, walking on while the result
// lies outside. It lets a file be written in shuffled order without holding it.
type permutation struct {
	n, a, b uint64
	keys    [6]uint64
}

func newPermutation(n int64, seed uint64) permutation {
	p := permutation{n: uint64(n)}
	p.a = 1 << (bits.Len64(p.n) / 2)
	p.b = max(1, (p.n+p.a-1)/p.a)
	for i := range p.keys {
		p.keys[i] = mix(seed, uint64(i))
	}
	return p
}

// at returns the image of i.
func (p *permutation) at(i int64) int64 {
	x := uint64(i)
	for {
		l, r := x/p.b, x%p.b
		for k := 0; k < len(p.keys); k += 2 {
			if l += scale(mix(p.keys[k], r), p.a); l >= p.a {
				l -= p.a
			}
			if r += scale(mix(p.keys[k+1], l), p.b); r >= p.b {
				r -= p.b
			}
		}
		if x = l*p.b + r; x < p.n {
			return int64(x)
		}
	}
}

// of returns the i whose image is j: the inverse of at.
func (p *permutation) of(j int64) int64 {
	x := uint64(j)
	for {
		l, r := x/p.b, x%p.b
		for k := len(p.keys) - 2; k >= 0; k -= 2 {
			if d := scale(mix(p.keys[k+1], l), p.b); r >= d {
				r -= d
			} else {
				r += p.b - d
			}
			if d := scale(mix(p.keys[k], r), p.a); l >= d {
				l -= d
			} else {
				l += p.a - d
			}
		}
		if x = l*p.b + r; x < p.n {
			return int64(x)
		}
	}
}

// mix hashes n under a key to 64 well spread bits (the finaliser of SplitMix64).
func mix(key, n uint64) uint64 {
	x := key ^ (n+1)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// scale maps a hash to [0, n).
func scale(h, n uint64) uint64 {
	hi, _ := bits.Mul64(h, n)
	return hi
}

// dice draws a sequence of small numbers from one hash.
type dice uint64

// roll returns a number in [0, n).
func (d *dice) roll(n int64) int64 {
	*d = dice(mix(uint64(*d), 0))
	return int64(scale(uint64(*d), uint64(n)))
}
