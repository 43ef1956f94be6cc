package cli

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kalla"
	"kalla/internal/app"
	"kalla/internal/server/auth"
	"kalla/internal/telemetry"
)

func (c *command) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the app: the web page and its API",
		Long: `Serves the app, which keeps its state in PostgreSQL and has a scheduler run its jobs.

  DATABASE_URL    postgres://kalla:PASSWORD@localhost:5432/kalla
  WORKER_URL      http://localhost:9090, where kallad scheduler listens
  KALLA_SECRET_KEY, KALLA_WORKER_TOKEN, KALLA_PUBLIC_URL, … : see kalla config

It listens on this machine only (127.0.0.1) unless --bind-host says otherwise. Where others reach it, by
--bind-host or --public-url, the scheduler has to prove itself by a KALLA_WORKER_TOKEN that both are given.

Evidence and uploads are kept in the data folder, which the scheduler must reach by the same path, or in
the bucket of --storage. At the first start it prints a link at which the first administrator is made, or
makes one of KALLA_ADMIN_EMAIL and KALLA_ADMIN_PASSWORD. Several apps may serve one database.

SIGTERM stops it in order; runs go on at the scheduler. kalla up needs neither database nor scheduler.`,
		Example: `  export DATABASE_URL=postgres://kalla:PASSWORD@localhost:5432/kalla WORKER_URL=http://localhost:9090
  kalla serve --port 3000`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.serve(cmd.Context()) },
	}
	addSettingFlags(cmd, keyPort, keyBindHost, keyData, keyStorage, keyWorkerURL, keyCallbackURL, keyPublicURL, keyTLSCert, keyTLSKey, keyTrustedProxy,
		keyMaxUpload, keyLease, keySecretKeyFile, keyTokenFile, keyMemory, keyThreads, keyTempDir, keyGrace, keyLogFormat)
	acceptDataDir(cmd)
	return cmd
}

// acceptDataDir lets --data be written as the daemon's flag.
func acceptDataDir(cmd *cobra.Command) {
	cmd.Flags().SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "data-dir" {
			name = "data"
		}
		return pflag.NormalizedName(name)
	})
}

// serve runs the app until ctx ends.
func (c *command) serve(ctx context.Context) error {
	cfg, err := c.serverConfig()
	if err != nil {
		return err
	}
	// Starting is not cut short by the signal that ends the app: it is quick, and then stops in order.
	start := context.WithoutCancel(ctx)
	flush, err := telemetry.Start(start, "kalla", app.Version, c.env.LookupEnv)
	if err != nil {
		return err
	}
	server, err := app.StartServer(start, cfg)
	if err != nil {
		return err
	}
	cfg.Log.Info("app started", "url", server.URL(), "version", app.Version, "scheduler", cfg.SchedulerURL, "storage", maskURI(cfg.Storage))
	if setup := server.SetupURL(); setup != "" {
		fmt.Fprintf(c.env.Stdout, "Nobody can sign in yet. Make the first administrator at %s\n", setup)
	}
	select {
	case <-ctx.Done():
	case <-server.Done():
	}
	cfg.Log.Info("app stopping", "grace", c.grace().String())
	stop, cancel := context.WithTimeout(start, c.grace())
	defer cancel()
	err = server.Stop(stop)
	last, cancel := context.WithTimeout(start, 5*time.Second)
	defer cancel()
	if err := flush(last); err != nil {
		cfg.Log.Warn("traces could not be sent", "error", err)
	}
	cfg.Log.Info("app stopped")
	return err
}

func (c *command) grace() time.Duration {
	d, _ := time.ParseDuration(c.settings.get(keyGrace)) // checked when it was read
	return d
}

// missing says of a setting that something needs how to give it.
func missing(name, example, hint string) error {
	return &kalla.Error{Code: kalla.CodeUsage, Op: "reading settings", Where: name, Why: "it is not set", Hint: "export " + name + "=" + example + hint}
}

