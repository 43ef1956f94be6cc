-- The script of csv.sql over tables of one PostgreSQL database, read through
-- DuckDB's postgres extension. Amounts are NUMERIC(18,2) there, so they need no
-- cast. What csv.sql says of honesty holds here too; and the two tables are read
-- in one transaction only because both statements are in one here.

-- step: attaching
LOAD '${EXTENSION}';
ATTACH '${URL}' AS pg (TYPE postgres, READ_ONLY);

-- step: staging left
BEGIN;
CREATE TABLE left_src AS SELECT * FROM pg.${SCHEMA}.invoices;

-- step: staging right
CREATE TABLE right_src AS SELECT * FROM pg.${SCHEMA}.payments;
COMMIT;

-- step: joining
CREATE TABLE matched AS
SELECT l.invoice_id, r.payment_id
FROM left_src l
JOIN right_src r
  ON l.invoice_id = r.reference_number
 AND abs(l.amount - r.paid_amount) <= 0.02
 AND r.payment_date - l.invoice_date BETWEEN 0 AND 60;

-- step: writing matched
COPY (
  SELECT l.*, r.*, l.amount - r.paid_amount AS diff_amount
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
