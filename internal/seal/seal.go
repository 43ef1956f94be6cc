// Package seal encrypts what the app stores and must be able to read again:
// the credentials in the URIs of sources. A sealed value is bound to its place
// (table, column, row), so that it opens nowhere else, and names its key, so
// that keys can be changed while old values still open.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"kalla"
)

// A sealed value is: format (1 byte), key id (8 bytes), nonce (12 bytes),
// AES-256-GCM ciphertext and tag. Format, key id and place are authenticated.
const (
	format   = 1
	idSize   = 8
	keySize  = 32
	headSize = 1 + idSize
	smallest = headSize + 12 + 16
)

// ErrKey is in the chain of the error of a value that none of the keys opens.
var ErrKey = errors.New("sealed with a key that is not there")

// ErrDamaged is in the chain of the error of a value that was changed, or moved from its place.
var ErrDamaged = errors.New("the sealed value was changed or moved")

// Keys seals with its first key and opens with all of them. It is safe for
// concurrent use, and prints as the ids of its keys only.
type Keys struct {
	order []id
	aead  map[id]cipher.AEAD
}

type id [idSize]byte

// Parse reads keys from a text: each is 32 bytes in base64, separated by
// commas or line ends. The first seals; the others open what they once sealed.
// A pass phrase is refused: it would be the weakest part of whatever it protects.
func Parse(text string) (*Keys, error) {
	k := &Keys{aead: map[id]cipher.AEAD{}}
	n := 0
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' || r == ' ' || r == '\t' }) {
		n++
		key, err := decode(part)
		if err != nil {
			return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "reading the secret key", Where: fmt.Sprintf("key %d", n),
				Why:  "a key is 32 bytes in base64",
				Hint: "make one with: openssl rand -base64 32"}
		}
		if err := k.add(key); err != nil {
			return nil, err
		}
	}
	if len(k.order) == 0 {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "reading the secret key", Why: "there is none",
			Hint: "make one with: openssl rand -base64 32"}
	}
	return k, nil
}

// Generate returns a new random key in the form that Parse reads.
func Generate() string {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails
	return base64.StdEncoding.EncodeToString(key)
}

func decode(text string) ([]byte, error) {
	text = strings.TrimRight(text, "=")
	enc := base64.RawStdEncoding
	if strings.ContainsAny(text, "-_") {
		enc = base64.RawURLEncoding
	}
	key, err := enc.DecodeString(text)
	if err == nil && len(key) != keySize {
		err = errors.New("not 32 bytes")
	}
	return key, err
}

func (k *Keys) add(key []byte) error {
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(append([]byte("kalla seal key id\x00"), key...))
	keyID := id(sum[:idSize])
	if _, twice := k.aead[keyID]; !twice {
		k.order = append(k.order, keyID)
		k.aead[keyID] = aead
	}
	return nil
}

// Seal encrypts a value for a place: the same words, in the same order, open it again.
func (k *Keys) Seal(plain []byte, place ...string) []byte {
	head := make([]byte, 0, smallest+len(plain))
	head = append(head, format)
	head = append(head, k.order[0][:]...)
	return k.aead[k.order[0]].Seal(head, nil, plain, associated(head[:headSize], place))
}

// Open decrypts a value that was sealed for the place. The error holds ErrKey or ErrDamaged.
func (k *Keys) Open(sealed []byte, place ...string) ([]byte, error) {
	where := strings.Join(place, " ")
	if len(sealed) < smallest || sealed[0] != format {
		return nil, &kalla.Error{Code: kalla.CodeInternal, Op: "opening a sealed value", Where: where, Err: ErrDamaged,
			Hint: "restore the database from a backup, or enter the value again"}
	}
	keyID := id(sealed[1:headSize])
	aead, ok := k.aead[keyID]
	if !ok {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "opening a sealed value", Where: where, Err: ErrKey,
			Why:  fmt.Sprintf("it was sealed with the key %x, which is not there (there is %s)", keyID, k),
			Hint: "add the key behind the present one in KALLA_SECRET_KEY or the key file, or enter the value again"}
	}
	plain, err := aead.Open(nil, nil, sealed[headSize:], associated(sealed[:headSize], place))
	if err != nil {
		return nil, &kalla.Error{Code: kalla.CodeInternal, Op: "opening a sealed value", Where: where, Err: ErrDamaged,
			Hint: "restore the database from a backup, or enter the value again"}
	}
	return plain, nil
}

// Current reports whether the value is sealed with the first key.
func (k *Keys) Current(sealed []byte) bool {
	return len(sealed) >= smallest && sealed[0] == format && id(sealed[1:headSize]) == k.order[0]
}

// String returns the ids of the keys, the first first. An id says nothing about its key.
func (k *Keys) String() string {
	ids := make([]string, len(k.order))
	for i, o := range k.order {
		ids[i] = fmt.Sprintf("%x", o)
	}
	return strings.Join(ids, ",")
}

// GoString keeps %#v from printing key material.
func (k *Keys) GoString() string { return "seal.Keys{" + k.String() + "}" }

// associated is the header and the place, with lengths, so that ("a", "bc") is not ("ab", "c").
func associated(head []byte, place []string) []byte {
	data := append([]byte(nil), head...)
	for _, p := range place {
		data = binary.BigEndian.AppendUint32(data, uint32(len(p)))
		data = append(data, p...)
	}
	return data
}

// Knows reports whether the value is sealed with one of the keys.
func (k *Keys) Knows(sealed []byte) bool {
	if len(sealed) < smallest || sealed[0] != format {
		return false
	}
	_, ok := k.aead[id(sealed[1:headSize])]
	return ok
}
