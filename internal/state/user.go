package state

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"kalla"
)

// Role is what a user may do; each may do what those before it may.
type Role string

// The roles.
const (
	Viewer   Role = "viewer"
	Preparer Role = "preparer"
	Approver Role = "approver"
	Admin    Role = "admin"
)

// User is somebody who may sign in.
type User struct {
	bun.BaseModel `bun:"table:users"`

	ID          string     `bun:"id,pk"`
	Email       string     `bun:"email"` // in lower case
	Name        string     `bun:"name"`
	Role        Role       `bun:"role"`
	Password    string     `bun:"password"` // a PHC string; empty: no password
	OIDCIssuer  string     `bun:"oidc_issuer,nullzero"`
	OIDCSubject string     `bun:"oidc_subject,nullzero"`
	Disabled    bool       `bun:"disabled"`
	Revision    int64      `bun:"revision"`
	CreatedAt   time.Time  `bun:"created_at"`
	UpdatedAt   time.Time  `bun:"updated_at"`
	SignedInAt  *time.Time `bun:"signed_in_at"`
}

// Email writes an address as users are looked up by it.
func Email(address string) string { return strings.ToLower(strings.TrimSpace(address)) }

// CreateUser adds a user; without an ID it gets one. An address or an OIDC subject that is there already is ErrExists.
func (s *Store) CreateUser(ctx context.Context, u User) (*User, error) {
	return s.createUser(ctx, u, false)
}

// CreateFirstUser adds a user if there is none yet, else it is ErrExists.
func (s *Store) CreateFirstUser(ctx context.Context, u User) (*User, error) {
	return s.createUser(ctx, u, true)
}

func (s *Store) createUser(ctx context.Context, u User, first bool) (*User, error) {
	const op = "adding the user"
	if u.ID == "" {
		u.ID = newID()
	}
	u.Email, u.Revision = Email(u.Email), 1
	u.CreatedAt = s.clock()
	u.UpdatedAt = u.CreatedAt
	err := s.change(ctx, op, func(ctx context.Context, tx bun.Tx) error {
		if first {
			// The end of the audit log is what everybody who changes something waits for.
			if err := s.forUpdate(tx.NewSelect().Model(&head{}).Where("id = 1")).Scan(ctx); err != nil {
				return err
			}
			if there, err := tx.NewSelect().Model((*User)(nil)).Exists(ctx); err != nil || there {
				if there {
					err = &kalla.Error{Code: kalla.CodeUsage, Op: op, Why: "there are users already", Err: ErrExists, Hint: "sign in, or ask an admin for an account"}
				}
				return err
			}
		}
		if _, err := tx.NewInsert().Model(&u).Exec(ctx); err != nil {
			return err
		}
		return s.audit(ctx, tx, "user.create", "user", u.ID, map[string]any{"email": u.Email, "role": u.Role})
	})
	if err != nil {
		return nil, err
	}
	return &u, nil
}

