package objects

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"kalla"
)

const (
	// partSize is that of the parts in which larger files are uploaded. A part
	// is read from the file when it is sent, and again when it is sent again.
	partSize    = 16 << 20
	maxParts    = 10_000
	partsAtOnce = 3
)

// FilesAtOnce is how many objects are worth uploading or downloading side by side.
const FilesAtOnce = 3

// cleanupTime bounds what is done after a cancellation to leave nothing behind.
const cleanupTime = 5 * time.Second

// Cleanup is a context for removing what was uploaded, which has to be done
// although ctx has ended.
func Cleanup(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
}

// Upload stores a file as a new object of the owner. It is an error of CodeUsage
// if there is one of that name which is another owner's. A failed upload leaves nothing.
func (p *Prefix) Upload(ctx context.Context, name, file, owner string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	metadata := map[string]string{ownerKey: url.PathEscape(owner)}
	if info.Size() <= partSize {
		_, err = p.client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &p.bucket, Key: p.key(name), Body: f, ContentLength: aws.Int64(info.Size()), ContentType: contentType(name),
			Metadata: metadata, IfNoneMatch: aws.String("*"),
		})
	} else {
		err = p.uploadParts(ctx, name, f, info.Size(), metadata)
	}
	return p.stored(ctx, name, owner, err)
}

// stored is the error of storing an object of an owner.
func (p *Prefix) stored(ctx context.Context, name, owner string, err error) error {
	if err == nil {
		return nil
	}
	if apiCode(err) == "PreconditionFailed" {
		// The answer to a first attempt may have been lost: then it is ours.
		by, ownerErr := p.Owner(ctx, name)
		if ownerErr != nil {
			return ownerErr
		}
		if by == owner {
			return nil
		}
		return &kalla.Error{Code: kalla.CodeUsage, Op: "uploading", Where: p.where(name),
			Why: "an object of that name was stored meanwhile; evidence is never overwritten", Hint: "give each run a prefix of its own"}
	}
	return p.fault(ctx, "uploading", name, err)
}

// uploadParts uploads a large file, several parts side by side.
func (p *Prefix) uploadParts(ctx context.Context, name string, f *os.File, size int64, metadata map[string]string) error {
	return p.storeParts(ctx, name, size, partSize, metadata, func(ctx context.Context, id *string, number int32, offset, n int64) (*string, error) {
		sent, err := p.client.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: &p.bucket, Key: p.key(name), UploadId: id, PartNumber: &number,
			Body: io.NewSectionReader(f, offset, n), ContentLength: aws.Int64(n),
		})
		if err != nil {
			return nil, err
		}
		return sent.ETag, nil
	})
}

// SameService reports whether the service can copy objects of another prefix to this one by itself.
func (p *Prefix) SameService(other *Prefix) bool {
	for _, option := range []string{"endpoint", "region", "key_id"} {
		if p.src.Get(option) != other.src.Get(option) {
			return false
		}
	}
	return true
}

// copySize is that of the parts in which the service copies; it takes 5 GiB at most.
const copySize = 1 << 30

// Copy has the service store an object of another prefix as a new object of the
// owner, with the errors of Upload. Nothing passes through the caller.
func (p *Prefix) Copy(ctx context.Context, name string, from *Prefix, source, owner string) error {
	original, err := from.Object(ctx, source)
	if err != nil {
		return err
	}
	// A copy in parts, however small: only what completes one may refuse to overwrite.
	path := strings.ReplaceAll((&url.URL{Path: from.bucket + "/" + from.prefix + source}).EscapedPath(), "+", "%2B") // some read + as a space
	err = p.storeParts(ctx, name, original.Size(), copySize, map[string]string{ownerKey: url.PathEscape(owner)}, func(ctx context.Context, id *string, number int32, offset, n int64) (*string, error) {
		copied, err := p.client.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
			Bucket: &p.bucket, Key: p.key(name), UploadId: id, PartNumber: &number,
			CopySource: &path, CopySourceIfMatch: original.etag, CopySourceRange: aws.String(fmt.Sprintf("bytes=%d-%d", offset, offset+n-1)),
		})
		if err != nil {
			return nil, err
		}
		return copied.CopyPartResult.ETag, nil
	})
	return p.stored(ctx, name, owner, err)
}

// storeParts makes a new object of parts, several side by side; send stores one and returns its tag.
func (p *Prefix) storeParts(ctx context.Context, name string, size, least int64, metadata map[string]string,
	send func(ctx context.Context, id *string, number int32, offset, n int64) (etag *string, err error)) (err error) {
	created, err := p.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &p.bucket, Key: p.key(name), ContentType: contentType(name), Metadata: metadata,
	})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			clean, cancel := Cleanup(ctx)
			defer cancel()
			_ = p.abort(clean, name, created.UploadId) // what failed is told, not that it could not be tidied up
		}
	}()
	length := max(least, (size+maxParts-1)/maxParts)
	parts := make([]types.CompletedPart, (size+length-1)/length)
	g, groupCtx := errgroup.WithContext(ctx)
	g.SetLimit(partsAtOnce)
	for i := range parts {
		g.Go(func() error {
			offset := int64(i) * length
			n := min(length, size-offset)
			number := int32(i) + 1
			etag, err := send(groupCtx, created.UploadId, number, offset, n)
			parts[i] = types.CompletedPart{ETag: etag, PartNumber: &number}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	_, err = p.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &p.bucket, Key: p.key(name), UploadId: created.UploadId, IfNoneMatch: aws.String("*"),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	return err
}

func (p *Prefix) abort(ctx context.Context, name string, id *string) error {
	_, err := p.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &p.bucket, Key: p.key(name), UploadId: id})
	return err
}

// AbortUploads ends the uploads below the prefix that a killed process left half
// done: nobody sees them, but their parts are paid for. It is best effort.
func (p *Prefix) AbortUploads(ctx context.Context) {
	list, err := p.client.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &p.bucket, Prefix: &p.prefix})
	if err != nil {
		return
	}
	for _, u := range list.Uploads {
		if name, ok := strings.CutPrefix(aws.ToString(u.Key), p.prefix); ok {
			_ = p.abort(ctx, name, u.UploadId)
		}
	}
}

func contentType(name string) *string {
	switch {
	case strings.HasSuffix(name, ".json"):
		return aws.String("application/json")
	case strings.HasSuffix(name, ".parquet"):
		return aws.String("application/vnd.apache.parquet")
	}
	return aws.String("application/octet-stream")
}
