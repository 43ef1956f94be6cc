package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"kalla"
	"kalla/internal/job"
	"kalla/internal/source"
)

// SourceStatus is whether a source could be read when it was last looked at.
type SourceStatus string

// The states of a source.
const (
	SourceUnknown   SourceStatus = "unknown"
	SourceConnected SourceStatus = "connected"
	SourceFailed    SourceStatus = "failed"
)

// Source is a registered source, without its credentials.
type Source struct {
	bun.BaseModel `bun:"table:sources"`

	Alias     string            `bun:"alias,pk"`
	Type      source.Type       `bun:"type"`
	URI       string            `bun:"uri"` // masked
	Sealed    []byte            `bun:"secret"`
	Options   map[string]string `bun:"options"` // masked
	Types     map[string]string `bun:"types"`   // declared types by column
	Status    SourceStatus      `bun:"status"`
	Error     string            `bun:"error"`   // why it failed, redacted
	Columns   []job.Column      `bun:"columns"` // as last seen
	Rows      *int64            `bun:"rows"`    // as last counted
	UploadID  string            `bun:"upload_id"`
	CheckedAt *time.Time        `bun:"checked_at"`
	Revision  int64             `bun:"revision"` // counts the changes by people, from 1
	CreatedBy string            `bun:"created_by"`
	UpdatedBy string            `bun:"updated_by"`
	CreatedAt time.Time         `bun:"created_at"`
	UpdatedAt time.Time         `bun:"updated_at"`
}

// Secret is what opens a source. It prints as stars; it is stored sealed only.
type Secret struct {
	URI     string
	Options map[string]string
}

// String masks the secret.
func (Secret) String() string { return "****" }

// GoString masks the secret.
func (Secret) GoString() string { return "state.Secret{****}" }

// MarshalText masks the secret.
func (Secret) MarshalText() ([]byte, error) { return []byte("****"), nil }

// sealedSecret is a Secret as it is sealed.
type sealedSecret struct {
	URI     string            `json:"uri"`
	Options map[string]string `json:"options,omitempty"`
}

// SourceInput registers a source or changes it.
type SourceInput struct {
	Alias    string
	Type     source.Type
	URI      string            // masked, to be shown
	Options  map[string]string // masked, to be shown
	Secret   *Secret           // nil keeps what is stored
	Types    map[string]string
	UploadID string
	Expect   *int64 // the Revision that is to be changed, 0 for none yet; nil for whatever there is
}

func sourcePlace(alias string) []string { return []string{"sources", "secret", alias} }

// SaveSource registers a source, or changes the one of that alias, which is then unknown until it is tested.
func (s *Store) SaveSource(ctx context.Context, in SourceInput) (*Source, error) {
	const op = "saving the source"
	var src *Source
	err := s.change(ctx, op, func(ctx context.Context, tx bun.Tx) error {
		src = &Source{}
		err := s.forUpdate(tx.NewSelect().Model(src).Where("alias = ?", in.Alias)).Scan(ctx)
		isNew := errors.Is(err, sql.ErrNoRows)
		if err != nil && !isNew {
			return err
		}
		if in.Expect != nil && *in.Expect != src.Revision {
			return stale(op, in.Alias)
		}
		now, who := s.clock(), actor(ctx).ID
		if isNew {
			if in.Secret == nil {
				return notFound(op, "source", in.Alias)
			}
			*src = Source{Alias: in.Alias, CreatedAt: now, CreatedBy: who}
		}
		src.Type, src.URI, src.Options, src.Types, src.UploadID = in.Type, in.URI, in.Options, in.Types, in.UploadID
		src.Status, src.Error, src.Columns, src.Rows, src.CheckedAt = SourceUnknown, "", nil, nil, nil
		src.UpdatedAt, src.UpdatedBy = now, who
		src.Revision++
		if in.Secret != nil {
			text, err := json.Marshal(sealedSecret(*in.Secret))
			if err != nil {
				return err
			}
			src.Sealed = s.keys.Seal(text, sourcePlace(in.Alias)...)
		}
		if err := save(ctx, tx, src, isNew); err != nil {
			return err
		}
		return s.audit(ctx, tx, "source.save", "source", src.Alias, map[string]any{"uri": src.URI, "revision": src.Revision})
	})
	if err != nil {
		return nil, err
	}
	src.Sealed = nil
	return src, nil
}

// save inserts or updates a row that the transaction found new, or holds.
func save(ctx context.Context, tx bun.Tx, row any, isNew bool) error {
	if !isNew {
		_, err := tx.NewUpdate().Model(row).WherePK().Exec(ctx)
		return err
	}
	inserted, err := changed(tx.NewInsert().Model(row).On("CONFLICT DO NOTHING").Exec(ctx))
	if err == nil && !inserted {
		return errOvertaken
	}
	return err
}

func stale(op, id string) error {
	return &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: id, Why: ErrStale.Error(), Err: ErrStale, Hint: "look at it again, then repeat the change"}
}

