package objects

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"kalla"
)

// Presign returns a URL that a file may be PUT to as an object, without
// credentials, for a while. No header is part of the signature.
func (p *Prefix) Presign(ctx context.Context, name string, valid time.Duration) (string, error) {
	if !p.src.Has("key_id") {
		return "", &kalla.Error{Code: kalla.CodeUsage, Op: "signing a URL for an upload", Where: p.where(name), Why: "no credentials are given to sign with",
			Hint: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"}
	}
	signed, err := s3.NewPresignClient(p.client).PresignPutObject(ctx, &s3.PutObjectInput{Bucket: &p.bucket, Key: p.key(name)}, s3.WithPresignExpires(valid))
	if err != nil {
		return "", p.fault(ctx, "signing a URL for an upload", name, err)
	}
	return signed.URL, nil
}

// Object is one version of an object, to be read in any order by one goroutine.
type Object struct {
	prefix *Prefix
	ctx    context.Context
	name   string
	etag   *string
	size   int64
	block  []byte // read last
	at     int64  // where it is from
}

// blockSize is how much is read at once, since every request costs a round trip.
const blockSize = 1 << 20

// Object finds an object. IsNotExist tells whether it is not there. The context is that of all that is read of it.
func (p *Prefix) Object(ctx context.Context, name string) (*Object, error) {
	head, err := p.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &p.bucket, Key: p.key(name)})
	if err != nil {
		return nil, p.fault(ctx, "looking at an object", name, err)
	}
	return &Object{prefix: p, ctx: ctx, name: name, etag: head.ETag, size: aws.ToInt64(head.ContentLength)}, nil
}

// Size is the length in bytes.
func (o *Object) Size() int64 { return o.size }

// ReadAt implements io.ReaderAt. It fails if the object has changed since it was found.
func (o *Object) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) {
		if off >= o.size {
			return n, io.EOF
		}
		if off < o.at || off >= o.at+int64(len(o.block)) {
			if err := o.load(off); err != nil {
				return n, err
			}
		}
		k := copy(b[n:], o.block[off-o.at:])
		n, off = n+k, off+int64(k)
	}
	return n, nil
}

func (o *Object) load(off int64) error {
	last := min(off+blockSize, o.size) - 1
	got, err := o.prefix.client.GetObject(o.ctx, &s3.GetObjectInput{
		Bucket: &o.prefix.bucket, Key: o.prefix.key(o.name), Range: aws.String(fmt.Sprintf("bytes=%d-%d", off, last)), IfMatch: o.etag,
	})
	if err != nil {
		return o.prefix.fault(o.ctx, "reading an object", o.name, err)
	}
	defer got.Body.Close()
	block := make([]byte, last-off+1)
	if _, err := io.ReadFull(got.Body, block); err != nil {
		return o.prefix.fault(o.ctx, "reading an object", o.name, err)
	}
	o.block, o.at = block, off
	return nil
}
