package policy_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kalla"
	"kalla/internal/compute/policy"
	"kalla/internal/source"
)

func lookup(name string) (string, bool) {
	v, ok := map[string]string{"KEY": "s3cret", "SOCKET": "/var/run/postgresql"}[name]
	return v, ok
}

func open(t testing.TB, cfg policy.Config) *policy.Policy {
	t.Helper()
	cfg.LookupEnv = lookup
	p, err := policy.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func parse(t testing.TB, uri string) source.Source {
	t.Helper()
	s, err := source.Parse(uri, nil, "/base", lookup)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// refused wants a *kalla.Error of the class whose hint holds a text, and that keeps secrets.
func refused(t testing.TB, err error, code kalla.Code, hint string) {
	t.Helper()
	e, ok := errors.AsType[*kalla.Error](err)
	if !ok {
		t.Fatalf("got %v, want a refusal", err)
	}
	if e.Code != code || e.Op == "" || e.Why == "" || !strings.Contains(e.Hint, hint) {
		t.Errorf("got %+v, want code %s and a hint with %q", e, code, hint)
	}
	if text := e.Error() + e.Hint; strings.Contains(text, "s3cret") {
		t.Errorf("the refusal holds a secret: %s", text)
	}
}

// tree makes files, folders (names that end in /) and symlinks (name → target) below a new folder.
func tree(t testing.TB, names ...string) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		name, target, link := strings.Cut(name, " → ")
		path := filepath.Join(root, name)
		dir := filepath.Dir(path)
		if strings.HasSuffix(name, "/") {
			dir = path
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		switch {
		case link:
			if !filepath.IsAbs(target) {
				target = filepath.Join(root, target)
			}
			err = os.Symlink(target, path)
		case dir != path:
			err = os.WriteFile(path, []byte("a\n1\n"), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestFiles(t *testing.T) {
	root := tree(t, "data/a.csv", "data/2026/b.csv", "data/links/in.csv → data/a.csv", "data/escape/out.csv → secret/s.csv",
		"data/dir → secret", "data/up → .", "data/nothing → secret/none.csv", "data/own/kallad.db", "secret/s.csv", "data2/a.csv", "alias → data")
	p := open(t, policy.Config{FileDirs: []string{filepath.Join(root, "alias")}, Private: []string{filepath.Join(root, "data/own")}})
	free := open(t, policy.Config{Loopback: true, Private: []string{filepath.Join(root, "data/own")}})
	for _, tc := range []struct {
		path     string
		ok, free bool
		hint     string
	}{
		{"data/a.csv", true, true, ""},
		{"alias/a.csv", true, true, ""},
		{"data/./2026/../a.csv", true, true, ""},
		{"data/2026/*.csv", true, true, ""},
		{"data/*/b.csv", true, true, ""},
		{"data/[0-9]*/b.csv", true, true, ""},
		{"data/links/*.csv", true, true, ""},
		{"data/none/none.csv", true, true, ""}, // that it is missing is for the engine to say
		{"data/a.csv/x.csv", true, true, ""},
		{"data", false, true, "--allow-file-dir"},
		{"secret/s.csv", false, true, "--allow-file-dir " + root + "/secret"},
		{"secret/*.csv", false, true, "--allow-file-dir " + root + "/secret"},
		{"data2/a.csv", false, true, "--allow-file-dir"},
		{"data/../secret/s.csv", false, true, "--allow-file-dir"},
		{"data/*/../../secret/s.csv", false, true, "--allow-file-dir"},
		{"data*/a.csv", false, true, "--allow-file-dir " + root},
		{"*/a.csv", false, true, "--allow-file-dir " + root},
		{"data/dir/s.csv", false, true, "--allow-file-dir"},
		{"data/dir/*.csv", false, true, "--allow-file-dir"},
		{"data/*/s.csv", false, true, "--allow-file-dir"},
		{"data/escape/*.csv", false, true, "--allow-file-dir"},
		{"data/up/secret/s.csv", false, true, "--allow-file-dir"},
		{"data/nothing", false, false, ""},
		{"data/nothing/x.csv", false, false, ""},
		{"data/own/kallad.db", false, false, ""},
		{"data/*/kallad.db", false, false, ""},
		{"data/up/data/own/kallad.db", false, false, ""},
		{"/proc/self/environ", false, false, ""},
		{"/dev/fd/3", false, false, ""},
	} {
		path := tc.path
		if !filepath.IsAbs(path) {
			path = root + "/" + path
		}
		for _, uri := range []string{path + "?format=csv", "sqlite://" + path + "?table=t"} {
			if strings.HasPrefix(uri, "sqlite") && strings.ContainsAny(path, "*[") {
				continue // no pattern there
			}
			t.Run(uri, func(t *testing.T) {
				s := parse(t, uri)
				if err := p.Source(s); tc.ok != (err == nil) {
					t.Fatalf("restricted: %v", err)
				} else if err != nil {
					refused(t, err, kalla.CodeSource, tc.hint)
				}
				if err := free.Source(s); tc.free != (err == nil) {
					t.Fatalf("on loopback: %v", err)
				}
			})
		}
	}
}

func TestOutputs(t *testing.T) {
	root := tree(t, "data/runs/", "data/out → secret", "data/nothing → secret/new", "secret/")
	p := open(t, policy.Config{FileDirs: []string{filepath.Join(root, "data")}, Hosts: []string{"s3://books/evidence", "minio:9000"}})
	free := open(t, policy.Config{Loopback: true})
	for _, tc := range []struct {
		path     string
		ok, free bool
		hint     string
	}{
		{"data/runs/r1", true, true, ""},
		{"data/runs/new/r1/", true, true, ""},
		{"data/r1*", true, true, ""},
		{"data", false, true, "--allow-file-dir"},
		{"secret/r1", false, true, "--allow-file-dir " + root + "/secret"},
		{"data/out/r1", false, true, "--allow-file-dir"},
		{"data/nothing", false, false, ""},
		{"data/runs/../../secret/r1", false, false, "without"},
		{"/proc/1/x", false, false, ""},
		{"s3://books/evidence/r1", true, true, ""},
		{"s3://books/evidence/r1?endpoint=http://minio:9000&key_id=k&secret=${KEY}", true, true, ""},
		{"s3://books/evidence/r1?endpoint=evil:9000&secret=${KEY}", false, true, "--allow-host evil:9000"},
		{"s3://books/other/r1?secret=s3cret", false, true, "--allow-host s3://books"},
		{"s3://books/evidence*/r1", false, false, "without"},
		{"s3://books/evidence/../other/r1", false, false, ""},
		{"s3://books/evidence/%2E%2e/other/r1", false, false, ""},
		{"gs://books/evidence/r1", false, false, "s3://"},
		{"https://user:s3cret@evil/x", false, false, "s3://"},
	} {
		t.Run(tc.path, func(t *testing.T) {
			path := tc.path
			if !strings.Contains(path, "://") && !filepath.IsAbs(path) {
				path = root + "/" + path
			}
			if err := p.Output(path); tc.ok != (err == nil) {
				t.Fatalf("restricted: %v", err)
			} else if err != nil {
				refused(t, err, kalla.CodeUsage, tc.hint)
			}
			if err := free.Output(path); tc.free != (err == nil) {
				t.Fatalf("on loopback: %v", err)
			}
		})
	}
	for _, path := range []string{"runs/r1", "./r1", "", "~/r1"} {
		refused(t, free.Output(path), kalla.CodeUsage, "from the root")
	}
	refused(t, free.Output("s3://books"), kalla.CodeSource, "")
}

func TestHosts(t *testing.T) {
	p := open(t, policy.Config{Hosts: []string{"db", "books.example.com:5432", "*.data.example.com", "10.1.0.0/16", "fd00:1::/64", "192.0.2.7:3306", "[2001:db8::7]:443",
		"localhost:6000", "s3://bank/2026", "gs://bank", "minio:9000", "account.blob.core.windows.net", "account.dfs.core.windows.net"}})
	free := open(t, policy.Config{Loopback: true})
	type row struct {
		uri      string
		ok, free bool
		hint     string
	}
	rows := []row{
		{"https://DB./x.csv", true, true, ""},
		{"https://files.data.example.com/x.csv?sig=s3cret", true, true, ""},
		{"http://10.1.255.1/x.csv", true, true, ""},
		{"http://[::ffff:10.1.255.1]/x.csv", true, true, ""},
		{"http://[fd00:1::5]/x.csv", true, true, ""},
		{"https://[2001:db8:0::7]/x.csv", true, true, ""},
		{"http://127.0.0.1:6000/x.csv", true, true, ""},
		{"http://localhost.:6000/x.csv", true, true, ""},
		{"http://[::1]:6000/x.csv", true, true, ""},
		{"https://data.example.com/x.csv", false, true, "--allow-host data.example.com:443"},
		{"https://evildata.example.com/x.csv", false, true, "--allow-host"},
		{"https://files.data.example.com.evil/x.csv", false, true, "--allow-host"},
		{"https://evil/x.csv?db=s3cret", false, true, "--allow-host evil:443"},
		{"http://[2001:db8::7]/x.csv", false, true, "--allow-host [2001:db8::7]:80"},
		{"http://localhost/x.csv", false, true, "--allow-host"},
		{"http://127.0.0.1:6001/x.csv", false, true, "--allow-host"},
		{"http://10.2.0.1/x.csv", false, true, "--allow-host"},
		{"http://db:0/x.csv", false, false, ""},
		{"http://db:99999/x.csv", false, false, ""},
		{`http://db\@evil/x.csv`, false, false, ""},
		{"http://db#.evil/x.csv", false, false, ""},
		{"http://db,evil/x.csv", false, false, ""},
		{"http://db%2eevil/x.csv", false, false, ""},
		{"http://ｄｂ/x.csv", false, false, "xn--"},
		{"http://①⓪.1.0.1/x.csv", false, false, "xn--"},
		// Whatever a resolver may take for an address has to look like one.
		{"http://0x0a010001/x.csv", false, false, "192.0.2.7"},
		{"http://167837697/x.csv", false, false, ""},
		{"http://10.1.1/x.csv", false, false, ""},
		{"http://012.1.0.1/x.csv", false, false, ""},
		{"http://10.1.0.0x1/x.csv", false, false, ""},
		{"http://10.1.0.1%00.db/x.csv", false, false, ""},
		{"http://[fe80::1%25eth0]/x.csv", false, false, ""},
		{"http://169.254.169.254/x.csv", false, false, ""},
		{"http://169.254.169.254./x.csv", false, false, ""},
		{"http://[::ffff:169.254.169.254]/x.csv", false, false, ""},
		{"http://[64:ff9b::a9fe:a9fe]/x.csv", false, false, ""},
		{"http://[64:ff9b::7f00:1]/x.csv", false, false, ""},
		{"http://[2001:db8::7%25eth0]/x.csv", false, false, ""},
		{"http://[fd00:ec2::254]/x.csv", false, false, ""},
		{"http://0xA9FEA9FE/x.csv", false, false, ""},
		{"http://0.0.0.0/x.csv", false, false, ""},
		{"http://[::]/x.csv", false, false, ""},
		{"http://224.0.0.1/x.csv", false, false, ""},

		{"s3://bank/2026/x.csv?secret=s3cret", true, true, ""},
		{"s3://bank/2026/*.csv", true, true, ""},
		{"s3a://bank/2026/*.csv", true, true, ""},
		{"gs://bank/any/x.csv", true, true, ""},
		{"s3://bank/2026/x.csv?endpoint=minio:9000", true, true, ""},
		{"s3://bank/2026/x.csv?endpoint=http://minio:9000/", true, true, ""},
		{"s3://bank/2026*/x.csv", false, true, "--allow-host s3://bank"},
		{"s3://bank/2026.csv", false, true, "--allow-host s3://bank"},
		{"s3://bank/*/x.csv", false, true, "--allow-host s3://bank"},
		{"s3://bank2/2026/x.csv", false, true, "--allow-host s3://bank2"},
		{"s3://b*/2026/x.csv", false, false, ""},
		{"gs://bank2/x.csv", false, true, "--allow-host gs://bank2"},
		{"s3://bank/2026/../secret/x.csv", false, false, ""},
		{"s3://other/x.csv?endpoint=minio:9000", false, true, "--allow-host s3://other"},
		{"s3://bank/2026/x.csv?endpoint=minio:9001", false, true, "--allow-host minio:9001"},
		{"s3://bank/2026/x.csv?endpoint=minio", false, true, "--allow-host minio:443"},
		{"s3://bank/2026/x.csv?endpoint=evil/minio:9000", false, false, ""},
		{"s3://bank/2026/x.csv?endpoint=minio:9000@evil", false, false, ""},
		{"s3://bank/2026/x.csv?endpoint=ftp://minio:9000", false, false, ""},
		{"s3://bank/2026/x.csv?endpoint=169.254.169.254", false, false, ""},
		{"s3://bank/2026/x.csv?region=evil.com/", false, false, "eu-central-1"},
		{"s3://evil.com#/2026/x.csv", false, false, ""},

		{"az://account.blob.core.windows.net/c/x.csv", true, true, ""},
		{"az://c/x.csv?account=account", true, true, ""},
		{"abfss://c@account.dfs.core.windows.net/x.csv", true, true, ""},
		{"az://c/x.csv?connection_string=AccountName=account;AccountKey=s3cret", true, true, ""},
		{"az://c/x.csv?connection_string=DefaultEndpointsProtocol=http;AccountName=account;BlobEndpoint=http://db:10000/account", true, true, ""},
		{"az://c/x.csv?account=evil", false, true, "--allow-host evil.blob.core.windows.net:443"},
		{"az://c/x.csv?account=evil@account", false, false, ""},
		{"az://evil.example/c/x.csv?account=account", false, true, "--allow-host evil.example:443"},
		{"abfss://c@evil.example/x.csv?account=account", false, true, "--allow-host evil.example:443"},
		{"az://c/x.csv?account=evil.example/", false, true, "--allow-host evil.example:443"},
		{"az://c/x.csv?connection_string=AccountName=account;EndpointSuffix=evil.example;AccountKey=s3cret", false, true, "--allow-host account.blob.evil.example:443"},
		{"az://c/x.csv?connection_string=AccountName=account;BlobEndpoint=http://evil:1/account", false, true, "--allow-host evil:1"},
		{"az://c/x.csv?connection_string=AccountName=account;DevelopmentStorageProxyUri=http://evil", false, true, "EndpointSuffix"},
		{"az://c/x.csv?connection_string=BlobEndpoint=http://169.254.169.254/", false, false, ""},
		{"az://c/x.csv", false, true, "account"},
	}
	rows = append(rows, []row{
		{"postgres://u:s3cret@db/x?table=t", true, true, ""},
		{"mysql://u:s3cret@db/x?table=t", true, true, ""},
		{"postgres://books.example.com/x?table=t", true, true, ""},
		{"mysql://192.0.2.7/x?table=t", true, true, ""},
		{"postgres://10.1.2.3:6432/x?table=t", true, true, ""},
		{"mysql://books.example.com/x?table=t", false, true, "--allow-host books.example.com:3306"},
		{"postgres://u:s3cret@evil/x?table=t", false, true, "--allow-host evil:5432"},
		{"postgres://192.0.2.7/x?table=t", false, true, "--allow-host"},
		{"postgres://db,evil/x?table=t", false, false, ""},
		{"postgres://evil%2cdb/x?table=t", false, false, ""},
		{"postgres://%2fvar%2frun%2fpostgresql/x?table=t", false, true, ""},
		{"postgres://${SOCKET}/x?table=t", false, true, ""},
		{"postgres://%40abstract/x?table=t", false, false, ""},
		{"mysql://%2fvar%2frun%2fmysqld/x?table=t", false, false, ""},
		{"postgres://db%20hostaddr=6.6.6.6/x?table=t", false, false, ""},
		{"postgres://169.254.169.254/x?table=t", false, false, ""},
		{"postgres://2130706433/x?table=t", false, false, ""},
		{"postgres://db:70000/x?table=t", false, false, ""},
	}...)
	for _, tc := range rows {
		t.Run(tc.uri, func(t *testing.T) {
			s, err := source.Parse(tc.uri, nil, "/base", lookup)
			if err != nil {
				if tc.ok || tc.free {
					t.Fatal(err)
				}
				return
			}
			if err := p.Source(s); tc.ok != (err == nil) {
				t.Fatalf("restricted: %v", err)
			} else if err != nil {
				refused(t, err, kalla.CodeSource, tc.hint)
			}
			if err := free.Source(s); tc.free != (err == nil) {
				t.Fatalf("on loopback: %v", err)
			}
		})
	}
	// A libpq setting that would send it elsewhere is no option of a source.
	for _, uri := range []string{"postgres://db/x?table=t&hostaddr=6.6.6.6", "postgres://db/x?table=t&service=s", "postgres:///x?table=t"} {
		if _, err := source.Parse(uri, nil, "/base", lookup); err == nil {
			t.Errorf("%s is a source: the policy has to look at it", uri)
		}
	}
	// Named buckets belong to Amazon; another endpoint that is named opens all of its own.
	open := open(t, policy.Config{Hosts: []string{"minio:9000", "*.amazonaws.com"}})
	if err := open.Source(parse(t, "s3://other/x.csv?endpoint=minio:9000")); err != nil {
		t.Error(err)
	}
	refused(t, open.Source(parse(t, "s3://other/x.csv")), kalla.CodeSource, "s3://other")
	refused(t, open.Source(parse(t, "s3://other/x.csv?endpoint=s3.eu-central-1.amazonaws.com")), kalla.CodeSource, "s3://other")
}

func TestCallbacks(t *testing.T) {
	p := open(t, policy.Config{Callbacks: []string{"app", "hooks.example.com:8443", "10.0.0.0/8"}})
	local := open(t, policy.Config{Callbacks: []string{"localhost:3000"}})
	free := open(t, policy.Config{Loopback: true, Callbacks: []string{"app"}})
	for _, tc := range []struct {
		url            string
		p, local, free bool
	}{
		{"http://app:3000/api/worker", true, false, true},
		{"http://APP./api/worker?x=1", true, false, true},
		{"https://hooks.example.com:8443", true, false, false},
		{"https://hooks.example.com", false, false, false},
		{"http://10.0.0.1/", true, false, false},
		{"http://localhost:3000/api/worker", false, true, true},
		{"http://localhost.:3000", false, true, true},
		{"http://127.9.9.9:3000", false, true, true},
		{"http://[::1]:3000", false, true, true},
		{"http://[::ffff:127.0.0.1]:3000", false, true, true},
		{"http://localhost:3001", false, false, true},
		{"http://[64:ff9b::7f00:1]:3000", false, false, false},
		{"http://0x7f000001:3000", false, false, false},
		{"http://2130706433:3000", false, false, false},
		{"http://127.1:3000", false, false, false},
		{"http://0.0.0.0:3000", false, false, false},
		{"http://169.254.169.254/latest", false, false, false},
		{"http://[fe80::1]/", false, false, false},
		{"http://app@evil/", false, false, false},
		{"http://app:pw@app/", false, false, false},
		{"http://evil#@app/", false, false, false},
		{`http://evil\@app/`, false, false, false},
		{"http://app.evil/", false, false, false},
		{"http://xn--pp-0ia/", false, false, false},
		{"http://ａｐｐ/", false, false, false},
		{"http://аpp/", false, false, false}, // Cyrillic
		{"http://app/#x", false, false, false},
		{"ftp://app/", false, false, false},
		{"file:///etc/passwd", false, false, false},
		{"http:app", false, false, false},
		{"//app/", false, false, false},
		{"http:///x", false, false, false},
		{"http://app:0/", false, false, false},
		{"http://app:65536/", false, false, false},
		{"http://app%00/", false, false, false},
		{"", false, false, false},
	} {
		t.Run(tc.url, func(t *testing.T) {
			for name, q := range map[string]struct {
				*policy.Policy
				ok bool
			}{"restricted": {p, tc.p}, "localhost named": {local, tc.local}, "loopback": {free, tc.free}} {
				err := q.Callback(tc.url)
				if q.ok != (err == nil) {
					t.Errorf("%s: %v", name, err)
				} else if err != nil {
					refused(t, err, kalla.CodeUsage, "")
				}
			}
		})
	}
	refused(t, p.Callback("http://evil/?token=s3cret"), kalla.CodeUsage, "--allow-callback evil:80")
	refused(t, p.Callback("http://u:s3cret@evil/"), kalla.CodeUsage, "leave it out")
	refused(t, p.Callback("http://u:s3cret@ev il/"), kalla.CodeUsage, "")
}

func TestAddresses(t *testing.T) {
	p := open(t, policy.Config{Callbacks: []string{"app"}})
	local := open(t, policy.Config{Callbacks: []string{"localhost:3000"}})
	free := open(t, policy.Config{Loopback: true})
	for _, tc := range []struct {
		addr           string
		p, local, free bool
	}{
		{"192.0.2.1:80", true, true, true},
		{"172.18.0.3:3000", true, true, true},
		{"[fd12::3]:3000", true, true, true},
		{"127.0.0.1:3000", false, true, true},
		{"[::1]:3000", false, true, true},
		{"[::ffff:127.0.0.1]:3000", false, true, true},
		{"127.0.0.1:3001", false, false, true},
		{"0.0.0.0:3000", false, false, false},
		{"[::]:3000", false, false, false},
		{"169.254.169.254:80", false, false, false},
		{"[::ffff:169.254.169.254]:80", false, false, false},
		{"[fe80::1%eth0]:80", false, false, false},
		{"[fd00:ec2::254]:80", false, false, false},
		{"[ff02::1]:80", false, false, false},
		{"239.1.1.1:80", false, false, false},
	} {
		a := netip.MustParseAddrPort(tc.addr)
		for name, q := range map[string]struct {
			*policy.Policy
			ok bool
		}{"restricted": {p, tc.p}, "localhost named": {local, tc.local}, "loopback": {free, tc.free}} {
			if err := q.Address(a); q.ok != (err == nil) {
				t.Errorf("%s, %s: %v", tc.addr, name, err)
			}
		}
	}
}

func TestConfig(t *testing.T) {
	root := tree(t, "file.csv")
	for _, tc := range []struct {
		cfg  policy.Config
		hint string
	}{
		{policy.Config{FileDirs: []string{"data"}}, "from the root"},
		{policy.Config{FileDirs: []string{filepath.Join(root, "none")}}, "create"},
		{policy.Config{FileDirs: []string{filepath.Join(root, "file.csv")}}, "name the folder"},
		{policy.Config{Private: []string{"data"}}, ""},
		{policy.Config{Hosts: []string{""}}, "host:port"},
		{policy.Config{Hosts: []string{"*"}}, "host:port"},
		{policy.Config{Hosts: []string{"*.10.0.0.1"}}, "host:port"},
		{policy.Config{Hosts: []string{"a*.example.com"}}, "host:port"},
		{policy.Config{Hosts: []string{"host:http"}}, "host:port"},
		{policy.Config{Hosts: []string{"10.0.0.1/8"}}, "10.0.0.0/8"},
		{policy.Config{Hosts: []string{"::ffff:10.0.0.0/104"}}, "10.1.0.0/16"},
		{policy.Config{Hosts: []string{"127.1"}}, "host:port"},
		{policy.Config{Hosts: []string{"169.254.169.254"}}, "local link"},
		{policy.Config{Hosts: []string{"http://host"}}, "host:port"},
		{policy.Config{Hosts: []string{"az://container"}}, "blob.core.windows.net"},
		{policy.Config{Hosts: []string{"s3://b*"}}, "s3://bucket"},
		{policy.Config{Hosts: []string{"s3://bank/../x"}}, "s3://bucket"},
		{policy.Config{Callbacks: []string{"s3://bank"}}, "host:port"},
		{policy.Config{Callbacks: []string{"http://app:3000"}}, "host:port"},
		{policy.Config{Callbacks: []string{"bücher.example"}}, "host:port"},
	} {
		_, err := policy.New(tc.cfg)
		refused(t, err, kalla.CodeUsage, tc.hint)
	}
}