// serverConfig makes the settings a configuration, and refuses one that would
// let anybody say how runs ended.
func (c *command) serverConfig() (app.ServerConfig, error) {
	var none app.ServerConfig
	s := c.settings
	dir := c.path(s.get(keyData))
	cfg := app.ServerConfig{
		Mode: "serve", Host: s.get(keyBindHost), TLSCert: c.path(s.get(keyTLSCert)), TLSKey: c.path(s.get(keyTLSKey)),
		Database: s.get(keyDatabase), Storage: s.get(keyStorage), Limits: c.limits(),
		SchedulerURL: s.get(keyWorkerURL), CallbackURL: s.get(keyCallbackURL), CallbackKey: s.get(keyCallbackKey),
		PublicURL: s.get(keyPublicURL), AdminEmail: s.get(keyAdminEmail), AdminPassword: s.get(keyAdminPassword),
		Model: c.model(), LookupEnv: c.env.LookupEnv, Log: c.loggerTo(c.env.Stderr, slog.LevelInfo),
	}
	switch {
	case cfg.Database == "":
		return none, missing("DATABASE_URL", "postgres://kalla:PASSWORD@localhost:5432/kalla", ", or use kalla up, which needs no database")
	case !isPostgres(cfg.Database):
		return none, &kalla.Error{Code: kalla.CodeUsage, Op: "reading settings", Where: "DATABASE_URL", Why: "it is not the URL of a PostgreSQL database",
			Hint: "write postgres://user:password@host:5432/database, or use kalla up, which needs none"}
	case cfg.SchedulerURL == "":
		return none, missing("WORKER_URL", "http://localhost:9090", ", where kallad scheduler --http-port 9090 listens, or use kalla up, which has its own")
	case (cfg.TLSCert == "") != (cfg.TLSKey == ""):
		return none, usage("--tls-cert", "a certificate and its key go together", "give both --tls-cert and --tls-key")
	case cfg.TLSCert != "" && !strings.HasPrefix(cfg.PublicURL, "https://"):
		return none, usage("--tls-cert", "the name that the certificate is of is not known", "give it as --public-url https://kalla.example.com")
	}
	cfg.Limits.Memory = cmp.Or(cfg.Limits.Memory, app.ReaderMemory())
	cfg.Port, _ = strconv.Atoi(s.get(keyPort))
	cfg.MaxUpload, _ = parseBytes(s.get(keyMaxUpload))
	cfg.Lease, _ = time.ParseDuration(s.get(keyLease))
	cfg.Loopback = loopback(cfg.Host)
	cfg.TrustedProxies, _ = networks(s.get(keyTrustedProxy))
	if cfg.Storage == "" {
		cfg.Storage = dir
	}
	if issuer := s.get(keyOIDCIssuer); issuer != "" {
		cfg.OIDC = &auth.OIDC{
			Issuer: issuer, ClientID: s.get(keyOIDCClient), ClientSecret: s.get(keyOIDCSecret), Name: s.get(keyOIDCName),
			AllowedDomains: s.all(keyOIDCDomains), RoleClaim: s.get(keyOIDCClaim), DefaultRole: auth.Role(s.get(keyOIDCDefault)),
		}
		cfg.OIDC.RoleMap, _ = rolesByClaim(s.get(keyOIDCRoles))
	}
	var err error
	if cfg.WorkerToken, err = c.token(); err != nil {
		return none, err
	}
	if cfg.WorkerToken == "" && cfg.CallbackKey == "" && (!cfg.Loopback || cfg.PublicURL != "") {
		return none, usage(tokenEnv, "it is not set, and others than this machine's users reach the app: any of them could say how a run ended",
			"set it to the same for kalla serve and kallad scheduler; openssl rand -hex 32 makes one")
	}
	cfg.Keys, err = c.secretKeys(dir)
	return cfg, err
}

func isPostgres(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}
