package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kalla"
	"kalla/internal/objects"
)

// Folders of the storage of a cluster.
const (
	runsFolder     = "/runs/"   // of this package: a folder for each attempt of a run
	tablesFolder   = "/tables/" // of the metastore of our own nodes: SCHEMA/… and .SCHEMA.trinoSchema
	exchangeFolder = "/exchange/"
)

// clusterOwner is the name of a scheduler in the storage of its cluster, which
// others may share: what bears it is this scheduler's, also after it was killed.
func clusterOwner(dataDir string) (string, error) {
	file := filepath.Join(dataDir, "cluster-owner")
	fail := func(err error) (string, error) {
		return "", &kalla.Error{Code: kalla.CodeUsage, Op: "opening scheduler", Where: file, Err: err, Hint: "name a folder with --data-dir that this user may write to"}
	}
	data, err := os.ReadFile(file)
	if owner := strings.TrimSpace(string(data)); err == nil && isHex(owner) {
		return owner, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fail(err)
	}
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return fail(err)
	}
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails
	owner := hex.EncodeToString(random[:])
	if err := os.WriteFile(file, []byte(owner+"\n"), 0o600); err != nil {
		return fail(err)
	}
	return owner, nil
}

func isHex(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && s != ""
}

// sweepPause is how long the storage is left alone that could not be swept.
const sweepPause = 30 * time.Second

// sweep removes what runs have left that were under way when this scheduler was
// killed. The storage may be starting, too.
func (c *Cluster) sweep(ctx context.Context, owner string, log *slog.Logger) {
	for {
		n, err := c.sweepOnce(ctx, owner)
		if n > 0 {
			log.InfoContext(ctx, "removed what earlier runs had left in the storage of the cluster", "objects", n)
		}
		if err == nil {
			return
		}
		log.WarnContext(ctx, "the storage of the cluster could not be swept", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(sweepPause):
		}
	}
}

func (c *Cluster) sweepOnce(ctx context.Context, owner string) (removed int, err error) {
	left := func(begin string) func(string) bool {
		return func(name string) bool {
			name = strings.TrimPrefix(name, ".")
			return strings.HasPrefix(name, begin+owner+"_") && !strings.HasPrefix(name, begin+c.tag)
		}
	}
	folders := map[string]func(name string) bool{runsFolder: left("")}
	if c.mine {
		folders[tablesFolder] = left("run_")
		if !c.used.Load() { // or it is of queries of now
			folders[exchangeFolder] = func(string) bool { return true }
		}
	}
	for folder, is := range folders {
		n, e := c.remove(ctx, folder, is)
		removed, err = removed+n, errors.Join(err, e)
	}
	return removed, err
}

// forget removes a schema and what is in it from the metastore.
func (c *Cluster) forget(ctx context.Context, schema string) error {
	_, err := c.remove(ctx, tablesFolder, func(name string) bool {
		return strings.HasPrefix(name, schema+"/") || strings.HasPrefix(name, "."+schema+".")
	})
	return err
}

// remove removes objects of a folder by their names in it.
func (c *Cluster) remove(ctx context.Context, folder string, is func(name string) bool) (removed int, err error) {
	place := c.Storage
	place.Path += strings.TrimSuffix(folder, "/")
	p, err := objects.At(place)
	if err != nil {
		return 0, err
	}
	defer p.Close()
	names, err := p.List(ctx)
	if err != nil {
		return 0, err
	}
	for name := range names {
		if !is(name) {
			continue
		}
		if err := p.Delete(ctx, name); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}
