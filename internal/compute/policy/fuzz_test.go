package policy_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kalla/internal/compute/policy"
	"kalla/internal/source"
)

// FuzzPolicyFile: what is allowed and exists is one of the files that are in
// the folder, whatever way the operating system gets there.
func FuzzPolicyFile(f *testing.F) {
	root := tree(f, "data/a.csv", "data/sub/b.csv", "secret/s.csv")
	for name, target := range map[string]string{"in": "a.csv", "up": "..", "dir": "../secret", "sub/out.csv": "../../secret/s.csv", "none": "../none", "self": "self"} {
		if err := os.Symlink(target, filepath.Join(root, "data", name)); err != nil {
			f.Fatal(err)
		}
	}
	data := filepath.Join(root, "data")
	var inside []os.FileInfo
	for _, name := range []string{"a.csv", "sub", "sub/b.csv"} {
		info, err := os.Stat(filepath.Join(data, name))
		if err != nil {
			f.Fatal(err)
		}
		inside = append(inside, info)
	}
	p := open(f, policy.Config{FileDirs: []string{data}})
	for _, path := range []string{"a.csv", "sub/*.csv", "*/s.csv", "in", "up/data/a.csv", "dir/s.csv", "none/x", "self", "sub/../../secret/s.csv", "*/../../secret/*", "./sub//b.csv",
		"[a-z]*/?.csv", "\x00", "..", "", "new/run", "a.csv?format=csv", "[", `\*`, "up/secret/s.csv"} {
		f.Add(path)
	}
	stays := func(t *testing.T, path string) {
		info, err := os.Stat(path)
		if err == nil && !slices.ContainsFunc(inside, func(in os.FileInfo) bool { return os.SameFile(in, info) }) {
			t.Errorf("%q is allowed and leads out", path)
		}
	}
	f.Fuzz(func(t *testing.T, path string) {
		if out := data + "/" + path; p.Output(out) == nil {
			stays(t, out)
		}
		s, err := source.Parse(data+"/"+path, map[string]string{"format": "csv"}, "/", lookup)
		if err != nil || p.Source(s) != nil {
			return
		}
		stays(t, s.Path)
		found, err := filepath.Glob(s.Path)
		if err != nil {
			return // nothing is read by it
		}
		for _, match := range found {
			stays(t, match)
		}
	})
}

var errDialled = errors.New("dialled")

// FuzzCallbackURL: net/http dials no other host than those that are named,
// whatever a URL that is allowed looks like.
func FuzzCallbackURL(f *testing.F) {
	p := open(f, policy.Config{Callbacks: []string{"app", "*.example.com:8443", "10.0.0.0/8", "localhost:3000", "[2001:db8::7]:443"}})
	for _, u := range []string{"http://app/api/worker", "https://a.example.com:8443/x?y=z", "http://10.1.2.3:99", "http://localhost.:3000", "http://[::1]:3000/", "https://[2001:db8::7]",
		"http://app@evil/", `http://app\@evil/`, "http://evil#@app/", "http://app:80:81/", "http://[::ffff:10.0.0.1]/", "http://0x0a000001/", "http://ａｐｐ/", "http://app%2eevil/",
		"http://app%00/", "HTTP://APP", "http://app/\r\nHost: evil", "http://[app]/", "http://[fe80::1%25lo]/", "http://.app./", "http://app../"} {
		f.Add(u)
	}
	var dialled string
	transport := &http.Transport{DialContext: func(_ context.Context, _, addr string) (net.Conn, error) {
		dialled = addr
		return nil, errDialled
	}}
	f.Fuzz(func(t *testing.T, u string) {
		if p.Callback(u) != nil {
			return
		}
		req, err := http.NewRequest(http.MethodPost, u, nil)
		if err != nil {
			t.Fatalf("%q is allowed and no URL: %v", u, err)
		}
		dialled = ""
		if resp, err := transport.RoundTrip(req); !errors.Is(err, errDialled) {
			if err == nil {
				resp.Body.Close()
			}
			t.Fatalf("%q is allowed and was not dialled: %v", u, err)
		}
		host, port, err := net.SplitHostPort(dialled)
		if err != nil {
			t.Fatal(err)
		}
		host = strings.TrimSuffix(strings.ToLower(host), ".")
		ip, _ := netip.ParseAddr(host)
		ip = ip.Unmap()
		switch {
		case host == "app", strings.HasSuffix(host, ".example.com") && port == "8443", ip.Is4() && ip.As4()[0] == 10,
			(host == "localhost" || ip.IsLoopback()) && port == "3000", ip == netip.MustParseAddr("2001:db8::7") && port == "443":
		default:
			t.Errorf("%q is allowed and dials %s", u, dialled)
		}
	})
}
