package testenv

import (
	"bytes"
	"sync"
)

// Transcript is what a process writes, which may be read meanwhile.
type Transcript struct {
	More chan struct{} // tells that there is more than before

	mu   sync.Mutex
	text bytes.Buffer
}

// NewTranscript is for the Stdout or Stderr of a process.
func NewTranscript() *Transcript { return &Transcript{More: make(chan struct{}, 1)} }

// Write adds to it.
func (t *Transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case t.More <- struct{}{}:
	default:
	}
	return t.text.Write(p)
}

// String is what has been written so far.
func (t *Transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}
