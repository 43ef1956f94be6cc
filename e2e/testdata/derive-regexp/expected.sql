SELECT l.id, r.id FROM lefts l JOIN rights r ON substring(l.text FROM 'INV-([0-9]+)') = r.ref::text
