package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"kalla/internal/app"
	"kalla/internal/objects"
	"kalla/internal/state"
)

func (c *command) backupCommand() *cobra.Command {
	var files bool
	cmd := &cobra.Command{
		Use:   "backup [FILE]",
		Short: "Write all that the app has stored to a file",
		Long: `Writes all that the app has stored, as it is at one moment, to a file (a tar archive, which must not
exist) that kalla restore reads into either kind of database. Stored credentials stay sealed: keep the
secret key elsewhere. With --with-evidence the evidence of all runs and the uploads are in it too.`,
		Example: `  kalla backup
  DATABASE_URL=postgres://… kalla backup --data /srv/kalla --with-evidence /backup/kalla.tar`,
		Args: atMostArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			file := "kalla-" + c.env.Now().UTC().Format("20060102T150405Z") + ".tar"
			if len(args) > 0 {
				file = args[0]
			}
			return c.backup(cmd.Context(), file, files)
		},
	}
	cmd.Flags().BoolVar(&files, "with-evidence", false, "with the files of the data folder: evidence, uploads, demo data")
	addStateFlags(cmd)
	return cmd
}

func (c *command) backup(ctx context.Context, file string, files bool) error {
	dir := ""
	if files {
		if storage := c.settings.get(keyStorage); objects.IsURI(storage) {
			return usage("--with-evidence", "the evidence is in a bucket", "leave it out, and have the bucket copied by what keeps it")
		}
		dir = c.path(c.settings.get(keyData))
	}
	return c.withState(ctx, func(ctx context.Context, store *state.Store) error {
		done, err := app.Backup(ctx, store, dir, c.path(file))
		if err != nil {
			return err
		}
		w := &stickyWriter{w: c.env.Stdout}
		fmt.Fprintf(w, "%s  %s", c.shorten(c.path(file)), bytes(done.Bytes))
		if files {
			fmt.Fprintf(w, ", with %s", plural(done.Files, "file", "files"))
		}
		fmt.Fprintln(w)
		return w.failure()
	})
}

func (c *command) restoreCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Read a backup into an empty database",
		Long: `Reads a backup into a database that holds nothing yet, whole or not at all, and puts back the files that
are in it. The secret key must be the one of the time of the backup, or stored credentials do not open.`,
		Example: `  kalla restore kalla-20261101T020000Z.tar --data /srv/kalla`,
		Args:    exactArgs("FILE"),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.restore(cmd.Context(), args[0]) },
	}
	addStateFlags(cmd)
	addSettingFlags(cmd, keySecretKeyFile)
	return cmd
}

func (c *command) restore(ctx context.Context, file string) (err error) {
	dir := c.path(c.settings.get(keyData))
	database := c.settings.get(keyDatabase)
	if database == "" {
		database = app.StateFile(dir)
		lock, err := app.LockDir(dir)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, lock.Close()) }()
	}
	keys, err := c.secretKeys(dir)
	if err != nil {
		return err
	}
	done, err := app.Restore(ctx, database, keys, dir, c.path(file))
	if err != nil {
		return err
	}
	w := &stickyWriter{w: c.env.Stdout}
	fmt.Fprintf(w, "restored the backup of %s: %s, %s, %s, %s\n", done.Created.UTC().Format("2006-01-02 15:04:05 UTC"),
		plural(done.Rows["recipes"], "recipe", "recipes"), plural(done.Rows["runs"], "run", "runs"), plural(done.Rows["users"], "user", "users"), plural(done.Files, "file", "files"))
	if done.Foreign > 0 {
		fmt.Fprintf(c.env.Stderr, "kalla: %s sealed with a key that is not there: put that key behind the present one in KALLA_SECRET_KEY or the key file, or enter the credentials again\n",
			plural(done.Foreign, "credential is", "credentials are"))
	}
	return w.failure()
}

// isThere says why a file cannot be used, and nothing if it can.
func isThere(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return &fs.PathError{Op: "open", Path: path, Err: errors.New("it is a folder")}
	}
	return nil
}

// atMostArgs allows arguments that may be left out.
func atMostArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > len(names) {
			return usage("", fmt.Sprintf("unexpected argument %q", args[len(names)]), "usage: "+cmd.UseLine())
		}
		return nil
	}
}
