package state

import "encoding/base64"

// Sign makes a signature of words, such as of a link that is good for one
// thing, that only those who have the keys can make.
func (s *Store) Sign(words ...string) string {
	return base64.RawURLEncoding.EncodeToString(s.keys.Seal(nil, signed(words)...))
}

// Signed reports whether a signature is one of Sign for the same words.
func (s *Store) Signed(signature string, words ...string) bool {
	sealed, err := base64.RawURLEncoding.DecodeString(signature)
	if err == nil {
		_, err = s.keys.Open(sealed, signed(words)...)
	}
	return err == nil
}

func signed(words []string) []string { return append([]string{"signature"}, words...) }
