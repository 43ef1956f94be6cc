package auth

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"kalla"
)

const (
	minPassword = 10   // characters
	maxPassword = 1024 // bytes; longer ones are refused, never cut
)

// cost is what a hash by argon2id takes.
type cost struct {
	memory  uint32 // KiB
	passes  uint32
	threads uint8
}

// The bounds of a small machine: hashing at once takes two cores and 64 MiB, no more.
var currentCost = cost{memory: 32 << 10, passes: 3, threads: 1}

const hashesAtOnce = 2

const (
	saltBytes = 16
	hashBytes = 32
)

// hasher makes and checks password hashes, PHC strings of argon2id.
type hasher struct {
	cost  cost
	slots chan struct{}
	dummy string // of a password that nobody has
}

func newHasher(c cost) *hasher {
	h := &hasher{cost: c, slots: make(chan struct{}, hashesAtOnce)}
	h.dummy = h.encode(make([]byte, saltBytes), make([]byte, hashBytes))
	return h
}

// hash returns the PHC string of a password. Errors: ctx ended while it waited its turn.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltBytes)
	rand.Read(salt)
	key, err := h.derive(ctx, password, salt, hashBytes, h.cost)
	if err != nil {
		return "", err
	}
	return h.encode(salt, key), nil
}

// verify reports whether the password is that of the PHC string, and whether
// the string should be made anew because it was cheaper than today's. An empty
// string, that of a user without a password, takes as long as any other and is
// nobody's. Errors: ctx ended while it waited its turn, or a damaged string.
func (h *hasher) verify(ctx context.Context, phc, password string) (ok, stale bool, err error) {
	known := phc != ""
	if !known {
		phc = h.dummy
	}
	c, salt, want, err := parsePHC(phc)
	if err != nil {
		return false, false, err
	}
	got, err := h.derive(ctx, password, salt, uint32(len(want)), c)
	if err != nil {
		return false, false, err
	}
	ok = subtle.ConstantTimeCompare(got, want) == 1 && known
	stale = c.memory < h.cost.memory || c.passes < h.cost.passes
	return ok, ok && stale, nil
}

func (h *hasher) derive(ctx context.Context, password string, salt []byte, n uint32, c cost) ([]byte, error) {
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	// The same letters come composed from one keyboard and decomposed from another.
	return argon2.IDKey([]byte(norm.NFKC.String(password)), salt, c.passes, c.memory, c.threads, n), nil
}

func (h *hasher) encode(salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		h.cost.memory, h.cost.passes, h.cost.threads, b64.EncodeToString(salt), b64.EncodeToString(key))
}

var errPHC = errors.New("the stored password hash is not one of argon2id")

func parsePHC(s string) (c cost, salt, key []byte, err error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return cost{}, nil, nil, errPHC
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.memory, &c.passes, &c.threads); err != nil {
		return cost{}, nil, nil, errPHC
	}
	b64 := base64.RawStdEncoding.Strict()
	salt, saltErr := b64.DecodeString(parts[4])
	key, keyErr := b64.DecodeString(parts[5])
	// A damaged row must neither panic in argon2 nor take the machine's memory.
	sane := c.memory <= 1<<20 && c.passes >= 1 && c.passes <= 64 && c.threads >= 1
	if saltErr != nil || keyErr != nil || !sane || len(salt) < 8 || len(key) < 16 {
		return cost{}, nil, nil, errPHC
	}
	return c, salt, key, nil
}

// passwordFault says what is wrong with a new password, and nothing if it will do.
func passwordFault(password, email string) string {
	if utf8.RuneCountInString(password) < minPassword {
		return fmt.Sprintf("The password is shorter than %d characters. A few words in a row make a good one.", minPassword)
	}
	if len(password) > maxPassword {
		return fmt.Sprintf("The password is longer than %d bytes.", maxPassword)
	}
	rest := plain(password)
	local, _, _ := strings.Cut(email, "@")
	if local = plain(local); len(local) >= 3 && strings.Contains(rest, local) {
		return "The password contains your e-mail address. Choose one that does not."
	}
	for _, word := range obvious {
		rest = strings.ReplaceAll(rest, word, "")
	}
	distinct := map[rune]bool{}
	for _, r := range rest {
		distinct[r] = true
	}
	if len(distinct) < 5 {
		return "The password is among the first that anybody would try. A few unrelated words in a row make a good one."
	}
	return ""
}

// plain is a text as a guesser sees it: small letters, and letters for the digits that stand for them.
func plain(s string) string {
	return unleet.Replace(strings.Map(unicode.ToLower, norm.NFKC.String(s)))
}

var unleet = strings.NewReplacer("@", "a", "4", "a", "3", "e", "1", "i", "!", "i", "0", "o", "$", "s", "5", "s", "7", "t")

// obvious is what guesses are made of, as plain writes it; longer ones first where one contains another.
var obvious = func() []string {
	words := strings.Fields(`
		password passwort passwd passphrase geheim secret hunter letmein welcome willkommen changeme default
		administrator admin root master login user guest test demo temp kalla reconciliation reconcile finance accounting
		company summer winter spring autumn january february monday friday football baseball dragon monkey shadow
		sunshine princess superman batman iloveyou trustno whatever startrek starwars michael jordan
		qwertyuiop qwertzuiop qwerty qwertz asdfghjkl asdfgh azerty zxcvbnm yxcvbnm
		1234567890 0123456789 123456789 12345678 1234567 123456 12345 1234 123 987654321 654321 4321 321
		abcdefghijklmnopqrstuvwxyz abcdefghij abcdefgh abcdef abcd abc 1q2w3e4r5t 1q2w3e4r 1qaz2wsx`)
	for i, w := range words {
		words[i] = unleet.Replace(w)
	}
	return words
}()

// HashPassword returns what is stored of a new password of the user of that
// e-mail address. Errors: a usage error that says what is wrong with either; ctx ended.
func HashPassword(ctx context.Context, email, password string) (string, error) {
	if fault := cmp.Or(emailFault(email), passwordFault(password, email)); fault != "" {
		return "", &kalla.Error{Code: kalla.CodeUsage, Op: "setting a password", Where: email, Why: fault}
	}
	return newHasher(currentCost).hash(ctx, password)
}
