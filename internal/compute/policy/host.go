package policy

import (
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"kalla"
)

// host is a host as it is written: an address, or a name in lower case.
type host struct {
	name string // empty for an address
	addr netip.Addr
}

const (
	hostHint     = "write a host name in ASCII (xn--… for others), or an address as 192.0.2.7 or [2001:db8::7]"
	forbiddenWhy = "this is an address of the local link, of a metadata service or of no host, which no job needs"
)

var (
	nameForm = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$`)
	// What ends in a number is an address to most programs: 0x7f000001, 2130706433, 127.1, 0177.0.0.1.
	numberForm = regexp.MustCompile(`(^|\.)([0-9]+|0x[0-9a-f]*)$`)
)

// parseHost reads a host without brackets or port, and says why it is none.
// There is one spelling of every host that passes, so that what is compared
// with a rule and what a resolver makes of it cannot differ.
func parseHost(text string) (h host, why string) {
	text = strings.TrimSuffix(strings.ToLower(text), ".")
	if a, err := netip.ParseAddr(text); err == nil {
		if a.Zone() != "" {
			return host{}, "the address has a zone"
		}
		return host{addr: a.Unmap()}, ""
	}
	switch {
	case text == "":
		return host{}, "the host is missing"
	case !nameForm.MatchString(text):
		return host{}, "this is not the name of one host"
	case numberForm.MatchString(text):
		return host{}, "the address is not in its usual form"
	}
	return host{name: text}, ""
}

// parseURLHost reads the host of a URL, and its port or the default of the scheme.
func parseURLHost(u *url.URL) (h host, port, why string) {
	if h, why = parseHost(u.Hostname()); why != "" {
		return host{}, "", why
	}
	if port = u.Port(); port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	if port, why = parsePort(port); why != "" {
		return host{}, "", why
	}
	return h, port, ""
}

func parsePort(text string) (port, why string) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return "", "the port is not a number from 1 to 65535"
	}
	return strconv.FormatUint(n, 10), ""
}

func (h host) String() string {
	if h.name != "" {
		return h.name
	}
	return h.addr.String()
}

func joinHostPort(h host, port string) string { return net.JoinHostPort(h.String(), port) }

func (h host) loopback() bool { return h.name == "localhost" || h.addr.IsLoopback() }

var (
	nat64 = netip.MustParsePrefix("64:ff9b::/96")

	// Of no host, or of metadata services outside the local link (AWS over
	// IPv6, Alibaba, Azure).
	forbiddenPrefixes = []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"),
		netip.MustParsePrefix("255.255.255.255/32"),
		netip.MustParsePrefix("fd00:ec2::254/128"),
		netip.MustParsePrefix("100.100.100.200/32"),
		netip.MustParsePrefix("168.63.129.16/32"),
	}
)

// forbidden reports whether no rule can allow the address. Names are not looked up.
func (h host) forbidden() bool {
	a := h.addr
	if !a.IsValid() {
		return false
	}
	if nat64.Contains(a) { // a gateway sends it on to the IPv4 address at its end
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
		if a.IsLoopback() {
			return true
		}
	}
	if a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast() {
		return true
	}
	for _, p := range forbiddenPrefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// rule allows a host, the hosts below a domain, or those of a network.
type rule struct {
	host    host         // exactly this
	domain  string       // or below it: ".example.com"
	network netip.Prefix // or in it
	port    string       // empty for any
}

func (r rule) allows(h host, port string) bool {
	if r.port != "" && r.port != port {
		return false
	}
	switch {
	case r.network.IsValid():
		return h.addr.IsValid() && r.network.Contains(h.addr)
	case r.domain != "":
		return strings.HasSuffix(h.name, r.domain)
	case r.host.name == "localhost":
		return h.loopback()
	}
	return r.host == h
}

// parseRule reads what follows a flag.
func parseRule(flag, text string) (rule, error) {
	fault := func(why, hint string) (rule, error) {
		return rule{}, &kalla.Error{Code: kalla.CodeUsage, Op: "reading policy", Where: flag + " " + text, Why: why, Hint: hint}
	}
	const forms = "write host, host:port, *.example.com, or a network as 10.1.0.0/16"
	if scheme, _, ok := cutScheme(text); ok {
		if scheme == "az" || scheme == "abfss" {
			return fault("Azure's storage is allowed by the host of its account", "write account.blob.core.windows.net or account.dfs.core.windows.net")
		}
		return fault("this is a URL", forms)
	}
	if strings.Contains(text, "/") {
		n, err := netip.ParsePrefix(text)
		if err != nil {
			return fault("this is neither a host nor a network", forms)
		}
		if n != n.Masked() {
			return fault("the address has bits outside its network", "write "+n.Masked().String())
		}
		if n.Addr().Is4In6() {
			return fault("this is an IPv4 network written as IPv6", "write it as 10.1.0.0/16")
		}
		return rule{network: n}, nil
	}
	name, port := text, ""
	if _, err := netip.ParseAddr(text); err != nil {
		if h, p, err := net.SplitHostPort(text); err == nil {
			var why string
			if port, why = parsePort(p); why != "" {
				return fault(why, forms)
			}
			name = h
		} else {
			name = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
		}
	}
	domain, below := strings.CutPrefix(name, "*.")
	h, why := parseHost(domain)
	switch {
	case why != "":
		return fault(why, forms)
	case h.forbidden():
		return fault("no rule can allow this address", "it is of the local link, of a metadata service or of no host")
	case below && h.name == "":
		return fault("an address has no hosts below it", forms)
	case below:
		return rule{domain: "." + h.name, port: port}, nil
	}
	return rule{host: h, port: port}, nil
}
