-- What a competent engineer writes in an afternoon to reconcile two CSV files
-- with DuckDB: stage both, join, write three Parquet files.
--
-- Honest: column types are sniffed, as one would; amounts are compared as
-- decimals; all columns of both sides are written; the settings are DuckDB's own.
-- Less than Kalla: nothing keeps a record from being matched twice, a duplicate
-- or missing key goes unnoticed, no reasons, no sums, no proof, no manifest,
-- no limits, and a broken run leaves half its files.

-- step: staging left
CREATE TABLE left_src AS SELECT * FROM read_csv('${LEFT}');

-- step: staging right
CREATE TABLE right_src AS SELECT * FROM read_csv('${RIGHT}');

-- step: joining
CREATE TABLE matched AS
SELECT l.invoice_id, r.payment_id
FROM left_src l
JOIN right_src r
  ON l.invoice_id = r.reference_number
 AND abs(l.amount::DECIMAL(18,2) - r.paid_amount::DECIMAL(18,2)) <= 0.02
 AND r.payment_date - l.invoice_date BETWEEN 0 AND 60;

-- step: writing matched
COPY (
  SELECT l.*, r.*, l.amount::DECIMAL(18,2) - r.paid_amount::DECIMAL(18,2) AS diff_amount
  FROM matched m
  JOIN left_src l USING (invoice_id)
  JOIN right_src r USING (payment_id)
) TO '${OUT}/matched.parquet' (FORMAT parquet);

-- step: writing unmatched left
COPY (FROM left_src WHERE invoice_id NOT IN (SELECT invoice_id FROM matched))
TO '${OUT}/unmatched_left.parquet' (FORMAT parquet);

-- step: writing unmatched right
COPY (FROM right_src WHERE payment_id NOT IN (SELECT payment_id FROM matched))
TO '${OUT}/unmatched_right.parquet' (FORMAT parquet);
