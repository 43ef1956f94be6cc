package duckdb_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"kalla/internal/engine"
	"kalla/internal/engine/duckdb"
	"kalla/internal/source"
)

// BenchmarkStageCSV compares staging with the reader's own typing, which is
// neither exact nor checked. Metric to look at: the ratio of the two.
func BenchmarkStageCSV(b *testing.B) {
	path := filepath.Join(b.TempDir(), "f.csv")
	session := func() *duckdb.Session {
		s, err := duckdb.Open(b.Context(), engine.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	s := session()
	const rows = 1_000_000
	_, err := s.Exec(b.Context(), fmt.Sprintf(`COPY (SELECT 'INV-' || lpad(i::VARCHAR, 8, '0') AS invoice_id, ((hash(i) %% 10000000)::BIGINT / 100.0)::DECIMAL(18,2) AS amount,
		CASE i %% 3 WHEN 0 THEN 'EUR' WHEN 1 THEN 'USD' ELSE 'GBP' END AS currency, DATE '2024-01-01' + (i %% 365)::INT AS invoice_date,
		1000 + (hash(i * 7) %% 50000)::BIGINT AS customer_id, 'Customer ' || (hash(i * 7) %% 50000) AS customer_name,
		'Payment for invoice INV-' || lpad(i::VARCHAR, 8, '0') || ' thanks' AS description, CASE i %% 5 WHEN 0 THEN 'open' ELSE 'closed' END AS status,
		TIMESTAMP '2024-01-01 00:00:00' + INTERVAL (i) SECOND AS created_at, (i %% 100)::INT AS qty FROM range(%d) t(i)) TO '%s' (HEADER)`, rows, path))
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	b.Run("reader", func(b *testing.B) {
		for range b.N {
			s := session()
			if _, err := s.Exec(b.Context(), "CREATE TABLE t AS SELECT * FROM read_csv('"+path+"')"); err != nil {
				b.Fatal(err)
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("staged", func(b *testing.B) {
		src, err := source.Parse(path, nil, "", os.LookupEnv)
		if err != nil {
			b.Fatal(err)
		}
		for range b.N {
			s := session()
			tables, err := s.Stage(b.Context(), []engine.Input{{Table: "t", Alias: "t", Source: src}}, nil)
			if err != nil {
				b.Fatal(err)
			}
			if tables[0].Rows != rows {
				b.Fatalf("%d rows", tables[0].Rows)
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
