package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"hash/crc32"
	"math/big"
	"strings"
)

// newSecret returns 256 random bits as text for a cookie or a URL.
func newSecret() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// digest is what is stored of a secret. The secrets have 256 random bits, so a plain hash cannot be searched.
func digest(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// An API token is kalla_, 43 digits of base 62 (256 random bits) and 6 of a
// checksum. The prefix lets scanners find one that leaked; by the checksum a
// mistyped one is told from a revoked one without asking the store.
const (
	tokenPrefix   = "kalla_"
	tokenDigits   = 43
	checksumChars = 6
	tokenShown    = len(tokenPrefix) + 4 // what lists show of a token
)

func newToken() string {
	b := make([]byte, 32)
	rand.Read(b)
	body := base62(new(big.Int).SetBytes(b), tokenDigits)
	return tokenPrefix + body + checksum(body)
}

// wellFormed reports whether s can be an API token.
func wellFormed(s string) bool {
	body, ok := strings.CutPrefix(s, tokenPrefix)
	if !ok || len(body) != tokenDigits+checksumChars {
		return false
	}
	return checksum(body[:tokenDigits]) == body[tokenDigits:]
}

func checksum(body string) string {
	return base62(big.NewInt(int64(crc32.ChecksumIEEE([]byte(body)))), checksumChars)
}

func base62(n *big.Int, width int) string {
	s := n.Text(62)
	return strings.Repeat("0", width-len(s)) + s
}
