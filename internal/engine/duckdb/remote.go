package duckdb

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"kalla"
	"kalla/internal/source"
)

// access prepares reading from object storage and web servers: the extension,
// and credentials that hold for the objects of this source only, in memory.
func (s *Session) access(ctx context.Context, src source.Source) error {
	switch src.Type {
	case source.File:
		return nil
	case source.Azure:
		if err := s.load(ctx, "azure"); err != nil {
			return err
		}
	default:
		if err := s.load(ctx, "httpfs"); err != nil {
			return err
		}
	}
	options := secretOptions(src)
	if len(options) == 0 {
		return nil
	}
	scope := src.Path
	if i := strings.IndexAny(scope, "*["); i >= 0 && src.IsGlob() {
		scope = scope[:i]
	}
	name, ok := s.secrets[scope]
	if !ok {
		name = ident(fmt.Sprintf("__kalla_secret%d", len(s.secrets)))
		s.secrets[scope] = name
	}
	options = append(options, "SCOPE "+text(scope))
	_, err := s.conn.ExecContext(ctx, "CREATE OR REPLACE SECRET "+name+" ("+strings.Join(options, ", ")+")")
	return err
}

// secretOptions writes the credentials of a source as options of CREATE SECRET; none where it has none.
func secretOptions(src source.Source) []string {
	var out []string
	add := func(option, value string) {
		if value != "" {
			out = append(out, option+" "+text(value))
		}
	}
	switch src.Type {
	case source.S3:
		out = append(out, "TYPE s3")
		endpoint, ssl := src.Get("endpoint"), src.Get("use_ssl")
		style := src.Get("url_style")
		if scheme, rest, ok := strings.Cut(endpoint, "://"); ok {
			endpoint = strings.TrimSuffix(rest, "/")
			if ssl == "" {
				ssl = fmt.Sprint(scheme == "https")
			}
		}
		if endpoint != "" && style == "" {
			style = "path"
		}
		add("KEY_ID", src.Get("key_id"))
		add("SECRET", src.Get("secret"))
		add("SESSION_TOKEN", src.Get("session_token"))
		add("REGION", src.Get("region"))
		add("ENDPOINT", endpoint)
		add("URL_STYLE", style)
		add("USE_SSL", ssl)
	case source.GCS:
		if !src.Has("key_id") {
			return nil
		}
		out = append(out, "TYPE gcs")
		add("KEY_ID", src.Get("key_id"))
		add("SECRET", src.Get("secret"))
	case source.Azure:
		if !src.Has("connection_string") && !src.Has("account") {
			return nil
		}
		out = append(out, "TYPE azure")
		add("CONNECTION_STRING", src.Get("connection_string"))
		if !src.Has("connection_string") {
			add("ACCOUNT_NAME", src.Get("account"))
		}
	}
	return out
}

// dropSecrets forgets the credentials of all sources.
func (s *Session) dropSecrets(ctx context.Context) error {
	for _, name := range s.secrets {
		if _, err := s.Exec(ctx, "DROP SECRET "+name); err != nil {
			return err
		}
	}
	clear(s.secrets)
	return nil
}

// remoteFiles lists the objects that a source names, at least one.
func (s *Session) remoteFiles(ctx context.Context, src source.Source) ([]string, error) {
	if !src.IsGlob() {
		return []string{src.Path}, nil
	}
	rows, err := s.textRows(ctx, "SELECT file FROM glob("+text(src.Path)+") ORDER BY file", 1)
	if err != nil {
		return nil, remoteError(src, err)
	}
	if len(rows) == 0 {
		return nil, &kalla.Error{Code: kalla.CodeSource, Where: src.Location(), Why: "no object matches the pattern"}
	}
	return firstColumn(rows), nil
}

// remoteFingerprint is the size and time of the objects.
func (s *Session) remoteFingerprint(ctx context.Context, src source.Source) (string, error) {
	list, err := s.pathList(ctx, src)
	if err != nil {
		return "", err
	}
	rows, err := s.textRows(ctx, "SELECT size, strftime(last_modified, '%Y-%m-%dT%H:%M:%SZ') FROM read_blob("+list+") ORDER BY filename", 2)
	if err != nil {
		return "", remoteError(src, err)
	}
	parts := make([]string, len(rows))
	for i, r := range rows {
		if r[0] != nil && *r[0] == "0" {
			return "", &kalla.Error{Code: kalla.CodeSource, Where: src.Location(), Why: "the object is empty"}
		}
		for j, name := range []string{"size:", ",mtime:"} {
			if r[j] != nil {
				parts[i] += name + *r[j]
			}
		}
	}
	return strings.Join(parts, " "), nil
}

// remoteError says why an object cannot be read.
func remoteError(src source.Source, err error) error {
	e := &kalla.Error{Code: kalla.CodeSource, Where: src.Location()}
	message := err.Error()
	host := src.Get("endpoint")
	if u, urlErr := url.Parse(src.Path); urlErr == nil && host == "" {
		host = u.Host
	}
	switch {
	case containsAny(message, "403", "Forbidden", "SignatureDoesNotMatch", "InvalidAccessKeyId"):
		e.Why, e.Hint = "the server denies access", "check the credentials (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), the region and the permissions"
	case containsAny(message, "404", "NoSuchKey", "NoSuchBucket", "No files found"):
		e.Why, e.Hint = "there is no such object", "check bucket and path"
	case containsAny(message, "Could not establish connection", "Connection refused", "Could not resolve", "Couldn't connect", "Could not connect"):
		e.Why, e.Hint = "nothing answers at "+host, "check the endpoint and the network"
	case containsAny(message, "HTTP GET error", "HTTP HEAD error"):
		e.Why, e.Hint = "the server does not deliver it", "open the address in a browser, or with curl"
		if i, j := strings.LastIndexByte(message, '('), strings.LastIndexByte(message, ')'); i >= 0 && i < j {
			e.Why += " " + message[i:j+1]
		}
	default:
		return err
	}
	return e
}
