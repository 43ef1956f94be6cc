package policy

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"kalla"
	"kalla/internal/source"
)

var (
	schemeForm = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*)://(.*)$`)
	bucketForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	regionForm = regexp.MustCompile(`^[A-Za-z0-9-]+$`)
)

// cutScheme splits a URI; the scheme is in lower case.
func cutScheme(text string) (scheme, rest string, ok bool) {
	m := schemeForm.FindStringSubmatch(text)
	if m == nil {
		return "", text, false
	}
	return strings.ToLower(m[1]), m[2], true
}

// host refuses a host that is never touched, or that no rule names.
func (c check) host(h host, port string) error {
	if h.forbidden() {
		return c.refuse(forbiddenWhy, "")
	}
	if c.loopback || slices.ContainsFunc(c.hosts, func(r rule) bool { return r.allows(h, port) }) {
		return nil
	}
	return c.refuse("the host "+h.String()+" is not allowed", "start the scheduler with --allow-host "+joinHostPort(h, port))
}

// url refuses a URL by its host. What says what it is to the reader.
func (c check) url(what, text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return c.refuse(what+" is not an address of a web server", "write https://host:port, without user or fragment")
	}
	h, port, why := parseURLHost(u)
	if why != "" {
		return c.refuse(what+": "+why, hostHint)
	}
	return c.host(h, port)
}

// database: a host is one name; what else a driver takes for one (a list, a
// socket's folder) is not one name.
func (c check) database(s source.Source) error {
	if c.loopback && s.Type == source.Postgres && strings.HasPrefix(s.Host, "/") {
		return nil // the socket's folder
	}
	h, why := parseHost(s.Host)
	if why != "" {
		return c.refuse(why, hostHint)
	}
	port, why := parsePort(s.Port)
	if why != "" {
		return c.refuse(why, "")
	}
	return c.host(h, port)
}

