SELECT l.id, r.id FROM lefts l LEFT JOIN fx ON fx.code = l.ccy JOIN rights r ON l.ref = r.ref AND abs(l.amount * fx.rate - r.eur) <= 0.005
