package objects

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Reader reads an object from wherever it was sought to, without the rest of
// it. It is for one goroutine.
type Reader struct {
	prefix *Prefix
	ctx    context.Context
	name   string
	size   int64
	at     int64
	body   io.ReadCloser // from at on; nil until something is read
}

// Reader opens an object for reading while ctx lasts. IsNotExist tells whether it is not there.
func (p *Prefix) Reader(ctx context.Context, name string) (*Reader, error) {
	head, err := p.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &p.bucket, Key: p.key(name)})
	if err != nil {
		return nil, p.fault(ctx, "reading an object", name, err)
	}
	return &Reader{prefix: p, ctx: ctx, name: name, size: aws.ToInt64(head.ContentLength)}, nil
}

// Read implements io.Reader.
func (r *Reader) Read(b []byte) (int, error) {
	if r.at >= r.size {
		return 0, io.EOF
	}
	if r.body == nil {
		got, err := r.prefix.client.GetObject(r.ctx, &s3.GetObjectInput{Bucket: &r.prefix.bucket, Key: r.prefix.key(r.name), Range: aws.String(fmt.Sprintf("bytes=%d-", r.at))})
		if err != nil {
			return 0, r.prefix.fault(r.ctx, "reading an object", r.name, err)
		}
		r.body = got.Body
	}
	n, err := r.body.Read(b)
	r.at += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = r.prefix.fault(r.ctx, "reading an object", r.name, err)
	}
	return n, err
}

// Seek implements io.Seeker.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return r.at, errors.New("sought before the beginning of an object")
	}
	if offset != r.at {
		_ = r.Close() // what is left of it is not wanted
	}
	r.at = offset
	return r.at, nil
}

// Close lets go of the object.
func (r *Reader) Close() error {
	if r.body == nil {
		return nil
	}
	err := r.body.Close()
	r.body = nil
	return err
}
