package server_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// small is a recipe over two sources whose records agree by id.
func small(id, left, right string) string {
	return strings.NewReplacer("ID", id, "LEFT", left, "RIGHT", right).Replace(`kalla: 1
recipe_id: ID
name: Small
sources:
  left:
    alias: bills
    LEFT
    primary_key: [id]
  right:
    alias: payments
    RIGHT
    primary_key: [id]
match:
  - name: by id
    cardinality: one_to_one
    when:
      - {left: id, right: id}
`)
}

// passwordOf is the password in a database's URL.
func passwordOf(t testing.TB, database string) string {
	t.Helper()
	u, err := url.Parse(database)
	check(t, err)
	password, ok := u.User.Password()
	if !ok {
		t.Fatalf("%s has no password", u.Redacted())
	}
	return password
}

func execute(t testing.TB, database string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	check(t, err)
	defer conn.Close(t.Context())
	for _, q := range statements {
		_, err := conn.Exec(t.Context(), q)
		check(t, err)
	}
}
