//go:build !unix

package testenv

import "errors"

var trino struct{ ready bool }

func sharedTrino() (*TrinoCluster, error) {
	return nil, errors.New("services for tests are started on Unix systems only")
}

func keeper(string) int { return 1 }

func awaitIdle(string) {}
