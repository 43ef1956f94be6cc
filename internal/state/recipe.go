package state

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/uptrace/bun"
)

// Recipe is what is true of a recipe now.
type Recipe struct {
	bun.BaseModel `bun:"table:recipes"`

	RecipeID    string    `bun:"recipe_id,pk"`
	Version     int       `bun:"version"` // the current one
	Name        string    `bun:"name"`
	Description string    `bun:"description"`
	Left        string    `bun:"left_alias"`
	Right       string    `bun:"right_alias"`
	Passes      int       `bun:"passes"`
	Archived    bool      `bun:"archived"`
	CreatedBy   string    `bun:"created_by"`
	UpdatedBy   string    `bun:"updated_by"`
	CreatedAt   time.Time `bun:"created_at"`
	UpdatedAt   time.Time `bun:"updated_at"`
}

// Version is one version of a recipe. It never changes.
type Version struct {
	bun.BaseModel `bun:"table:recipe_versions"`

	RecipeID  string    `bun:"recipe_id,pk"`
	Version   int       `bun:"version,pk"` // from 1, without gaps
	Document  string    `bun:"document"`   // YAML as written
	Recipe    JSON      `bun:"recipe"`     // the same as JSON
	Author    string    `bun:"author"`
	Message   string    `bun:"message"`
	CreatedAt time.Time `bun:"created_at"`
}

type recipeSource struct {
	bun.BaseModel `bun:"table:recipe_sources"`

	RecipeID string `bun:"recipe_id,pk"`
	Alias    string `bun:"alias,pk"`
}

// RecipeInput saves a recipe as a new version.
type RecipeInput struct {
	RecipeID    string
	Name        string
	Description string
	Left, Right string
	Passes      int
	Sources     []string // aliases of all registered sources that it refers to
	Document    string   // YAML as written
	Recipe      JSON     // the same as JSON, without credentials
	Message     string
	Expect      *int // the version that is to be followed, 0 for none yet; nil for whatever there is
}

