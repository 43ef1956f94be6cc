package httpapi

import (
	"context"
	"io/fs"
	"net/http"
	"path/filepath"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kalla/internal/compute"
	"kalla/internal/job"
)

// Metrics are what the scheduler measures, in a registry of their own.
type Metrics struct {
	registry  *prometheus.Registry
	jobs      *prometheus.HistogramVec
	stages    *prometheus.HistogramVec
	waits     prometheus.Histogram
	rows      prometheus.Counter
	callbacks *prometheus.CounterVec
}

// NewMetrics makes the metrics of a scheduler of that version, whose jobs may
// take memory bytes together and spill below tempDir.
func NewMetrics(version string, memory int64, tempDir string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		jobs: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "kalla_job_seconds", Help: "Time from a job's start to its end.",
			Buckets: prometheus.ExponentialBuckets(0.05, 3, 12)}, []string{"outcome"}),
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "kalla_stage_seconds", Help: "Time of the stages of completed jobs.",
			Buckets: prometheus.ExponentialBuckets(0.02, 3, 12)}, []string{"stage"}),
		waits: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "kalla_job_wait_seconds", Help: "Time from a job's acceptance to its start.",
			Buckets: prometheus.ExponentialBuckets(0.01, 4, 12)}),
		rows:      prometheus.NewCounter(prometheus.CounterOpts{Name: "kalla_rows_total", Help: "Records of both sides that completed jobs have reconciled."}),
		callbacks: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "kalla_callbacks_total", Help: "Attempts to deliver a callback."}, []string{"kind", "outcome"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "kalla_build_info", Help: "1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()}})
	build.Set(1)
	limit := prometheus.NewGauge(prometheus.GaugeOpts{Name: "kalla_memory_limit_bytes", Help: "Memory that all jobs may take together. What is taken is part of process_resident_memory_bytes."})
	limit.Set(float64(memory))
	spill := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "kalla_spill_bytes", Help: "Size of the files that running jobs keep on disk for want of memory."},
		func() float64 { return float64(folderSize(tempDir)) })
	m.registry.MustRegister(m.jobs, m.waits, m.stages, m.rows, m.callbacks, build, limit, spill,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// JobEnded counts an attempt of a job.
func (m *Metrics) JobEnded(e compute.Ended) {
	m.waits.Observe(e.Waited.Seconds())
	m.jobs.WithLabelValues(string(e.State)).Observe(e.Ran.Seconds())
	for _, stage := range e.Stages {
		m.stages.WithLabelValues(stage.Name).Observe(float64(stage.MS) / 1000)
	}
	m.rows.Add(float64(e.Rows))
}

// Callback counts an attempt to deliver a callback of that kind.
func (m *Metrics) Callback(kind, outcome string) { m.callbacks.WithLabelValues(kind, outcome).Inc() }

// handler answers a scrape; the queue is asked then.
func (m *Metrics) handler(jobs Jobs) http.Handler {
	m.registry.MustRegister(queue{jobs})
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: answerTime})
}

// queue reads the numbers of the queue when it is scraped.
type queue struct{ jobs Jobs }

var (
	jobsDesc    = prometheus.NewDesc("kalla_jobs", "Jobs by state; the final ones as long as they are kept.", []string{"state"}, nil)
	oldestDesc  = prometheus.NewDesc("kalla_queue_oldest_seconds", "How long the job has waited that waits longest.", nil, nil)
	pendingDesc = prometheus.NewDesc("kalla_callbacks_pending", "Callbacks to /complete and /error that are not delivered yet.", nil, nil)
	depthDesc   = prometheus.NewDesc("kalla_queue_depth", "Jobs that wait for their turn.", nil, nil)
)

func (q queue) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{jobsDesc, depthDesc, oldestDesc, pendingDesc} {
		out <- d
	}
}

func (q queue) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	stats, err := q.jobs.Stats(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(jobsDesc, err)
		return
	}
	for _, s := range []job.State{job.Queued, job.Running, job.Completed, job.Failed, job.Cancelled} {
		out <- prometheus.MustNewConstMetric(jobsDesc, prometheus.GaugeValue, float64(stats.Jobs[s]), string(s))
	}
	out <- prometheus.MustNewConstMetric(depthDesc, prometheus.GaugeValue, float64(stats.Jobs[job.Queued]))
	out <- prometheus.MustNewConstMetric(oldestDesc, prometheus.GaugeValue, stats.Oldest.Seconds())
	out <- prometheus.MustNewConstMetric(pendingDesc, prometheus.GaugeValue, float64(stats.Callbacks))
}

// folderSize adds up files. Those that vanish meanwhile count nothing.
func folderSize(dir string) int64 {
	var size int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return nil
	})
	return size
}
