SELECT d.id, r.id FROM (SELECT lpad(doc::text, 3, '0') || '-' || line AS id, initcap(name) AS who FROM lefts) d JOIN rights r ON d.id = r.id AND d.who = r.who
