SELECT l.id, r.id FROM lefts l JOIN rights r ON l.ref = r.ref AND EXISTS (SELECT 1 FROM names n WHERE n.customer = l.customer AND n.payer = r.payer)
