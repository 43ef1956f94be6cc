// Package policy decides what a scheduler may touch on behalf of its clients:
// which files and hosts a job reads, where it writes, and who is called back.
// A scheduler on loopback serves those who could do the same themselves, and
// lets them; any other touches only what it was started with.
package policy

import (
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"

	"kalla"
	"kalla/internal/source"
)

// Config is what a scheduler was started with.
type Config struct {
	// Loopback says that the scheduler is bound to loopback: files and hosts
	// are free, and callbacks go to loopback beside what Callbacks names.
	Loopback bool

	// FileDirs are folders, absolute and existing, below which files are read
	// and evidence is written.
	FileDirs []string

	// Hosts are what jobs read from and write to:
	//
	//	db.example.com         at any port
	//	db.example.com:5432    at this port
	//	*.example.com          hosts below a domain, not the domain itself; a port may follow
	//	10.1.0.0/16, fd00::/8  hosts that are written as such an address
	//	localhost              the machine itself, in any spelling
	//	s3://bucket/prefix     objects of a bucket, in gs likewise
	Hosts []string

	// Callbacks are the hosts that are called back, written as in Hosts.
	Callbacks []string

	// Private are files and folders, absolute, that no job reads or writes
	// even on loopback: the scheduler's own. They need not exist.
	Private []string

	// LookupEnv resolves ${NAME} in outputs, and the S3 settings that come from
	// the environment, as it does in sources; may be nil.
	LookupEnv func(string) (string, bool)
}

// Policy answers whether something may be touched. It is safe for concurrent use.
//
// All refusals are *kalla.Error: they name the flag of the scheduler that would
// allow it, and hold no credential.
type Policy struct {
	loopback  bool
	dirs      []string // symlinks resolved
	private   []string // symlinks resolved
	hosts     []rule
	buckets   []bucketRule
	callbacks []rule
	env       func(string) (string, bool)
}

// New reads the configuration. Errors are *kalla.Error with CodeUsage and name
// the flag that is wrong.
func New(cfg Config) (*Policy, error) {
	p := &Policy{loopback: cfg.Loopback, env: cfg.LookupEnv}
	if p.env == nil {
		p.env = func(string) (string, bool) { return "", false }
	}
	for _, dir := range cfg.FileDirs {
		resolved, err := allowedDir(dir)
		if err != nil {
			return nil, err
		}
		p.dirs = append(p.dirs, resolved)
	}
	private := cfg.Private
	if filepath.IsAbs("/") { // the kernel's files hold no records, but the environment and memory of processes
		private = append([]string{"/proc", "/sys"}, private...)
	}
	for _, path := range private {
		resolved, why := resolve(path)
		if why != "" {
			return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "reading policy", Where: path, Why: why}
		}
		p.private = append(p.private, resolved)
	}
	for _, text := range cfg.Hosts {
		if b, ok, err := parseBucketRule(text); err != nil {
			return nil, err
		} else if ok {
			p.buckets = append(p.buckets, b)
			continue
		}
		r, err := parseRule("--allow-host", text)
		if err != nil {
			return nil, err
		}
		p.hosts = append(p.hosts, r)
	}
	for _, text := range cfg.Callbacks {
		r, err := parseRule("--allow-callback", text)
		if err != nil {
			return nil, err
		}
		p.callbacks = append(p.callbacks, r)
	}
	return p, nil
}

const (
	sourceOp   = "checking source"
	outputOp   = "checking output_path"
	callbackOp = "checking callback_url"
)

// Source reports whether a source may be read; refusals have CodeSource. Of a
// pattern every file that it matches now is looked at, so the answer is as
// fresh as the call. Hosts are judged by how they are written: the engine looks
// them up itself, and follows the redirects of a web server that is allowed.
func (p *Policy) Source(s source.Source) error {
	c := check{Policy: p, code: kalla.CodeSource, op: sourceOp, where: s.Location()}
	switch s.Type {
	case source.File, source.SQLite:
		return c.file(s.Path, s.IsGlob())
	case source.Postgres, source.MySQL:
		return c.database(s)
	case source.HTTP:
		return c.url("the source", s.Path)
	case source.S3:
		return c.s3(s)
	case source.GCS:
		return c.bucket(s.Path, true)
	case source.Azure:
		return c.azure(s)
	}
	return c.refuse("sources of type "+string(s.Type)+" are not allowed here", "")
}

