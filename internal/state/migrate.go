package state

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"kalla"
)

//go:embed migrations/*/*.sql
var migrations embed.FS

// schemaVersion is the version of the newest migration, the same for both databases.
const schemaVersion = 2

// migrate brings the tables to schemaVersion, one transaction a migration. The caller holds the lock.
func migrate(ctx context.Context, name string, db *sql.DB, dialect goose.Dialect, dir string) error {
	files, err := fs.Sub(migrations, "migrations/"+dir)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(dialect, db, files, goose.WithTableName("kalla_schema"), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		// goose joins what it was doing with the reason.
		if partial, ok := errors.AsType[*goose.PartialError](err); ok {
			err = partial.Err
		}
		return fmt.Errorf("migrating the tables: %w", err)
	}
	version, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	if version > schemaVersion {
		return &kalla.Error{Code: kalla.CodeUsage, Op: "migrating the tables", Where: name, Err: ErrVersion,
			Why:  fmt.Sprintf("a newer version of the program has been here: the tables have version %d, this program knows %d", version, schemaVersion),
			Hint: "run that newer version, or restore a backup from before"}
	}
	return nil
}
