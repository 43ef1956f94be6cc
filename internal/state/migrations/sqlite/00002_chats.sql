-- +goose Up
-- Conversations with the assistant.

CREATE TABLE chats (
    id          TEXT PRIMARY KEY,
    title       TEXT NOT NULL,
    work        TEXT NOT NULL,
    masks       TEXT NOT NULL,
    shared      TEXT NOT NULL,
    spent       TEXT NOT NULL,
    phase       TEXT NOT NULL,
    turn        TEXT NOT NULL,
    waits_for   TEXT NOT NULL,
    last_event  INTEGER NOT NULL,
    created_by  TEXT NOT NULL,
    lease_until TIMESTAMP,
    created_at  TIMESTAMP NOT NULL,
    updated_at  TIMESTAMP NOT NULL,
    -- Whoever answers has a lease, so that somebody notices when it is gone.
    CHECK ((turn = '') = (lease_until IS NULL))
);
CREATE INDEX chats_page ON chats (created_by, created_at, id);
CREATE INDEX chats_lease ON chats (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX chats_waiting ON chats (waits_for) WHERE waits_for <> '';

CREATE TABLE chat_messages (
    chat_id     TEXT NOT NULL REFERENCES chats ON DELETE CASCADE,
    id          TEXT NOT NULL,
    body        TEXT NOT NULL,
    model       TEXT NOT NULL,
    work        TEXT NOT NULL,
    PRIMARY KEY (chat_id, id)
);

CREATE TABLE chat_events (
    chat_id     TEXT NOT NULL REFERENCES chats ON DELETE CASCADE,
    seq         INTEGER NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('session', 'message', 'delta', 'removed')),
    message_id  TEXT NOT NULL,
    data        TEXT NOT NULL,
    PRIMARY KEY (chat_id, seq)
);
