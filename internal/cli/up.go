package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"kalla"
	"kalla/internal/app"
)

func (c *command) upCommand() *cobra.Command {
	var open, noDemo bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run the app on this machine, with everything it needs",
		Long: `Starts the app, a scheduler and the engine in one process, for whoever uses this machine: nothing else
has to be installed or set. All it keeps is in one folder; the next start goes on where this one ended.

It prints a link that signs the browser in, once. An app that holds nothing yet gets a small data set, its
recipe and a first run to look at.

Jobs read whatever this user may read, but for what the app keeps to itself. ${NAME} in the URI of a source
stands for a name of --secrets-file, for an environment variable that begins with KALLA_SECRET_, or for one
of --allow-env.

The log is kalla.log in the folder. Ctrl-C stops it in order; what runs gets --grace, and goes on at the next
start if that was too short. A second Ctrl-C kills, which loses nothing either.`,
		Example: `  kalla up --open
  kalla up --data /srv/kalla --port 8080 --no-demo`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.up(cmd.Context(), open, !noDemo) },
	}
	addSettingFlags(cmd, keyData, keyPort, keyPublicURL, keyMaxUpload, keySecretKeyFile, keySecretsFile, keyAllowEnv, keyMemory, keyThreads, keyTempDir, keyGrace)
	cmd.Flags().BoolVar(&open, "open", false, "open the link in the browser")
	cmd.Flags().BoolVar(&noDemo, "no-demo", false, "begin with nothing")
	acceptDataDir(cmd)
	return cmd
}

func (c *command) up(ctx context.Context, open, demo bool) error {
	dir := c.path(c.settings.get(keyData))
	lock, err := app.LockDir(dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	cfg := app.UpConfig{
		Dir: dir, Lock: lock, Demo: demo, PublicURL: c.settings.get(keyPublicURL), Limits: c.limits(), Model: c.model(),
	}
	cfg.Port, _ = strconv.Atoi(c.settings.get(keyPort))
	cfg.MaxUpload, _ = parseBytes(c.settings.get(keyMaxUpload))
	if cfg.LookupEnv, err = c.jobEnv(); err != nil {
		return err
	}
	if cfg.Keys, err = c.secretKeys(dir); err != nil {
		return err
	}
	log, err := openLog(app.LogFile(dir), app.OldLogFile(dir))
	if err != nil {
		return err
	}
	defer log.Close()
	cfg.Log = c.loggerTo(log, slog.LevelInfo)

	// Starting is not cut short by the signal that ends the app: it is quick, and then stops in order.
	start := context.WithoutCancel(ctx)
	up, err := app.StartUp(start, cfg)
	if err != nil {
		return err
	}
	say := func(format string, args ...any) { fmt.Fprintf(c.env.Stderr, "kalla: "+format+"\n", args...) }
	if cfg.Port != 0 && up.Port() != cfg.Port {
		say("port %d is taken, so it is %d", cfg.Port, up.Port())
	}
	say("the data is in %s; the link signs in once, within ten minutes; Ctrl-C stops", c.shorten(dir))
	link := up.Link()
	fmt.Fprintln(c.env.Stdout, link)
	if open {
		if err := c.env.OpenURL(link); err != nil {
			say("no browser could be opened (%v): open the link yourself", err)
		}
	}
	select {
	case <-ctx.Done():
	case <-up.Done():
	}
	say("stopping")
	stop, cancel := context.WithTimeout(start, c.grace())
	defer cancel()
	err = up.Stop(stop)
	cfg.Log.Info("stopped")
	return err
}

// longLog is the size from which a log begins anew, the old one beside it.
const longLog = 10 << 20

func openLog(path, old string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > longLog {
		_ = os.Rename(path, old) // a log that is too long is better than none
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "opening the log", Where: path, Err: err, Hint: "name a folder with --data that this user may write to"}
	}
	return f, nil
}
