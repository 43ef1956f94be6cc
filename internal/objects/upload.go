package objects

import (
	"context"
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
func (p *Prefix) uploadParts(ctx context.Context, name string, f *os.File, size int64, metadata map[string]string) (err error) {
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
	length := max(partSize, (size+maxParts-1)/maxParts)
	parts := make([]types.CompletedPart, (size+length-1)/length)
	g, groupCtx := errgroup.WithContext(ctx)
	g.SetLimit(partsAtOnce)
	for i := range parts {
		g.Go(func() error {
			offset := int64(i) * length
			n := min(length, size-offset)
			number := aws.Int32(int32(i) + 1)
			sent, err := p.client.UploadPart(groupCtx, &s3.UploadPartInput{
				Bucket: &p.bucket, Key: p.key(name), UploadId: created.UploadId, PartNumber: number,
				Body: io.NewSectionReader(f, offset, n), ContentLength: aws.Int64(n),
			})
			if err != nil {
				return err
			}
			parts[i] = types.CompletedPart{ETag: sent.ETag, PartNumber: number}
			return nil
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
