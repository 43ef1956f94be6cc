//go:build linux

package e2e_test

import (
	"database/sql"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/trinodb/trino-go-client/trino"

	"kalla"
	"kalla/internal/cluster"
	"kalla/internal/demo"
	"kalla/internal/evidence"
	"kalla/internal/job"
	"kalla/internal/objects"
	"kalla/internal/recipe"
	"kalla/internal/testenv"
)

// nodes are a scheduler with a coordinator and two executors, as the deployment
// guide starts them: processes of their own that share an object storage.
type nodes struct {
	t         *testing.T // that the processes end with
	dir       string     // of all processes
	env       []string
	ports     []int // HTTP and coordinator of the scheduler, then worker and daemon of each executor
	scheduler *daemon
	executors [2]*daemon
	storage   string
	lookup    func(string) (string, bool) // credentials of the storage
	secrets   []string                    // that no log may show
	logs      []*testenv.Transcript       // of all processes that ever were
}

const nodeMemory = "1700MB" // a node takes a third of a machine, unless it is told

func startNodes(t *testing.T, more ...string) *nodes {
	t.Helper()
	store := testenv.S3(t)
	bucket := store.Bucket(t)
	n := &nodes{t: t, dir: t.TempDir(), ports: freePorts(t, 6), storage: store.URI(bucket, "cluster")}
	const secret = "the nodes of a test know it"
	n.secrets = []string{secret, store.SecretKey}
	n.lookup = func(name string) (string, bool) {
		v, ok := map[string]string{"AWS_ACCESS_KEY_ID": store.AccessKey, "AWS_SECRET_ACCESS_KEY": store.SecretKey}[name]
		return v, ok
	}
	n.env = append([]string{"AWS_ACCESS_KEY_ID=" + store.AccessKey, "AWS_SECRET_ACCESS_KEY=" + store.SecretKey,
		"KALLA_STORAGE=" + n.storage, cluster.SecretEnv + "=" + secret, "RUST_LOG=debug"}, more...)
	n.startScheduler()
	for i := range n.executors {
		n.startExecutor(i)
	}
	n.await(t, len(n.executors))
	return n
}

// freePorts are free all at once.
func freePorts(t *testing.T, n int) (ports []int) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

func (n *nodes) startScheduler() {
	n.t.Helper()
	n.scheduler = spawn(n.t, n.dir, append(slices.Clone(n.env), "KALLA_TRINO_HOME="+testenv.TrinoHome(n.t)),
		"scheduler", "--http-port", strconv.Itoa(n.ports[0]), "--grpc-port", strconv.Itoa(n.ports[1]), "--external-host", "127.0.0.1")
	n.logs = append(n.logs, n.scheduler.log)
	n.scheduler.serves(n.t)
}

func (n *nodes) startExecutor(i int) {
	n.t.Helper()
	n.executors[i] = spawn(n.t, n.dir, append(slices.Clone(n.env), "KALLA_TRINO_HOME="+testenv.TrinoHome(n.t), "KALLA_MEMORY="+nodeMemory),
		"executor", "--scheduler-host", "127.0.0.1", "--scheduler-port", strconv.Itoa(n.ports[1]),
		"--flight-port", strconv.Itoa(n.ports[2+2*i]), "--grpc-port", strconv.Itoa(n.ports[3+2*i]), "--external-host", "127.0.0.1")
	n.logs = append(n.logs, n.executors[i].log)
}

// await waits until the scheduler lists that many workers that take work, and no others.
func (n *nodes) await(t *testing.T, want int) []job.Node {
	t.Helper()
	var last string
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(200 * time.Millisecond) {
		e, err := n.scheduler.Engine(t.Context())
		last = fmt.Sprintf("%+v (%v)", e.Workers, err)
		if err == nil && len(e.Workers) == want && !slices.ContainsFunc(e.Workers, func(w job.Node) bool { return w.State != "active" }) {
			return e.Workers
		}
		for i, d := range n.executors {
			select {
			case <-n.scheduler.done:
				t.Fatal("the scheduler has ended")
			case <-doneOf(d):
				t.Fatalf("executor %d has ended", i+1)
			default:
			}
		}
	}
	t.Fatalf("there are not %d workers: %s", want, last)
	return nil
}

// doneOf never ends for an executor that was not started.
func doneOf(d *daemon) <-chan struct{} {
	if d == nil {
		return nil
	}
	return d.done
}

