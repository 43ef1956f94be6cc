WITH one AS (SELECT l.id AS l, r.id AS r FROM lefts l JOIN rights r ON l.code = r.code)
SELECT l, r FROM one
UNION ALL
SELECT l.id, r.id FROM lefts l JOIN rights r ON l.ref = r.ref
WHERE l.id NOT IN (SELECT l FROM one) AND r.id NOT IN (SELECT r FROM one)
