SELECT l.id, r.id FROM lefts l JOIN rights r ON l.ref = r.ref AND abs(l.amount - r.amount) <= 0.02
