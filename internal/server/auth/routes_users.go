package auth

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"kalla/internal/state"
)

// UserItem is a user.
type UserItem struct {
	ID       string     `json:"id"`
	Email    string     `json:"email"`
	Name     string     `json:"name"`
	Role     Role       `json:"role" enum:"viewer,preparer,approver,admin"`
	Disabled bool       `json:"disabled"`
	Password bool       `json:"has_password"`
	OIDC     bool       `json:"has_oidc" doc:"Has signed in by OpenID Connect"`
	Created  time.Time  `json:"created_at"`
	SignedIn *time.Time `json:"last_sign_in_at,omitempty"`
}

func userItem(u *state.User) UserItem {
	return UserItem{ID: u.ID, Email: u.Email, Name: u.Name, Role: u.Role, Disabled: u.Disabled,
		Password: u.Password != "", OIDC: u.OIDCSubject != "", Created: u.CreatedAt, SignedIn: u.SignedInAt}
}

type listUsersInput struct {
	Cursor string `query:"cursor"`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

type usersOutput struct {
	Link string `header:"Link"`
	Body []UserItem
}

func (s *Service) listUsers(ctx context.Context, in *listUsersInput) (*usersOutput, error) {
	page, err := s.store.Users(ctx, state.Page{Cursor: in.Cursor, Limit: in.Limit})
	if err != nil {
		return nil, s.fail(ctx, "listing the users", err)
	}
	out := &usersOutput{Body: make([]UserItem, len(page.Items))}
	for i := range page.Items {
		out.Body[i] = userItem(&page.Items[i])
	}
	if page.Next != "" {
		next := url.Values{"cursor": {page.Next}, "limit": {strconv.Itoa(in.Limit)}}
		out.Link = "</api/users?" + next.Encode() + `>; rel="next"`
	}
	return out, nil
}

type userOutput struct {
	Status int
	Body   UserItem
}

type createUserInput struct {
	Body struct {
		Email    string `json:"email"`
		Name     string `json:"name,omitempty" maxLength:"200"`
		Role     Role   `json:"role" enum:"viewer,preparer,approver,admin"`
		Password string `json:"password,omitempty" writeOnly:"true" doc:"Without one the user can only sign in by OpenID Connect"`
	}
}

func (s *Service) createUser(ctx context.Context, in *createUserInput) (*userOutput, error) {
	if fault := emailFault(in.Body.Email); fault != "" {
		return nil, invalid("email", fault)
	}
	user := state.User{Email: in.Body.Email, Name: strings.TrimSpace(in.Body.Name), Role: in.Body.Role}
	if err := s.setPassword(ctx, &user, in.Body.Password); err != nil {
		return nil, err
	}
	made, err := s.store.CreateUser(ctx, user)
	if err != nil {
		return nil, s.fail(ctx, "adding a user", err)
	}
	return &userOutput{http.StatusCreated, userItem(made)}, nil
}

// setPassword gives a user a password, if there is one. It returns a problem.
func (s *Service) setPassword(ctx context.Context, user *state.User, password string) error {
	if password == "" {
		return nil
	}
	if fault := passwordFault(password, user.Email); fault != "" {
		return invalid("password", fault)
	}
	hash, err := s.hashes.hash(ctx, password)
	if err != nil {
		return s.fail(ctx, "setting a password", err)
	}
	user.Password = hash
	return nil
}

type updateUserInput struct {
	ID   string `path:"id" maxLength:"200"`
	Body struct {
		Name     *string `json:"name,omitempty" maxLength:"200"`
		Role     *Role   `json:"role,omitempty" enum:"viewer,preparer,approver,admin"`
		Disabled *bool   `json:"disabled,omitempty"`
		Password string  `json:"password,omitempty" writeOnly:"true"`
	}
}

// updateUser changes what the body names. What takes something away works at once.
func (s *Service) updateUser(ctx context.Context, in *updateUserInput) (*userOutput, error) {
	user, err := s.store.User(ctx, in.ID)
	if err != nil {
		return nil, s.fail(ctx, "changing a user", err)
	}
	if in.Body.Name != nil {
		user.Name = strings.TrimSpace(*in.Body.Name)
	}
	if in.Body.Role != nil {
		user.Role = *in.Body.Role
	}
	if in.Body.Disabled != nil {
		user.Disabled = *in.Body.Disabled
	}
	if err := s.setPassword(ctx, user, in.Body.Password); err != nil {
		return nil, err
	}
	user, err = s.store.UpdateUser(ctx, *user, PrincipalOf(ctx).id)
	if err != nil {
		return nil, s.fail(ctx, "changing a user", err)
	}
	s.forget(user.ID)
	return &userOutput{http.StatusOK, userItem(user)}, nil
}

func (s *Service) deleteUser(ctx context.Context, in *idInput) (*empty, error) {
	if err := s.store.DeleteUser(ctx, in.ID); err != nil {
		return nil, s.fail(ctx, "deleting a user", err)
	}
	s.forget(in.ID)
	return nil, nil
}
