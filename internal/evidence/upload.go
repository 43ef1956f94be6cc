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

// requestsAtOnce is how many small requests are sent side by side.
const requestsAtOnce = 16

// uploads are the objects of one attempt. It may be used by several goroutines.
type uploads struct {
	bucket *objects.Prefix
	owner  string
	mu     sync.Mutex
	tried  []string // names, the manifest last
}

// beginUpload prepares evidence that will be in a bucket.
func beginUpload(ctx context.Context, final Location, runID string) (_ *Writer, err error) {
	bucket, err := final.open()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			bucket.Close()
		}
	}()
	if err := clearPrefix(ctx, bucket, runID); err != nil {
		return nil, err
	}
	temp, err := final.scratch()
	if err != nil {
		return nil, err
	}
	w := newWriter(final, temp)
	w.up = &uploads{bucket: bucket, owner: ownerOf(runID, rand.Text())}
	return w, nil
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
	for _, name := range litter {
		if name != SummaryFile && !slices.Contains(Tables(), name) && !isPart(name) {
			return refuse(fmt.Sprintf("it is not empty: there is %q; evidence is never overwritten", name))
		}
	}
	if err := each(ctx, litter, func(ctx context.Context, name string) error {
		owner, err := bucket.Owner(ctx, name)
		if err == nil && !ownedBy(owner, runID) {
			err = refuse(fmt.Sprintf("another run is writing there, or was killed while it did: there is %q", name))
		}
		return err
	}); err != nil {
		return err
	}
	if err := each(ctx, litter, bucket.Delete); err != nil {
		return err
	}
	bucket.AbortUploads(ctx)
	return nil
}

// each does something short with each object, several at a time.
func each(ctx context.Context, names []string, do func(ctx context.Context, name string) error) error {
	g, groupCtx := errgroup.WithContext(ctx)
	g.SetLimit(requestsAtOnce)
	for _, name := range names {
		g.Go(func() error { return do(groupCtx, name) })
	}
	return g.Wait()
}

// try remembers that an object may be stored from now on.
func (u *uploads) try(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.tried = append(u.tried, name)
}

// send stores a file as an object.
func (u *uploads) send(ctx context.Context, name, file string) error {
	u.try(name)
	if err := u.bucket.Upload(ctx, name, file, u.owner); err != nil {
		return writeError(publishing, name, err)
	}
	return nil
}

// upload brings the finished files to the bucket, the manifest last.
func (w *Writer) upload(ctx context.Context, m *Manifest) error {
	g, groupCtx := errgroup.WithContext(ctx)
	g.SetLimit(objects.FilesAtOnce)
	for _, name := range sortedKeys(m.Files) {
		if _, there := w.parts[name]; !there {
			g.Go(func() error { return w.up.send(groupCtx, name, w.Path(name)) })
		}
	}
	if err := g.Wait(); err != nil {
		if ctx.Err() != nil {
			return writeError(publishing, w.final.String(), ctx.Err())
		}
		return err
	}
	// A later attempt may think that this one is dead, and have removed its files.
	if err := each(ctx, sortedKeys(m.Files), func(ctx context.Context, name string) error {
		by, err := w.up.bucket.Owner(ctx, name)
		if err == nil && by != w.up.owner {
			err = &kalla.Error{Code: kalla.CodeEvidence, Op: publishing, Where: w.final.join(name),
				Why: "another attempt of the run took the place meanwhile", Hint: "let one process at a time work on a run"}
		}
		return err
	}); err != nil {
		return err
	}
	return w.up.send(ctx, ManifestFile, w.Path(ManifestFile))
}

// keep says that what was uploaded is evidence.
func (u *uploads) keep() { u.tried = nil }

// end takes back what was uploaded, and nothing of anybody else's. What it cannot
// remove is litter: it has no manifest, or the manifest goes first, and the next
// attempt of the run removes it.
func (u *uploads) end() {
	defer u.bucket.Close()
	ctx, cancel := objects.Cleanup(context.Background())
	defer cancel()
	remove := func(ctx context.Context, name string) error {
		if by, err := u.bucket.Owner(ctx, name); err == nil && by == u.owner {
			_ = u.bucket.Delete(ctx, name)
		}
		return nil
	}
	if last := len(u.tried) - 1; last >= 0 {
		_ = remove(ctx, u.tried[last]) // it may be the manifest
		_ = each(ctx, u.tried[:last], remove)
	}
}
