//go:build cgo

package machine

/*
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
static void bound(void) { mallopt(M_ARENA_MAX, 2); }
static void trim(void) { malloc_trim(0); }
#else
static void bound(void) {}
static void trim(void) {}
#endif
*/
import "C"

// BoundArenas keeps the C library from holding memory in a pool for each thread,
// which takes hundreds of megabytes beyond what an embedded engine is told. It
// is for processes with a limit of memory, and is called before any engine is opened.
func BoundArenas() { C.bound() }

// ReleaseFree gives memory that C code has freed back to the system.
func ReleaseFree() { C.trim() }
