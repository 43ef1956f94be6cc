package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"kalla"
	"kalla/internal/app"
	"kalla/internal/server/auth"
	"kalla/internal/state"
)

func (c *command) userCommand() *cobra.Command {
	return group("user", "Add users, and set passwords that were lost", c.userAdd(), c.userReset(), c.userList())
}

// addStateFlags gives a command what it takes to find the app's database.
func addStateFlags(cmd *cobra.Command) {
	addSettingFlags(cmd, keyData)
	acceptDataDir(cmd)
	cmd.Long += `

It works on the database of DATABASE_URL or, where that is not set, on that of kalla up in --data. The app
may run meanwhile.`
}

// withState opens the app's database, which must be there, for a command that opens no credentials.
func (c *command) withState(ctx context.Context, do func(context.Context, *state.Store) error) (err error) {
	database := c.settings.get(keyDatabase)
	if database == "" {
		database = app.StateFile(c.path(c.settings.get(keyData)))
		if err := isThere(database); err != nil {
			return &kalla.Error{Code: kalla.CodeUsage, Op: "opening the database", Where: database, Why: "there is none", Err: err,
				Hint: "name the folder of kalla up with --data, or set DATABASE_URL to the database of kalla serve"}
		}
	}
	store, err := app.OpenState(ctx, database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return do(state.WithActor(ctx, state.Actor{Name: "command line"}), store)
}

func (c *command) userAdd() *cobra.Command {
	var role, name string
	var stdin bool
	cmd := &cobra.Command{
		Use:     "add EMAIL",
		Short:   "Add a user, and print a password for them",
		Long:    `Adds a user with a password that it makes and prints, or that it reads from standard input.`,
		Example: `  kalla user add maria@example.com --role approver`,
		Args:    exactArgs("EMAIL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withState(cmd.Context(), func(ctx context.Context, store *state.Store) error {
				password, hash, err := c.newPassword(ctx, args[0], stdin)
				if err != nil {
					return err
				}
				_, err = store.CreateUser(ctx, state.User{Email: args[0], Name: name, Role: state.Role(role), Password: hash})
				if errors.Is(err, state.ErrExists) {
					return &kalla.Error{Code: kalla.CodeUsage, Op: "adding the user", Where: args[0], Why: "there is one of that address", Hint: "kalla user reset gives them another password", Err: err}
				}
				if err != nil {
					return err
				}
				return c.tellPassword(password)
			})
		},
	}
	cmd.Flags().StringVar(&role, "role", string(auth.Viewer), "what they may do")
	takes(cmd, "role", "viewer|preparer|approver|admin")
	cmd.Flags().StringVar(&name, "name", "", "their name")
	cmd.Flags().BoolVar(&stdin, "password-stdin", false, "read the password from standard input")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if err := oneOf(string(auth.Viewer), string(auth.Preparer), string(auth.Approver), string(auth.Admin))(role); err != nil {
			return usage("--role", err.Error(), "")
		}
		return nil
	}
	addStateFlags(cmd)
	return cmd
}

func (c *command) userReset() *cobra.Command {
	var stdin bool
	cmd := &cobra.Command{
		Use:   "reset EMAIL",
		Short: "Give a user another password, and print it",
		Long:  `Gives a user a password that it makes and prints, or that it reads from standard input. They are signed out everywhere.`,
		Args:  exactArgs("EMAIL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withState(cmd.Context(), func(ctx context.Context, store *state.Store) error {
				user, err := store.UserByEmail(ctx, args[0])
				if errors.Is(err, state.ErrNotFound) {
					return &kalla.Error{Code: kalla.CodeUsage, Op: "setting a password", Where: args[0], Why: "there is no such user", Hint: "kalla user list shows all", Err: err}
				}
				if err != nil {
					return err
				}
				password, hash, err := c.newPassword(ctx, args[0], stdin)
				if err != nil {
					return err
				}
				user.Password = hash
				if _, err := store.UpdateUser(ctx, *user, ""); err != nil {
					return err
				}
				return c.tellPassword(password)
			})
		},
	}
	cmd.Flags().BoolVar(&stdin, "password-stdin", false, "read the password from standard input")
	addStateFlags(cmd)
	return cmd
}

// newPassword makes a password, or reads one, which is not told then.
func (c *command) newPassword(ctx context.Context, email string, stdin bool) (made, hash string, err error) {
	password := rand.Text()
	made = password
	if stdin {
		text, err := io.ReadAll(io.LimitReader(c.env.Stdin, 4<<10))
		if err != nil {
			return "", "", &kalla.Error{Code: kalla.CodeUsage, Op: "reading the password", Err: err}
		}
		password, made = strings.TrimRight(string(text), "\r\n"), ""
	}
	hash, err = auth.HashPassword(ctx, email, password)
	return made, hash, err
}

func (c *command) tellPassword(password string) error {
	w := &stickyWriter{w: c.env.Stdout}
	if password != "" {
		fmt.Fprintln(w, password)
	}
	return w.failure()
}

// shownUser is one line of kalla user list.
type shownUser struct {
	Email    string `json:"email"`
	Name     string `json:"name"`
	Role     string `json:"role"`
	Disabled bool   `json:"disabled"`
	SignedIn string `json:"signed_in_at,omitempty"` // RFC 3339
}

func (c *command) userList() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List all users",
		Long:  `Lists all users, the newest first.`,
		Args:  exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withState(cmd.Context(), func(ctx context.Context, store *state.Store) error {
				users := []shownUser{}
				for page := (state.Page{Limit: 500}); ; {
					found, err := store.Users(ctx, page)
					if err != nil {
						return err
					}
					for _, u := range found.Items {
						shown := shownUser{Email: u.Email, Name: u.Name, Role: string(u.Role), Disabled: u.Disabled}
						if u.SignedInAt != nil {
							shown.SignedIn = u.SignedInAt.Format("2006-01-02T15:04:05Z07:00")
						}
						users = append(users, shown)
					}
					if page.Cursor = found.Next; page.Cursor == "" {
						break
					}
				}
				return c.output(format, users, func(w io.Writer, p palette) { writeUsers(w, p, users) })
			})
		},
	}
	addFormat(cmd, &format)
	addStateFlags(cmd)
	return cmd
}

func writeUsers(w io.Writer, p palette, users []shownUser) {
	g := newGrid(toLeft, toLeft, toLeft, toLeft)
	g.row(p.dim("user"), p.dim("role"), p.dim("name"), p.dim("signed in"))
	for _, u := range users {
		role := u.Role
		if u.Disabled {
			role += " (disabled)"
		}
		g.row(p.bold(printable(u.Email)), role, printable(u.Name), u.SignedIn)
	}
	g.write(w)
}
