package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"kalla/internal/demo"
)

// workload is contenders that run in turn, and the bars that they are held to.
type workload struct {
	name, what string
	contenders []contender
	bars       []bar
}

// contender is one program on one data set.
type contender struct {
	name     string
	data     dataset
	script   string   // of plain/, for the plain DuckDB script; empty for Kalla
	flags    []string // of kalla run
	postgres bool     // the sources are tables, not files
	job      bool     // through a scheduler that runs: from the request to the callback that says it is complete
	cluster  bool     // of a job: on a cluster of two executors on this machine
	query    bool     // as one query, as clients of the predecessor send it, instead of the recipe
}

// warmUps is how many runs are not measured. The nodes of a cluster are compiled
// as they run, which takes several; one that works all day has it behind it.
func (c contender) warmUps() int {
	if c.cluster {
		return 4
	}
	return 1
}

// dataset is a data set below bench/data.
type dataset struct {
	name string
	cfg  demo.Config
}

// bar is the most that a figure may be: a measure of one contender, or its
// ratio to that of another, or what it has over that.
type bar struct {
	of, to  string // to is empty for an absolute figure
	measure measure
	perRow  bool
	over    bool // the difference counts, not the ratio
	most    float64
}

type measure string

const (
	wall measure = "wall"     // seconds
	cpu  measure = "cpu"      // seconds of user and system time
	rss  measure = "peak_rss" // bytes
)

const (
	plainScript = "plain"
	withKalla   = "kalla"
	asJob       = "job"
	asQuery     = "job, query"
	onCluster   = "cluster"
)

var (
	small   = dataset{"onepass-10k", demo.Config{Seed: 1, Rows: 10_000, Workload: demo.OnePass}}
	million = dataset{"onepass-1m", demo.Config{Seed: 1, Rows: 1_000_000, Workload: demo.OnePass}}
	five    = dataset{"onepass-5m", demo.Config{Seed: 1, Rows: 5_000_000, Workload: demo.OnePass}}
	large   = dataset{"onepass-10m", demo.Config{Seed: 1, Rows: 10_000_000, Workload: demo.OnePass, Mix: demo.Mix{
		demo.Tolerance: 1500, demo.AmountDiffers: 300, demo.DateOutside: 200, demo.OrphanLeft: 1000, demo.OrphanRight: 1000,
	}}}

	uniqueKeys = dataset{"copies-unique", demo.Config{Seed: 1, Rows: 1_000_000, Workload: demo.Copies, CopiesPerKey: 1}}
	equal      = dataset{"copies-equal", demo.Config{Seed: 1, Rows: 1_000_000, Workload: demo.Copies, CopiesPerKey: 1000}}
	cents      = dataset{"copies-cents", demo.Config{Seed: 1, Rows: 1_000_000, Workload: demo.Copies, CopiesPerKey: 1000, SpreadCents: 2}}
	spread     = dataset{"copies-spread", demo.Config{Seed: 1, Rows: 1_000_000, Workload: demo.Copies, CopiesPerKey: 1000, SpreadCents: 1000}}
)

