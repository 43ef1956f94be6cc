package evidence

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"kalla"
	"kalla/internal/objects"
)

// Objects of a bucket carry who uploaded them: the run, then one attempt of it.
// So litter of a killed attempt is told from what is somebody else's.

func ownerOf(runID, attempt string) string { return url.QueryEscape(runID) + "/" + attempt }

func ownedBy(owner, runID string) bool { return strings.HasPrefix(owner, url.QueryEscape(runID)+"/") }

// beginUpload prepares evidence that will be in a bucket.
func beginUpload(ctx context.Context, final Location, runID string) (*Writer, error) {
	bucket, err := final.open()
	if err != nil {
		return nil, err
	}
	defer bucket.Close()
	if err := clearPrefix(ctx, bucket, runID); err != nil {
		return nil, err
	}
	temp, err := final.scratch()
	if err != nil {
		return nil, err
	}
	return &Writer{final: final, temp: temp}, nil
}

// clearPrefix refuses a prefix that holds something, but for what a killed
// attempt of the same run left, which it removes.
func clearPrefix(ctx context.Context, bucket *objects.Prefix, runID string) error {
	refuse := func(why string) error {
		return &kalla.Error{Code: kalla.CodeUsage, Op: preparing, Where: bucket.String(), Why: why, Hint: "choose another prefix, or move what is there away"}
	}
	found, err := bucket.List(ctx)
	if err != nil {
		return err
	}
	if _, ok := found[ManifestFile]; ok {
		return refuse("it holds the evidence of a run; evidence is never overwritten")
	}
	litter := sortedKeys(found)
	ours := append(Tables(), SummaryFile)
	for _, name := range litter {
		if !slices.Contains(ours, name) {
			return refuse(fmt.Sprintf("it is not empty: there is %q; evidence is never overwritten", name))
		}
		owner, err := bucket.Owner(ctx, name)
		if err != nil {
			return err
		}
		if !ownedBy(owner, runID) {
			return refuse(fmt.Sprintf("another run is writing there, or was killed while it did: there is %q", name))
		}
	}
	for _, name := range litter {
		if err := bucket.Delete(ctx, name); err != nil {
			return err
		}
	}
	bucket.AbortUploads(ctx)
	return nil
}

// upload brings the finished files to the bucket, the manifest last. What was
// uploaded is removed if that fails.
func (w *Writer) upload(ctx context.Context, m *Manifest) (err error) {
	bucket, err := w.final.open()
	if err != nil {
		return err
	}
	defer bucket.Close()
	var (
		owner = ownerOf(m.RunID, rand.Text())
		mu    sync.Mutex
		tried []string
	)
	defer func() {
		if err != nil {
			removeUploads(ctx, bucket, tried, owner)
		}
	}()
	send := func(ctx context.Context, name string) error {
		mu.Lock()
		tried = append(tried, name)
		mu.Unlock()
		if err := bucket.Upload(ctx, name, w.Path(name), owner); err != nil {
			return writeError(publishing, name, err)
		}
		return nil
	}
	g, groupCtx := errgroup.WithContext(ctx)
	g.SetLimit(objects.FilesAtOnce)
	for _, name := range sortedKeys(m.Files) {
		g.Go(func() error { return send(groupCtx, name) })
	}
	if err := g.Wait(); err != nil {
		if ctx.Err() != nil {
			return writeError(publishing, w.final.String(), ctx.Err())
		}
		return err
	}
	// A later attempt may think that this one is dead, and have removed its files.
	for name := range m.Files {
		by, err := bucket.Owner(ctx, name)
		if err != nil {
			return err
		}
		if by != owner {
			return &kalla.Error{Code: kalla.CodeEvidence, Op: publishing, Where: w.final.join(name),
				Why: "another attempt of the run took the place meanwhile", Hint: "let one process at a time work on a run"}
		}
	}
	return send(ctx, ManifestFile)
}

// removeUploads takes back what an attempt uploaded, and nothing of anybody
// else's. What it cannot remove is litter: it has no manifest, or the manifest
// goes first, and the next attempt of the run removes it.
func removeUploads(ctx context.Context, bucket *objects.Prefix, names []string, owner string) {
	ctx, cancel := objects.Cleanup(ctx)
	defer cancel()
	slices.Reverse(names) // the manifest came last
	for _, name := range names {
		if by, err := bucket.Owner(ctx, name); err == nil && by == owner {
			_ = bucket.Delete(ctx, name)
		}
	}
}
