SELECT l.id, r.id FROM lefts l JOIN fx ON fx.ccy = l.ccy JOIN rights r ON r.amount = l.amount * fx.rate
