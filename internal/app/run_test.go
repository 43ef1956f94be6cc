package app_test

import (
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"kalla"
	"kalla/internal/app"
)

// TestWhatARunTells: progress carries the totals once they are known, and spans name stages and steps, no data.
func TestWhatARunTells(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	before := otel.GetTracerProvider()
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSpanProcessor(spans)))
	defer otel.SetTracerProvider(before)

	var mu sync.Mutex
	last := map[kalla.Stage]kalla.Progress{}
	job := small(t)
	job.Report = func(p kalla.Progress) {
		mu.Lock()
		defer mu.Unlock()
		if was := last[p.Stage]; p.Fraction < was.Fraction || p.TotalLeft < was.TotalLeft || p.Matched < was.Matched {
			t.Errorf("%+v comes after %+v", p, was)
		}
		last[p.Stage] = p
	}
	if _, err := app.Run(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	for stage, matched := range map[kalla.Stage]int64{kalla.StageStaging: 0, kalla.StageMatching: 8, kalla.StageEvidence: 8} {
		want := kalla.Progress{Stage: stage, Fraction: 1, TotalLeft: 10, TotalRight: 10, Matched: matched}
		if last[stage] != want {
			t.Errorf("%s ends with %+v, want %+v", stage, last[stage], want)
		}
	}

	stages, steps := map[string]string{}, 0
	for _, s := range spans.Ended() {
		if !s.Parent().IsValid() {
			stages[s.SpanContext().SpanID().String()] = s.Name()
		}
	}
	for _, s := range spans.Ended() {
		if stages[s.Parent().SpanID().String()] == string(kalla.StageMatching) {
			steps++
		}
		if len(s.Attributes()) > 0 || strings.Contains(s.Name(), "SELECT") || strings.Contains(s.Name(), "INV-") {
			t.Errorf("span %q says too much: %v", s.Name(), s.Attributes())
		}
	}
	if len(stages) != 3 || steps < 10 {
		t.Errorf("spans of stages are %v, with %d steps of matching", stages, steps)
	}
}