// UpdateUser stores all but when the user was added and signed in. Another revision
// than u's is ErrStale. The last admin who can sign in stays one: ErrConstraint. A user who is disabled loses
// all sessions, and one whose password changes all but keepSession (an id; may be empty).
func (s *Store) UpdateUser(ctx context.Context, u User, keepSession string) (*User, error) {
	const op = "changing the user"
	err := s.change(ctx, op, func(ctx context.Context, tx bun.Tx) error {
		admins, err := s.admins(ctx, tx)
		if err != nil {
			return err
		}
		var old User
		err = s.forUpdate(tx.NewSelect().Model(&old).Where("id = ?", u.ID)).Scan(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return notFound(op, "user", u.ID)
		}
		if err != nil {
			return err
		}
		if old.Revision != u.Revision {
			return stale(op, u.ID)
		}
		if len(admins) == 1 && admins[0] == u.ID && (u.Role != Admin || u.Disabled) {
			return lastAdmin(op, u.ID)
		}
		next := u
		next.Email, next.UpdatedAt = Email(u.Email), s.clock()
		next.CreatedAt, next.SignedInAt = old.CreatedAt, old.SignedInAt
		next.Revision++
		if _, err := tx.NewUpdate().Model(&next).WherePK().Exec(ctx); err != nil {
			return err
		}
		detail := map[string]any{"email": next.Email, "role": next.Role, "disabled": next.Disabled}
		if next.Disabled || next.Password != old.Password {
			q := tx.NewDelete().Model((*Session)(nil)).Where("user_id = ?", u.ID)
			if !next.Disabled {
				q = q.Where("id <> ?", keepSession)
			}
			if _, err := q.Exec(ctx); err != nil {
				return err
			}
			detail["password_changed"] = next.Password != old.Password
		}
		if err := s.audit(ctx, tx, "user.update", "user", u.ID, detail); err != nil {
			return err
		}
		u = next
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &u, nil
}

// admins returns, and holds, those who can sign in as one.
func (s *Store) admins(ctx context.Context, tx bun.Tx) (ids []string, err error) {
	err = s.forUpdate(tx.NewSelect().Model((*User)(nil)).Column("id").Where("role = ?", Admin).Where("NOT disabled").Order("id")).Scan(ctx, &ids)
	return ids, err
}

func lastAdmin(op, id string) error {
	return &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: id, Why: "nobody else is an admin", Err: ErrConstraint, Hint: "make somebody else an admin first"}
}

// DeleteUser removes a user with all sessions and tokens. The last admin stays: ErrConstraint.
func (s *Store) DeleteUser(ctx context.Context, id string) error {
	const op = "deleting the user"
	return s.change(ctx, op, func(ctx context.Context, tx bun.Tx) error {
		admins, err := s.admins(ctx, tx)
		if err != nil {
			return err
		}
		if len(admins) == 1 && admins[0] == id {
			return lastAdmin(op, id)
		}
		var u User
		err = s.forUpdate(tx.NewSelect().Model(&u).Where("id = ?", id)).Scan(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return notFound(op, "user", id)
		}
		if err != nil {
			return err
		}
		if _, err := tx.NewDelete().Model(&u).WherePK().Exec(ctx); err != nil {
			return err
		}
		return s.audit(ctx, tx, "user.delete", "user", id, map[string]any{"email": u.Email})
	})
}

// SignedIn notes that a user signed in, and how.
func (s *Store) SignedIn(ctx context.Context, id, how string) error {
	const op = "noting the sign-in"
	return s.change(ctx, op, func(ctx context.Context, tx bun.Tx) error {
		ok, err := changed(tx.NewUpdate().Model((*User)(nil)).Set("signed_in_at = ?", s.clock()).Where("id = ?", id).Exec(ctx))
		if err != nil {
			return err
		}
		if !ok {
			return notFound(op, "user", id)
		}
		return s.audit(ctx, tx, "user.sign_in", "user", id, map[string]any{"how": how})
	})
}

// Rehash replaces the hash of a password that stayed the same by a stronger one, unless it was changed meanwhile.
func (s *Store) Rehash(ctx context.Context, id, from, to string) error {
	return s.change(ctx, "strengthening the hash of the password", func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewUpdate().Model((*User)(nil)).Set("password = ?", to).Where("id = ?", id).Where("password = ?", from).Exec(ctx)
		return err
	})
}

// User returns a user.
func (s *Store) User(ctx context.Context, id string) (*User, error) {
	return s.user(ctx, id, "id = ?", id)
}

// UserByEmail returns the user of an address, in whatever case it is written.
func (s *Store) UserByEmail(ctx context.Context, address string) (*User, error) {
	return s.user(ctx, address, "email = ?", Email(address))
}

// UserByOIDC returns the user whom an issuer calls so.
func (s *Store) UserByOIDC(ctx context.Context, issuer, subject string) (*User, error) {
	return s.user(ctx, subject, "oidc_issuer = ? AND oidc_subject = ?", issuer, subject)
}

func (s *Store) user(ctx context.Context, who, where string, args ...any) (*User, error) {
	return one[User](ctx, s, "looking for the user", "user", who, func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where(where, args...) })
}

// Users returns the users, the newest first.
func (s *Store) Users(ctx context.Context, p Page) (List[User], error) {
	return page(ctx, s, "listing the users", p, "id", func(x *User) (time.Time, string) { return x.CreatedAt, x.ID }, all)
}

// CountUsers returns how many users there are.
func (s *Store) CountUsers(ctx context.Context) (n int64, err error) {
	err = s.query(ctx, "counting the users", func(ctx context.Context) error {
		n, err = s.read.NewSelect().Model((*User)(nil)).Count(ctx)
		return err
	})
	return n, err
}