// s3 allows an object by its bucket. At another endpoint than Amazon's, whose
// buckets are other ones, the endpoint has to be named, which opens all its
// buckets unless some are named.
func (c check) s3(s source.Source) error {
	if region := s.Get("region"); region != "" && !regionForm.MatchString(region) { // it becomes part of the host
		return c.refuse("the region is not a region's name", "write it as eu-central-1")
	}
	endpoint := s.Get("endpoint")
	if endpoint == "" {
		return c.bucket(s.Path, true)
	}
	scheme, authority, ok := cutScheme(endpoint)
	if !ok {
		scheme = "https"
		if s.Get("use_ssl") == "false" {
			scheme = "http"
		}
	}
	authority = strings.ToLower(strings.TrimSuffix(authority, "/"))
	if strings.ContainsAny(authority, `/?#@\`) {
		return c.refuse("the endpoint is more than a host", "write host or host:port, with or without http:// or https://")
	}
	if err := c.url("the endpoint", scheme+"://"+authority); err != nil {
		return err
	}
	name, _, _ := strings.Cut(authority, ":")
	name = strings.TrimSuffix(name, ".")
	amazon := strings.HasSuffix(name, ".amazonaws.com") || strings.HasSuffix(name, ".amazonaws.com.cn")
	return c.bucket(s.Path, amazon || slices.ContainsFunc(c.buckets, func(b bucketRule) bool { return b.scheme == "s3" }))
}

// bucket refuses what is not the path of an object and, where it must be named,
// a bucket that is not.
func (c check) bucket(path string, named bool) error {
	scheme, rest, _ := cutScheme(path)
	bucket, key, _ := strings.Cut(rest, "/")
	switch {
	case !bucketForm.MatchString(bucket):
		return c.refuse("this is not a bucket's name", "it has letters, digits, dots and hyphens")
	case strings.ContainsAny(key, "?#\\") || climbs(key):
		return c.refuse("the path has ?, #, \\ or a segment of dots", "rename the object")
	case c.loopback || !named:
		return nil
	}
	// Up to its first wildcard a pattern is fixed.
	fixed, wild := key, false
	if i := strings.IndexAny(key, "*[{"); i >= 0 {
		fixed, wild = key[:i], true
	}
	if slices.ContainsFunc(c.buckets, func(b bucketRule) bool {
		return b.scheme == scheme && b.bucket == bucket &&
			(b.prefix == "" || strings.HasPrefix(fixed, b.prefix+"/") || fixed == b.prefix && !wild)
	}) {
		return nil
	}
	return c.refuse("the bucket or its prefix is not allowed", "start the scheduler with --allow-host "+scheme+"://"+bucket)
}

// climbs reports whether a segment is one that URLs are cleaned of.
func climbs(key string) bool {
	for segment := range strings.SplitSeq(key, "/") {
		switch strings.ReplaceAll(strings.ToLower(segment), "%2e", ".") {
		case ".", "..":
			return true
		}
	}
	return false
}

// azure allows a container by the hosts that the path and the credentials name:
// all of them, since either may decide where the request goes.
func (c check) azure(s source.Source) error {
	_, rest, _ := cutScheme(s.Path)
	authority, key, _ := strings.Cut(rest, "/")
	if strings.ContainsAny(key, "?#\\") || climbs(key) {
		return c.refuse("the path has ?, #, \\ or a segment of dots", "rename the object")
	}
	urls, ok := connectionHosts(s.Get("connection_string"))
	if !ok && !c.loopback {
		return c.refuse("the connection string has a part that is not known", "write AccountName, AccountKey, SharedAccessSignature, EndpointSuffix, BlobEndpoint")
	}
	if _, at, ok := strings.Cut(authority, "@"); ok {
		urls = append(urls, "https://"+at)
	} else if strings.Contains(authority, ".") {
		urls = append(urls, "https://"+authority)
	} else if !bucketForm.MatchString(authority) {
		return c.refuse("this is not a container's name", "it has letters, digits and hyphens")
	}
	if account := s.Get("account"); account != "" {
		urls = append(urls, "https://"+account+".blob.core.windows.net")
	}
	if len(urls) == 0 && !c.loopback {
		return c.refuse("no storage account is named", "add the option account, or write az://account.blob.core.windows.net/container/path")
	}
	for _, text := range urls {
		if err := c.url("the storage account", text); err != nil {
			return err
		}
	}
	return nil
}

// connectionHosts returns the endpoints of a connection string of Azure; not ok
// if it has a part whose meaning for the destination is not known.
func connectionHosts(text string) (urls []string, ok bool) {
	if text == "" {
		return nil, true
	}
	account, suffix := "", "core.windows.net"
	for part := range strings.SplitSeq(text, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch key = strings.ToLower(key); key {
		case "", "accountkey", "sharedaccesssignature", "defaultendpointsprotocol":
		case "accountname":
			account = value
		case "endpointsuffix":
			suffix = value
		case "blobendpoint", "dfsendpoint", "blobsecondaryendpoint":
			urls = append(urls, value)
		case "queueendpoint", "tableendpoint", "fileendpoint": // never used
		default:
			return nil, false
		}
	}
	if account != "" {
		urls = append(urls, "https://"+account+".blob."+suffix)
	}
	return urls, true
}

// bucketRule allows the objects of a bucket, or those below a prefix of it.
type bucketRule struct{ scheme, bucket, prefix string }

// parseBucketRule reads s3://bucket/prefix; ok is false where text is none of its kind.
func parseBucketRule(text string) (rule bucketRule, ok bool, err error) {
	scheme, rest, _ := cutScheme(text)
	switch scheme {
	case "s3a":
		scheme = "s3"
	case "gcs":
		scheme = "gs"
	case "s3", "gs":
	default:
		return bucketRule{}, false, nil
	}
	bucket, prefix, _ := strings.Cut(rest, "/")
	prefix = strings.TrimSuffix(prefix, "/")
	if !bucketForm.MatchString(bucket) || strings.ContainsAny(prefix, "*?[{#\\") || climbs(prefix) {
		return bucketRule{}, false, &kalla.Error{Code: kalla.CodeUsage, Op: "reading policy", Where: "--allow-host " + text,
			Why: "this is neither a bucket nor a prefix of one", Hint: "write " + scheme + "://bucket or " + scheme + "://bucket/prefix, without a pattern"}
	}
	return bucketRule{scheme: scheme, bucket: bucket, prefix: prefix}, true, nil
}
