package trino_test

import (
	"testing"

	"kalla/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }
