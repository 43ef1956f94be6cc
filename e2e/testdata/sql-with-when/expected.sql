SELECT l.id, r.id FROM lefts l JOIN rights r ON l.ref = r.ref AND l.amount + l.fee = r.total