// Output reports whether evidence may be written to a folder, which need not
// exist, or below an s3:// prefix; refusals have CodeUsage, those of a malformed
// s3:// URI CodeSource.
func (p *Policy) Output(path string) error {
	c := check{Policy: p, code: kalla.CodeUsage, op: outputOp, where: path}
	scheme, _, isURI := cutScheme(path)
	if !isURI {
		return c.output(path)
	}
	if scheme != "s3" && scheme != "s3a" {
		c.where = scheme + "://"
		return c.refuse("evidence cannot be written there", "name a folder, or s3://bucket/prefix")
	}
	// A prefix is written like an object, but has no extension that tells a format.
	s, err := source.Parse(path, map[string]string{"format": string(source.Parquet)}, "", p.env)
	if err != nil {
		return err
	}
	c.where = s.Location()
	if s.IsGlob() {
		return c.refuse("the prefix is a pattern", "write it without * and [")
	}
	return c.s3(s)
}

// Callback reports whether a URL may be called back, by what it says; where
// its name leads is for [Policy.Address]. Refusals have CodeUsage.
func (p *Policy) Callback(rawURL string) error {
	c := check{Policy: p, code: kalla.CodeUsage, op: callbackOp}
	u, err := url.Parse(rawURL)
	if err != nil {
		return c.refuse("it is not a URL", "write http://host:port/path")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https" || u.Opaque != "" || u.Host == "":
		return c.refuse("it is not an http or https URL", "write http://host:port/path")
	case u.User != nil:
		c.where = u.Hostname()
		return c.refuse("a user stands before the host", "leave it out: the scheduler sends the token that it was started with")
	}
	c.where = u.Scheme + "://" + u.Host
	if u.Fragment != "" {
		return c.refuse("it has a fragment, which is never sent", "leave out # and what follows")
	}
	h, port, why := parseURLHost(u)
	if why != "" {
		return c.refuse(why, hostHint)
	}
	if h.forbidden() {
		return c.refuse(forbiddenWhy, "")
	}
	if p.loopback && h.loopback() || slices.ContainsFunc(p.callbacks, func(r rule) bool { return r.allows(h, port) }) {
		return nil
	}
	return c.refuse("this host is not called back", "start the scheduler with --allow-callback "+joinHostPort(h, port))
}

// Address reports whether a callback may connect to an address that its host
// resolved to. It is to be asked of the address that is dialled, so that no
// change of DNS between question and connection helps. The host itself has
// passed [Policy.Callback], so private networks are open to it. The machine
// itself is open only where its own address would be, and what is only on the
// local link (cloud metadata among it) never is. Refusals have CodeUsage.
func (p *Policy) Address(a netip.AddrPort) error {
	c := check{Policy: p, code: kalla.CodeUsage, op: callbackOp, where: a.String()}
	h := host{addr: a.Addr().WithZone("").Unmap()}
	if h.forbidden() {
		return c.refuse("the host leads to an address of the local link, of a metadata service or of no host", "check the name in DNS")
	}
	port := strconv.Itoa(int(a.Port()))
	if h.loopback() && !p.loopback && !slices.ContainsFunc(p.callbacks, func(r rule) bool { return r.allows(h, port) }) {
		return c.refuse("the host leads to the scheduler's own machine", "if that is meant, write localhost in the URL and start the scheduler with --allow-callback localhost:"+port)
	}
	return nil
}

// check is one question, with what its refusal says.
type check struct {
	*Policy
	code  kalla.Code
	op    string
	where string
}

func (c check) refuse(why, hint string) error {
	return &kalla.Error{Code: c.code, Op: c.op, Where: c.where, Why: why, Hint: hint}
}