// Source returns a source.
func (s *Store) Source(ctx context.Context, alias string) (*Source, error) {
	return one[Source](ctx, s, "reading the source", "source", alias, func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.ExcludeColumn("secret").Where("alias = ?", alias)
	})
}

// one reads one object.
func one[T any](ctx context.Context, s *Store, op, what, id string, where func(*bun.SelectQuery) *bun.SelectQuery) (*T, error) {
	var t *T
	err := s.query(ctx, op, func(ctx context.Context) error {
		t = new(T)
		return where(s.read.NewSelect().Model(t)).Scan(ctx)
	})
	if errors.Is(err, ErrNotFound) {
		return nil, notFound(op, what, id)
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// Sources returns the sources, the newest first.
func (s *Store) Sources(ctx context.Context, p Page) (List[Source], error) {
	return page(ctx, s, "listing the sources", p, "alias", func(x *Source) (time.Time, string) { return x.CreatedAt, x.Alias },
		func(q *bun.SelectQuery) *bun.SelectQuery { return q.ExcludeColumn("secret") })
}

// CountSources returns how many sources there are.
func (s *Store) CountSources(ctx context.Context) (n int64, err error) {
	err = s.query(ctx, "counting the sources", func(ctx context.Context) error {
		n, err = s.read.NewSelect().Model((*Source)(nil)).Count(ctx)
		return err
	})
	return n, err
}

// SourceSecret opens what opens the source. It is the only way to a stored credential of a source.
func (s *Store) SourceSecret(ctx context.Context, alias string) (Secret, error) {
	src, err := one[Source](ctx, s, "opening the source", "source", alias, func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Column("secret").Where("alias = ?", alias)
	})
	if err != nil {
		return Secret{}, err
	}
	text, err := s.keys.Open(src.Sealed, sourcePlace(alias)...)
	if err != nil {
		return Secret{}, err
	}
	var secret sealedSecret
	if err := json.Unmarshal(text, &secret); err != nil {
		return Secret{}, s.wrap(ctx, "opening the source", err)
	}
	return Secret(secret), nil
}

// SourceCheck is what was found when a source was looked at.
type SourceCheck struct {
	Status  SourceStatus
	Error   string       // redacted
	Columns []job.Column // nil keeps those last seen
	Rows    *int64       // nil keeps those last counted
}

// CheckedSource notes what was found. A source that was deleted meanwhile is not an error.
func (s *Store) CheckedSource(ctx context.Context, alias string, c SourceCheck) error {
	return s.change(ctx, "noting the state of the source", func(ctx context.Context, tx bun.Tx) error {
		now := s.clock()
		src := &Source{Alias: alias, Status: c.Status, Error: c.Error, CheckedAt: &now, Columns: c.Columns, Rows: c.Rows}
		columns := []string{"status", "error", "checked_at"}
		if c.Columns != nil {
			columns = append(columns, "columns")
		}
		if c.Rows != nil {
			columns = append(columns, "rows")
		}
		_, err := tx.NewUpdate().Model(src).Column(columns...).WherePK().Exec(ctx)
		return err
	})
}

// SourceUsers returns, by alias, the recipes whose current version refers to the source.
func (s *Store) SourceUsers(ctx context.Context, aliases ...string) (map[string][]string, error) {
	users := map[string][]string{}
	if len(aliases) == 0 {
		return users, nil
	}
	err := s.query(ctx, "looking who uses the sources", func(ctx context.Context) error {
		clear(users)
		return sourceUsers(ctx, s.read, users, aliases)
	})
	return users, err
}

func sourceUsers(ctx context.Context, db bun.IDB, into map[string][]string, aliases []string) error {
	var uses []recipeSource
	if err := db.NewSelect().Model(&uses).Where("alias IN (?)", bun.List(aliases)).Order("alias", "recipe_id").Scan(ctx); err != nil {
		return err
	}
	for _, u := range uses {
		into[u.Alias] = append(into[u.Alias], u.RecipeID)
	}
	return nil
}

// DeleteSource forgets a source. While the current version of a recipe refers
// to it, that is ErrInUse unless force is set.
func (s *Store) DeleteSource(ctx context.Context, alias string, force bool) error {
	const op = "deleting the source"
	return s.change(ctx, op, func(ctx context.Context, tx bun.Tx) error {
		users := map[string][]string{}
		if err := sourceUsers(ctx, tx, users, []string{alias}); err != nil {
			return err
		}
		if ids := users[alias]; len(ids) > 0 && !force {
			return &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: alias, Err: ErrInUse,
				Why:  fmt.Sprintf("%d recipes refer to it: %s", len(ids), strings.Join(ids, ", ")),
				Hint: "change or delete the recipes first, or force it: they fail until the source is there again"}
		}
		gone, err := changed(tx.NewDelete().Model((*Source)(nil)).Where("alias = ?", alias).Exec(ctx))
		if err != nil {
			return err
		}
		if !gone {
			return notFound(op, "source", alias)
		}
		return s.audit(ctx, tx, "source.delete", "source", alias, map[string]any{"used_by": users[alias]})
	})
}
