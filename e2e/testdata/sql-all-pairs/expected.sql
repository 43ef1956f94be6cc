SELECT l.id, r.id FROM lefts l JOIN rights r ON l.customer = r.payer AND l.ccy = r.ccy
