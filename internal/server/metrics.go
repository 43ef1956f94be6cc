package server

import (
	"context"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kalla/internal/state"
)

// metrics are what the app measures, in a registry of their own.
type metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.HistogramVec
	dispatch  prometheus.Histogram
	attempts  *prometheus.CounterVec
	takeovers prometheus.Counter
	callbacks *prometheus.CounterVec
	followers prometheus.Gauge
}

func newMetrics(version string) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "kalla_http_seconds", Help: "Time of requests by route.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 9)}, []string{"route", "status"}),
		dispatch: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "kalla_dispatch_seconds", Help: "Time from the making of a run to its acceptance by the scheduler.",
			Buckets: prometheus.ExponentialBuckets(0.005, 4, 10)}),
		attempts:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "kalla_dispatches_total", Help: "Attempts to hand a run to the scheduler."}, []string{"outcome"}),
		takeovers: prometheus.NewCounter(prometheus.CounterOpts{Name: "kalla_lease_takeovers_total", Help: "Runs that were taken up again because nobody gave a sign of life."}),
		callbacks: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "kalla_callbacks_total", Help: "Callbacks of the scheduler."}, []string{"kind", "outcome"}),
		followers: prometheus.NewGauge(prometheus.GaugeOpts{Name: "kalla_sse_followers", Help: "Streams of events that are open."}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "kalla_build_info", Help: "1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()}})
	build.Set(1)
	m.registry.MustRegister(m.requests, m.dispatch, m.attempts, m.takeovers, m.callbacks, m.followers, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// answered measures a request. Routes, not paths: there are few of them.
func (m *metrics) answered(mux *http.ServeMux, r *http.Request, status int, took time.Duration) {
	_, pattern := mux.Handler(r)
	switch {
	case status == http.StatusNotFound && !strings.Contains(pattern, "/api/"):
		pattern = "other"
	case pattern == "GET /api/runs/{run_id}/events": // it takes as long as somebody looks
		return
	}
	m.requests.WithLabelValues(pattern, strconv.Itoa(status)).Observe(took.Seconds())
}

// handler answers a scrape; the store is asked then.
func (m *metrics) handler(s *Server) http.Handler {
	m.registry.MustRegister(runsCollector{s.store})
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 15 * time.Second})
}

// runsCollector counts the runs when it is scraped.
type runsCollector struct{ store *state.Store }

var runsDesc = prometheus.NewDesc("kalla_runs", "Runs by state.", []string{"state"}, nil)

func (c runsCollector) Describe(out chan<- *prometheus.Desc) { out <- runsDesc }

func (c runsCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	counts, err := c.store.CountRuns(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(runsDesc, err)
		return
	}
	for _, s := range state.RunStates() {
		out <- prometheus.MustNewConstMetric(runsDesc, prometheus.GaugeValue, float64(counts[s]), string(s))
	}
}