var workloads = []workload{
	{
		name: "csv1m", what: "1M invoices, 0.95M payments from CSV, one pass, full evidence",
		contenders: []contender{{name: plainScript, data: million, script: "csv"}, {name: withKalla, data: million}},
		bars:       []bar{{of: withKalla, to: plainScript, measure: wall, most: 1.15}},
	},
	{
		name: "pg1m", what: "the same from two tables of one PostgreSQL database",
		contenders: []contender{
			{name: plainScript, data: million, script: "postgres", postgres: true},
			{name: withKalla, data: million, postgres: true},
		},
		bars: []bar{{of: withKalla, to: plainScript, measure: wall, most: 1.15}},
	},
	{
		name: "cold10k", what: "10k invoices, 9.5k payments, the whole process",
		contenders: []contender{{name: plainScript, data: small, script: "csv"}, {name: withKalla, data: small}},
		bars:       []bar{{of: withKalla, measure: wall, most: 0.5}},
	},
	{
		name: "job10k", what: "10k × 9.5k as a job of a scheduler, from the request to the last callback, and as kalla run",
		contenders: []contender{{name: withKalla, data: small}, {name: asJob, data: small, job: true}, {name: asQuery, data: small, job: true, query: true}},
		bars:       []bar{{of: asJob, to: withKalla, measure: wall, over: true, most: 0.5}, {of: asQuery, to: withKalla, measure: wall, over: true, most: 0.5}},
	},
	{ // the predecessor took 15.8 s
		name: "jobcsv1m", what: "1M × 0.95M from CSV as a job of a scheduler, full evidence",
		contenders: []contender{{name: asJob, data: million, job: true}, {name: asQuery, data: million, job: true, query: true}},
		bars:       []bar{{of: asJob, measure: wall, most: 15.8 / 3}, {of: asQuery, measure: wall, most: 15.8 / 3}},
	},
	{ // the predecessor took 24.4 s
		name: "jobpg1m", what: "the same from PostgreSQL",
		contenders: []contender{{name: asJob, data: million, job: true, postgres: true}, {name: asQuery, data: million, job: true, query: true, postgres: true}},
		bars:       []bar{{of: asJob, measure: wall, most: 24.4 / 3}, {of: asQuery, measure: wall, most: 24.4 / 3}},
	},
	{ // the predecessor took 21 to 25 s, and wrote no evidence
		name: "clusterpg1m", what: "1M × 0.95M from PostgreSQL on a cluster of two executors, warm, full evidence",
		contenders: []contender{{name: onCluster, data: million, job: true, cluster: true, postgres: true}},
		bars:       []bar{{of: onCluster, measure: wall, most: 21}},
	},
	{ // the predecessor took 90 s
		name: "clusterpg5m", what: "5M × 4.75M likewise",
		contenders: []contender{{name: onCluster, data: five, job: true, cluster: true, postgres: true}},
		bars:       []bar{{of: onCluster, measure: wall, most: 0.75 * 90}},
	},
	{
		name: "mem10m", what: "10M against 10M in 1 GB, and without a limit",
		contenders: []contender{
			{name: "unlimited", data: large}, {name: "1GB", data: large, flags: []string{"--memory", "1GB"}},
		},
		bars: []bar{{of: "1GB", measure: rss, most: 1.5 * (1 << 30)}},
	},
	{
		name: "growth", what: "time a row at 10M against that at 1M",
		contenders: []contender{{name: "1M", data: million}, {name: "10M", data: large}},
		bars:       []bar{{of: "10M", to: "1M", measure: wall, perRow: true, most: 1.3}},
	},
	{
		name: "dup_unique", what: "1M rows a side, every key once",
		contenders: []contender{{name: "unique", data: uniqueKeys}},
	},
	{
		name: "dup_exact", what: "1M rows a side, 1,000 equal copies of each key",
		contenders: []contender{{name: "unique", data: uniqueKeys}, {name: "copies", data: equal}},
		bars:       []bar{{of: "copies", to: "unique", measure: wall, most: 2}},
	},
	{
		name: "dup_tolerance", what: "the same, amounts spread over 10.00 within a tolerance of 10.00",
		contenders: []contender{{name: "unique", data: uniqueKeys}, {name: "copies", data: spread}},
		bars:       []bar{{of: "copies", to: "unique", measure: wall, most: 5}},
	},
	{
		name: "dup_cents", what: "the same, amounts spread over 0.02 within a tolerance of 0.02",
		contenders: []contender{{name: "unique", data: uniqueKeys}, {name: "copies", data: cents}},
		bars:       []bar{{of: "copies", to: "unique", measure: wall, most: 5}},
	},
}

func find(name string) (workload, bool) {
	for _, w := range workloads {
		if w.name == name {
			return w, true
		}
	}
	return workload{}, false
}

func listWorkloads(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, x := range workloads {
		fmt.Fprintf(t, "  %s\t%s\n", x.name, x.what)
	}
	t.Flush()
}
