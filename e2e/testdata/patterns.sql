-- What the passes of the demo's recipe come to, in plain SQL: tables invoices
-- and payments as generated, every table of the waterfall without what the ones before took.
WITH m1 AS (
  SELECT i.invoice_id, p.payment_id FROM invoices i JOIN payments p
    ON p.reference_number = i.invoice_id AND abs(i.amount - p.paid_amount) <= 0.02
   AND p.payment_date - i.invoice_date BETWEEN 0 AND 60
),
i2 AS (SELECT * FROM invoices WHERE invoice_id NOT IN (SELECT invoice_id FROM m1)),
p2 AS (SELECT * FROM payments WHERE payment_id NOT IN (SELECT payment_id FROM m1)),
parts AS (
  SELECT i.invoice_id, i.amount, p.payment_id, p.paid_amount FROM i2 i JOIN p2 p
    ON p.reference_number LIKE i.invoice_id || '%' AND p.payment_date - i.invoice_date BETWEEN 0 AND 60
),
m2 AS (
  SELECT invoice_id, payment_id FROM parts WHERE invoice_id IN (
    SELECT invoice_id FROM parts GROUP BY invoice_id, amount HAVING abs(amount - sum(paid_amount)) <= 0.02)
),
i3 AS (SELECT * FROM i2 WHERE invoice_id NOT IN (SELECT invoice_id FROM m2)),
p3 AS (SELECT * FROM p2 WHERE payment_id NOT IN (SELECT payment_id FROM m2)),
dealt AS ( -- an invoice that fits several payments goes to the first
  SELECT DISTINCT ON (i.invoice_id) i.invoice_id, i.amount, p.payment_id, p.paid_amount
  FROM i3 i JOIN p3 p ON p.reference_number = i.settlement_ref ORDER BY i.invoice_id, p.payment_id
),
m3 AS (
  SELECT invoice_id, payment_id FROM dealt WHERE payment_id IN (
    SELECT payment_id FROM dealt GROUP BY payment_id, paid_amount HAVING abs(sum(amount) - paid_amount) <= 0.02)
),
i4 AS (SELECT * FROM i3 WHERE invoice_id NOT IN (SELECT invoice_id FROM m3)),
p4 AS (SELECT * FROM p3 WHERE payment_id NOT IN (SELECT payment_id FROM m3)),
balanced AS (
  SELECT i.ref FROM (SELECT settlement_ref AS ref, sum(amount) AS total FROM i4 GROUP BY 1) i
  JOIN (SELECT reference_number AS ref, sum(paid_amount) AS total FROM p4 GROUP BY 1) p ON i.ref = p.ref AND abs(i.total - p.total) <= 0.02
),
m4 AS (
  SELECT i.invoice_id, p.payment_id FROM balanced b JOIN i4 i ON i.settlement_ref = b.ref JOIN p4 p ON p.reference_number = b.ref
)
SELECT 1, invoice_id, payment_id FROM m1
UNION ALL SELECT 2, invoice_id, payment_id FROM m2
UNION ALL SELECT 3, invoice_id, payment_id FROM m3
UNION ALL SELECT 4, invoice_id, payment_id FROM m4
