// Package objects keeps files in a bucket of S3, or of a service that speaks
// its language: the objects below one prefix, none of which is ever overwritten.
package objects

import (
	"context"
	"errors"
	"io"
	"net/url"
	"os"
	"path"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"kalla"
	"kalla/internal/source"
)

// Prefix is a place for objects. It may be used by several goroutines.
type Prefix struct {
	client *s3.Client
	bucket string
	prefix string // ends in a slash
	src    source.Source
	close  func()
}

// IsURI reports whether a place is written as one in a bucket.
func IsURI(place string) bool {
	scheme, _, ok := strings.Cut(place, "://")
	return ok && (strings.EqualFold(scheme, "s3") || strings.EqualFold(scheme, "s3a"))
}

// Open reads a URI such as s3://bucket/runs/1?endpoint=…; credentials and
// options are those of an s3 source. Nothing is connected to yet. The caller
// ends with Close.
func Open(uri string, env func(string) (string, bool)) (*Prefix, error) {
	base, query, hasQuery := strings.Cut(uri, "?")
	// The URI of an object is what package source knows how to read.
	object := strings.TrimRight(base, "/") + "/object.json"
	if hasQuery {
		object += "?" + query
	}
	src, err := source.Parse(object, nil, "", env)
	if err != nil {
		var e *kalla.Error
		if !errors.As(err, &e) {
			return nil, err
		}
		bad := *e
		bad.Code, bad.Op = kalla.CodeUsage, "reading the URI of a place for objects"
		return nil, &bad
	}
	src.Path = strings.TrimSuffix(src.Path, "/object.json")
	return At(src)
}

// At is Open for an s3 source whose path is the prefix, without a slash at its end.
func At(src source.Source) (*Prefix, error) {
	_, rest, _ := strings.Cut(src.Path, "://")
	bucket, prefix, _ := strings.Cut(rest, "/")
	if prefix == "" || path.Clean("/"+prefix) != "/"+prefix {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "reading the URI of a place for objects", Where: "s3://" + bucket,
			Why: "it names no prefix inside the bucket, or one with empty parts", Hint: "write s3://" + bucket + "/runs/NAME"}
	}
	p := &Prefix{bucket: bucket, prefix: prefix + "/", src: src}
	p.client, p.close = connect(src)
	return p, nil
}

// String is the URI without credentials and options.
func (p *Prefix) String() string { return "s3://" + p.bucket + "/" + strings.TrimSuffix(p.prefix, "/") }

// Close frees the connections.
func (p *Prefix) Close() { p.close() }

// listLimit is the most objects that List returns.
const listLimit = 100_000

// List returns the sizes of the objects below the prefix by name, at most 100,000.
// The name of an object that is not directly below has slashes in it.
func (p *Prefix) List(ctx context.Context) (map[string]int64, error) {
	sizes := map[string]int64{}
	pages := s3.NewListObjectsV2Paginator(p.client, &s3.ListObjectsV2Input{Bucket: &p.bucket, Prefix: &p.prefix})
	for pages.HasMorePages() && len(sizes) < listLimit {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, p.fault(ctx, "listing objects", "", err)
		}
		for _, o := range page.Contents {
			if name := strings.TrimPrefix(aws.ToString(o.Key), p.prefix); name != "" { // consoles make folders as empty objects
				sizes[name] = aws.ToInt64(o.Size)
			}
		}
	}
	return sizes, nil
}

// Name is that of an object below the prefix by its URI, without credentials and
// options; ok is false for any other.
func (p *Prefix) Name(uri string) (name string, ok bool) {
	return strings.CutPrefix(uri, p.String()+"/")
}

// ownerKey is the metadata that says who uploaded an object.
const ownerKey = "kalla-owner"

// Owner returns who uploaded an object, "" where that is not known or there is no such object.
func (p *Prefix) Owner(ctx context.Context, name string) (string, error) {
	head, err := p.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &p.bucket, Key: p.key(name)})
	switch {
	case IsNotExist(err):
		return "", nil
	case err != nil:
		return "", p.fault(ctx, "looking at an object", name, err)
	}
	for k, v := range head.Metadata {
		if strings.EqualFold(k, ownerKey) {
			return url.PathUnescape(v)
		}
	}
	return "", nil
}

// Read returns an object, of at most limit bytes. IsNotExist tells whether it is not there.
func (p *Prefix) Read(ctx context.Context, name string, limit int64) ([]byte, error) {
	body, err := p.open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, p.fault(ctx, "reading an object", name, err)
	}
	if int64(len(data)) > limit {
		return nil, &kalla.Error{Code: kalla.CodeEvidence, Op: "reading an object", Where: p.where(name), Why: "it is larger than any that Kalla writes"}
	}
	return data, nil
}

// Download writes an object to a new file.
func (p *Prefix) Download(ctx context.Context, name, file string) (err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = p.Fetch(ctx, name, f)
	if IsNotExist(err) {
		_ = os.Remove(file)
	}
	return err
}

// Fetch writes an object to w and returns its length in bytes.
func (p *Prefix) Fetch(ctx context.Context, name string, w io.Writer) (int64, error) {
	body, err := p.open(ctx, name)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	n, err := io.CopyBuffer(w, body, make([]byte, 1<<20))
	if err != nil {
		var local *os.PathError
		if errors.As(err, &local) {
			return n, err
		}
		return n, p.fault(ctx, "reading an object", name, err)
	}
	return n, nil
}

func (p *Prefix) open(ctx context.Context, name string) (io.ReadCloser, error) {
	got, err := p.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &p.bucket, Key: p.key(name)})
	if err != nil {
		return nil, p.fault(ctx, "reading an object", name, err)
	}
	return got.Body, nil
}

// Delete removes an object; one that is not there is no error.
func (p *Prefix) Delete(ctx context.Context, name string) error {
	if _, err := p.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &p.bucket, Key: p.key(name)}); err != nil {
		return p.fault(ctx, "removing an object", name, err)
	}
	return nil
}

func (p *Prefix) key(name string) *string { return aws.String(p.prefix + name) }

func (p *Prefix) where(name string) string {
	if name == "" {
		return p.String()
	}
	return p.String() + "/" + name
}
