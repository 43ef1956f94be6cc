// Package statetest is what every database of package state must do: one suite
// for all of them, run against real ones.
package statetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"kalla/internal/seal"
	"kalla/internal/state"
)

// Keys seals in all tests.
var Keys = func() *seal.Keys {
	k, err := seal.Parse(seal.Generate())
	if err != nil {
		panic(err)
	}
	return k
}()

// Run runs the suite. empty returns the URL of an empty database that lasts as long as the test.
func Run(t *testing.T, empty func(t testing.TB) string) {
	for name, test := range map[string]func(*testing.T, string){
		"open":        testOpen,
		"sources":     testSources,
		"recipes":     testRecipes,
		"texts":       testTexts,
		"pages":       testPages,
		"uploads":     testUploads,
		"run life":    testRunLife,
		"run races":   testRunRaces,
		"run claims":  testClaims,
		"run events":  testEvents,
		"run model":   testRunModel,
		"latest runs": testLatestRuns,
		"approvals":   testApprovals,
		"users":       testUsers,
		"admins":      testLastAdmin,
		"sessions":    testSessions,
		"tokens":      testTokens,
		"settings":    testSettings,
		"idempotency": testIdempotency,
		"audit":       testAudit,
		"tampering":   testTampering,
		"reseal":      testReseal,
		"cancel":      testCancel,
		"chats":       testChats,
	} {
		t.Run(name, func(t *testing.T) { test(t, empty(t)) })
	}
}

// Clock is a time that passes when it is told to.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock starts at a moment with more digits than a database keeps, in a zone that it does not keep.
func NewClock() *Clock {
	return &Clock{now: time.Date(2026, 11, 24, 9, 0, 0, 123456789, time.FixedZone("elsewhere", 3600))}
}

// Now is the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Pass lets time pass.
func (c *Clock) Pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Open opens the database for the length of the test.
func Open(t testing.TB, url string, now func() time.Time) *state.Store {
	t.Helper()
	s, err := state.Open(t.Context(), url, state.Options{Keys: Keys, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing the database: %v", err)
		}
	})
	return s
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func as(ctx context.Context, id string) context.Context {
	return state.WithActor(ctx, state.Actor{ID: id, Name: id + "@example.com", Address: "192.0.2.1"})
}

// exec runs a statement beside the store, as somebody with access to the database could.
func exec(t testing.TB, s *state.Store, statement string) error {
	t.Helper()
	if p := s.Pool(); p != nil {
		_, err := p.Exec(t.Context(), statement)
		return err
	}
	_, err := s.Writer().ExecContext(t.Context(), statement)
	return err
}