// query asks the coordinator.
func (n *nodes) query(t *testing.T, query string) (values []string) {
	t.Helper()
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(n.ports[1]))
	client := cluster.TrinoClient(address, cluster.Secret(n.secrets[0]))
	defer client.CloseIdleConnections()
	connector, err := trino.NewConnector(&trino.Config{ServerURI: "http://" + cluster.User + "@" + address, HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		values = append(values, v)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return values
}

// clean holds that no run has left anything in the storage or in Trino.
func (n *nodes) clean(t *testing.T) {
	t.Helper()
	p, err := objects.Open(n.storage, n.lookup)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	// What a node writes that was lost, and does not know it yet, comes late.
	var left []string
	for limit := time.Now().Add(time.Minute); time.Now().Before(limit); time.Sleep(500 * time.Millisecond) {
		found, err := p.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		left = left[:0]
		for name := range found {
			left = append(left, name)
		}
		if len(left) == 0 {
			break
		}
	}
	slices.Sort(left)
	if len(left) > 0 {
		t.Errorf("%d objects are left in the storage: %s", len(left), strings.Join(left[:min(len(left), 20)], " "))
	}
	if s := n.query(t, "SELECT schema_name FROM kalla.information_schema.schemata WHERE schema_name LIKE 'run%'"); len(s) > 0 {
		t.Errorf("schemas are left: %v", s)
	}
}

// tells returns where a text shows: in the logs of all processes, in the queries that Trino remembers and in files.
func (n *nodes) tells(t *testing.T, texts ...string) (places []string) {
	t.Helper()
	look := func(place, content string) {
		for _, text := range texts {
			if i := strings.Index(content, text); i >= 0 {
				places = append(places, fmt.Sprintf("%s: …%.200s", place, content[max(0, i-100):]))
				return
			}
		}
	}
	for _, l := range n.logs {
		look("a log", l.String())
	}
	for _, q := range n.query(t, "SELECT query FROM system.runtime.queries") {
		look("a query", q)
	}
	err := filepath.WalkDir(n.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil
		}
		look(path, string(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return places
}

// inPostgres loads a data set into a database and returns it with sources there, and the database's address.
func (d dataSet) inPostgres(t *testing.T, pg *testenv.PG) (dataSet, *url.URL) {
	t.Helper()
	address := pg.Database(t,
		`CREATE TABLE invoices (invoice_id text PRIMARY KEY, settlement_ref text, customer_id text, customer_name text, invoice_date date, due_date date,
			amount numeric(14, 2), currency text, status text, description text)`,
		`CREATE TABLE payments (payment_id text PRIMARY KEY, reference_number text, payer_id text, payer_name text, payment_date date,
			paid_amount numeric(14, 2), currency text, method text, bank text, memo text)`)
	db := pg.Open(t, address)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for table, file := range map[string]string{"invoices": d.left, "payments": d.right} {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := conn.Raw(func(c any) error {
			_, err := c.(*stdlib.Conn).Conn().PgConn().CopyFrom(t.Context(), f, "COPY "+table+" FROM STDIN (FORMAT csv, HEADER)")
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return d.at(t, tableURI(u, "invoices"), tableURI(u, "payments")), u
}

// tableURI names a table, and the environment's variable that holds the password.
func tableURI(database *url.URL, table string) string {
	u := *database
	q := u.Query()
	q.Set("table", table)
	u.RawQuery = q.Encode()
	password := u.User.String()[len(u.User.Username())+1:]
	return strings.Replace(u.String(), password, "${"+passwordEnv+"}", 1)
}

const passwordEnv = "KALLA_SECRET_SOURCE"

// at is the data set with its sources elsewhere.
func (d dataSet) at(t *testing.T, left, right string) dataSet {
	t.Helper()
	doc, err := recipe.Parse(d.recipe, demo.RecipeFile)
	if err != nil {
		t.Fatal(err)
	}
	r, err := doc.Bind(nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Sources.Left.URI, r.Sources.Right.URI = left, right
	d.left, d.right = left, right
	if d.recipe, err = recipe.JSON(r); err != nil {
		t.Fatal(err)
	}
	return d
}

var instant = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00$`)

// content is all rows of all tables of evidence, as texts, in an order that does not depend on who wrote them.
func content(t *testing.T, out string) map[string][]string {
	t.Helper()
	db := openDuckDB(t)
	defer db.Close()
	tables := map[string][]string{}
	for _, file := range []string{evidence.MatchedFile, evidence.UnmatchedFile(kalla.Left), evidence.UnmatchedFile(kalla.Right), evidence.BreaksFile, evidence.CandidatesFile} {
		pattern := filepath.Join(out, file)
		if _, err := os.Stat(pattern); err != nil {
			pattern = filepath.Join(out, strings.TrimSuffix(file, ".parquet"), "*.parquet")
		}
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		tables[file] = []string{}
		if len(found) == 0 {
			continue
		}
		exec(t, db, "SET TimeZone = 'UTC'")
		rows, err := db.Query("SELECT coalesce(CAST(COLUMNS(*) AS VARCHAR), '∅') FROM read_parquet(" + quoteText(pattern) + ")")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close() // of five tables
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		values, into := make([]string, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		for rows.Next() {
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			for i, v := range values { // a cluster writes instants as times in UTC
				if instant.MatchString(v) {
					values[i] = strings.TrimSuffix(v, "+00")
				}
			}
			tables[file] = append(tables[file], strings.Join(values, " | "))
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		slices.Sort(tables[file])
	}
	return tables
}

// same holds that two pieces of evidence say the same.
func same(t *testing.T, want, got map[string][]string) {
	t.Helper()
	for file, rows := range want {
		if slices.Equal(rows, got[file]) {
			continue
		}
		t.Errorf("%s: %d rows, want %d", file, len(got[file]), len(rows))
		for _, row := range rows[:min(len(rows), 2000)] {
			if !slices.Contains(got[file], row) {
				t.Errorf("%s lacks %s", file, row)
				break
			}
		}
		for _, row := range got[file][:min(len(got[file]), 2000)] {
			if !slices.Contains(rows, row) {
				t.Errorf("%s has %s", file, row)
				break
			}
		}
	}
}
