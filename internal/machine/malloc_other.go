//go:build !linux || !cgo

package machine

// BoundArenas does nothing here.
func BoundArenas() {}

// ReleaseFree does nothing here.
func ReleaseFree() {}