// SaveRecipe appends a version, which becomes the current one, and takes a
// deleted recipe back. Another version than the expected is ErrStale.
func (s *Store) SaveRecipe(ctx context.Context, in RecipeInput) (*Recipe, error) {
	const op = "saving the recipe"
	var r *Recipe
	err := s.change(ctx, op, func(ctx context.Context, tx bun.Tx) error {
		r = &Recipe{}
		err := s.forUpdate(tx.NewSelect().Model(r).Where("recipe_id = ?", in.RecipeID)).Scan(ctx)
		isNew := errors.Is(err, sql.ErrNoRows)
		if err != nil && !isNew {
			return err
		}
		// To somebody who begins anew a deleted recipe is none.
		begins := r.Archived && in.Expect != nil && *in.Expect == 0
		if in.Expect != nil && *in.Expect != r.Version && !begins {
			return stale(op, in.RecipeID)
		}
		now, who := s.clock(), actor(ctx).ID
		if isNew {
			*r = Recipe{RecipeID: in.RecipeID, CreatedAt: now, CreatedBy: who}
		}
		r.Name, r.Description, r.Left, r.Right, r.Passes = in.Name, in.Description, in.Left, in.Right, in.Passes
		r.Archived, r.UpdatedAt, r.UpdatedBy = false, now, who
		r.Version++
		if err := save(ctx, tx, r, isNew); err != nil {
			return err
		}
		v := &Version{RecipeID: in.RecipeID, Version: r.Version, Document: in.Document, Recipe: in.Recipe, Author: who, Message: in.Message, CreatedAt: now}
		if _, err := tx.NewInsert().Model(v).Exec(ctx); err != nil {
			return err
		}
		if err := refer(ctx, tx, in.RecipeID, in.Sources); err != nil {
			return err
		}
		return s.audit(ctx, tx, "recipe.save", "recipe", in.RecipeID, map[string]any{"version": r.Version, "name": r.Name, "message": in.Message})
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// refer notes which sources the current version of a recipe refers to.
func refer(ctx context.Context, tx bun.Tx, recipeID string, aliases []string) error {
	if _, err := tx.NewDelete().Model((*recipeSource)(nil)).Where("recipe_id = ?", recipeID).Exec(ctx); err != nil {
		return err
	}
	var uses []recipeSource
	for _, alias := range slices.Compact(slices.Sorted(slices.Values(aliases))) {
		uses = append(uses, recipeSource{RecipeID: recipeID, Alias: alias})
	}
	if len(uses) == 0 {
		return nil
	}
	_, err := tx.NewInsert().Model(&uses).Exec(ctx)
	return err
}

// Recipe returns a recipe, a deleted one too.
func (s *Store) Recipe(ctx context.Context, id string) (*Recipe, error) {
	return one[Recipe](ctx, s, "reading the recipe", "recipe", id, func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("recipe_id = ?", id)
	})
}

// RecipeVersion returns one version of a recipe; 0 is the current one.
func (s *Store) RecipeVersion(ctx context.Context, id string, version int) (*Version, error) {
	return one[Version](ctx, s, "reading the recipe", "recipe or version", id, func(q *bun.SelectQuery) *bun.SelectQuery {
		q = q.Where("recipe_id = ?", id)
		if version == 0 {
			return q.OrderBy("version", bun.OrderDesc).Limit(1)
		}
		return q.Where("version = ?", version)
	})
}

// CurrentVersions returns the current versions of recipes, by recipe.
func (s *Store) CurrentVersions(ctx context.Context, ids ...string) (map[string]*Version, error) {
	current := map[string]*Version{}
	if len(ids) == 0 {
		return current, nil
	}
	err := s.query(ctx, "reading the recipes", func(ctx context.Context) error {
		versions := []Version{}
		err := s.read.NewSelect().Model(&versions).
			Where("(recipe_id, version) IN (SELECT recipe_id, version FROM recipes WHERE recipe_id IN (?))", bun.List(ids)).Scan(ctx)
		for i := range versions {
			current[versions[i].RecipeID] = &versions[i]
		}
		return err
	})
	return current, err
}

// RecipeVersions returns up to 500 versions before a number (0 for the newest), the newest first, without their documents.
func (s *Store) RecipeVersions(ctx context.Context, id string, before int) ([]Version, error) {
	versions := []Version{}
	err := s.query(ctx, "listing the versions of the recipe", func(ctx context.Context) error {
		versions = versions[:0]
		q := s.read.NewSelect().Model(&versions).ExcludeColumn("document", "recipe").Where("recipe_id = ?", id).OrderBy("version", bun.OrderDesc).Limit(maxLimit)
		if before > 0 {
			q = q.Where("version < ?", before)
		}
		return q.Scan(ctx)
	})
	return versions, err
}

// RecipeFilter chooses recipes; empty fields choose all that are not deleted.
type RecipeFilter struct {
	Source   string // alias that the current version refers to
	Archived bool   // the deleted ones instead
}

// Recipes returns recipes, the newest first.
func (s *Store) Recipes(ctx context.Context, f RecipeFilter, p Page) (List[Recipe], error) {
	return page(ctx, s, "listing the recipes", p, "recipe_id", func(x *Recipe) (time.Time, string) { return x.CreatedAt, x.RecipeID },
		func(q *bun.SelectQuery) *bun.SelectQuery {
			q = q.Where("archived = ?", f.Archived)
			if f.Source != "" {
				q = q.Where("recipe_id IN (SELECT recipe_id FROM recipe_sources WHERE alias = ?)", f.Source)
			}
			return q
		})
}

// DeleteRecipe takes a recipe out of the lists. Its versions stay, for the runs
// that refer to them, and so do the numbers: saved again, it goes on counting.
// With expect it is ErrStale unless that is the current version.
func (s *Store) DeleteRecipe(ctx context.Context, id string, expect *int) error {
	const op = "deleting the recipe"
	return s.change(ctx, op, func(ctx context.Context, tx bun.Tx) error {
		var r Recipe
		err := s.forUpdate(tx.NewSelect().Model(&r).Where("recipe_id = ?", id).Where("NOT archived")).Scan(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return notFound(op, "recipe", id)
		}
		if err != nil {
			return err
		}
		if expect != nil && *expect != r.Version {
			return stale(op, id)
		}
		r.Archived, r.UpdatedAt, r.UpdatedBy = true, s.clock(), actor(ctx).ID
		if _, err := tx.NewUpdate().Model(&r).Column("archived", "updated_at", "updated_by").WherePK().Exec(ctx); err != nil {
			return err
		}
		if err := refer(ctx, tx, id, nil); err != nil {
			return err
		}
		return s.audit(ctx, tx, "recipe.delete", "recipe", id, map[string]any{"version": r.Version})
	})
}
