-- +goose Up
-- Names compare by bytes, so that both databases order them alike. JSON is text:
-- it comes back to the byte, and nobody looks into it by SQL.

CREATE TABLE sources (
    alias       TEXT COLLATE "C" PRIMARY KEY,
    type        TEXT NOT NULL,
    uri         TEXT NOT NULL,
    secret      BYTEA NOT NULL,
    options     TEXT NOT NULL,
    types       TEXT NOT NULL,
    status      TEXT NOT NULL CHECK (status IN ('unknown', 'connected', 'failed')),
    error       TEXT NOT NULL,
    columns     TEXT NOT NULL,
    rows        BIGINT,
    upload_id   TEXT NOT NULL,
    checked_at  TIMESTAMPTZ,
    revision    BIGINT NOT NULL,
    created_by  TEXT NOT NULL,
    updated_by  TEXT NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL,
    updated_at  TIMESTAMPTZ NOT NULL
);
CREATE INDEX sources_page ON sources (created_at, alias);

CREATE TABLE recipes (
    recipe_id   TEXT COLLATE "C" PRIMARY KEY,
    version     INTEGER NOT NULL CHECK (version > 0),
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    left_alias  TEXT NOT NULL,
    right_alias TEXT NOT NULL,
    passes      INTEGER NOT NULL,
    archived    BOOLEAN NOT NULL,
    created_by  TEXT NOT NULL,
    updated_by  TEXT NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL,
    updated_at  TIMESTAMPTZ NOT NULL
);
CREATE INDEX recipes_page ON recipes (created_at, recipe_id);

CREATE TABLE recipe_versions (
    recipe_id   TEXT COLLATE "C" NOT NULL REFERENCES recipes,
    version     INTEGER NOT NULL,
    document    TEXT NOT NULL,
    recipe      TEXT NOT NULL,
    author      TEXT NOT NULL,
    message     TEXT NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (recipe_id, version)
);

-- The sources that the current version of a recipe refers to.
CREATE TABLE recipe_sources (
    recipe_id   TEXT COLLATE "C" NOT NULL REFERENCES recipes,
    alias       TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (recipe_id, alias)
);
CREATE INDEX recipe_sources_alias ON recipe_sources (alias);

CREATE TABLE runs (
    run_id                TEXT COLLATE "C" PRIMARY KEY,
    recipe_id             TEXT COLLATE "C" NOT NULL,
    recipe_version        INTEGER NOT NULL,
    recipe_name           TEXT NOT NULL,
    document              TEXT NOT NULL,
    parameters            TEXT NOT NULL,
    request               BYTEA,
    engine                TEXT NOT NULL,
    evidence              TEXT NOT NULL,
    target                NUMERIC,
    state                 TEXT NOT NULL CHECK (state IN ('pending', 'dispatched', 'staging', 'matching', 'evidence', 'completed', 'failed', 'cancelled')),
    attempt               INTEGER NOT NULL CHECK (attempt BETWEEN 1 AND max_attempts),
    max_attempts          INTEGER NOT NULL,
    scheduler_url         TEXT NOT NULL,
    progress              TEXT,
    matched_count         BIGINT NOT NULL,
    unmatched_left_count  BIGINT NOT NULL,
    unmatched_right_count BIGINT NOT NULL,
    match_rate            NUMERIC,
    summary               TEXT,
    output                TEXT NOT NULL,
    output_paths          TEXT NOT NULL,
    failure               TEXT,
    rerun_of              TEXT NOT NULL,
    idempotency_key       TEXT COLLATE "C" UNIQUE,
    revision              BIGINT NOT NULL,
    last_event            BIGINT NOT NULL,
    created_by            TEXT NOT NULL,
    lease_until           TIMESTAMPTZ,
    heartbeat_at          TIMESTAMPTZ,
    cancel_requested_at   TIMESTAMPTZ,
    created_at            TIMESTAMPTZ NOT NULL,
    updated_at            TIMESTAMPTZ NOT NULL,
    started_at            TIMESTAMPTZ,
    ended_at              TIMESTAMPTZ,
    -- A run that is not final has a lease, so that somebody takes it up again.
    CHECK (state IN ('completed', 'failed', 'cancelled') OR (lease_until IS NOT NULL AND ended_at IS NULL)),
    CHECK (state NOT IN ('completed', 'failed', 'cancelled') OR (lease_until IS NULL AND ended_at IS NOT NULL))
);
CREATE INDEX runs_page ON runs (created_at, run_id);
CREATE INDEX runs_recipe ON runs (recipe_id, created_at, run_id);
CREATE INDEX runs_state ON runs (state, created_at, run_id);
CREATE INDEX runs_lease ON runs (lease_until) WHERE lease_until IS NOT NULL;

CREATE TABLE run_events (
    run_id      TEXT COLLATE "C" NOT NULL REFERENCES runs,
    seq         BIGINT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('state', 'progress')),
    state       TEXT NOT NULL,
    attempt     INTEGER NOT NULL,
    progress    TEXT,
    failure     TEXT,
    at          TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (run_id, seq)
);

CREATE TABLE approvals (
    id          TEXT COLLATE "C" PRIMARY KEY,
    run_id      TEXT COLLATE "C" NOT NULL REFERENCES runs,
    decision    TEXT NOT NULL CHECK (decision IN ('approved', 'rejected')),
    comment     TEXT NOT NULL,
    decided_by  TEXT NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL
);
CREATE INDEX approvals_run ON approvals (run_id, created_at);

CREATE TABLE uploads (
    id          TEXT COLLATE "C" PRIMARY KEY,
    filename    TEXT NOT NULL,
    size        BIGINT NOT NULL,
    format      TEXT NOT NULL,
    status      TEXT NOT NULL CHECK (status IN ('pending', 'confirmed', 'expired', 'deleted')),
    location    TEXT NOT NULL,
    columns     TEXT NOT NULL,
    rows        BIGINT,
    sample      TEXT NOT NULL,
    alias       TEXT COLLATE "C" NOT NULL,
    created_by  TEXT NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL,
    expires_at  TIMESTAMPTZ
);
CREATE INDEX uploads_page ON uploads (created_at, id);
CREATE INDEX uploads_expiry ON uploads (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE users (
    id           TEXT COLLATE "C" PRIMARY KEY,
    email        TEXT COLLATE "C" NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    role         TEXT NOT NULL CHECK (role IN ('viewer', 'preparer', 'approver', 'admin')),
    password     TEXT NOT NULL,
    oidc_issuer  TEXT COLLATE "C",
    oidc_subject TEXT COLLATE "C",
    disabled     BOOLEAN NOT NULL,
    revision     BIGINT NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL,
    updated_at   TIMESTAMPTZ NOT NULL,
    signed_in_at TIMESTAMPTZ,
    UNIQUE (oidc_issuer, oidc_subject)
);
CREATE INDEX users_page ON users (created_at, id);

CREATE TABLE sessions (
    hash        BYTEA PRIMARY KEY,
    id          TEXT COLLATE "C" NOT NULL UNIQUE,
    user_id     TEXT COLLATE "C" NOT NULL REFERENCES users ON DELETE CASCADE,
    user_agent  TEXT NOT NULL,
    address     TEXT NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL,
    seen_at     TIMESTAMPTZ NOT NULL,
    expires_at  TIMESTAMPTZ NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE tokens (
    id          TEXT COLLATE "C" PRIMARY KEY,
    user_id     TEXT COLLATE "C" NOT NULL REFERENCES users ON DELETE CASCADE,
    name        TEXT NOT NULL,
    hash        BYTEA NOT NULL UNIQUE,
    prefix      TEXT NOT NULL,
    scopes      TEXT NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL,
    expires_at  TIMESTAMPTZ,
    used_at     TIMESTAMPTZ
);
CREATE INDEX tokens_user ON tokens (user_id);

CREATE TABLE settings (
    key         TEXT COLLATE "C" PRIMARY KEY,
    value       TEXT NOT NULL,
    updated_by  TEXT NOT NULL,
    updated_at  TIMESTAMPTZ NOT NULL
);

CREATE TABLE idempotency_keys (
    user_id      TEXT COLLATE "C" NOT NULL,
    key          TEXT COLLATE "C" NOT NULL,
    claim        TEXT NOT NULL,
    route        TEXT NOT NULL,
    request_hash BYTEA NOT NULL,
    status       INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    body         BYTEA,
    created_at   TIMESTAMPTZ NOT NULL,
    expires_at   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);

CREATE TABLE audit (
    seq         BIGINT PRIMARY KEY,
    at          TIMESTAMPTZ NOT NULL,
    actor_id    TEXT NOT NULL,
    actor_name  TEXT NOT NULL,
    address     TEXT NOT NULL,
    action      TEXT NOT NULL,
    object_type TEXT NOT NULL,
    object_id   TEXT COLLATE "C" NOT NULL,
    detail      TEXT NOT NULL,
    prev_hash   BYTEA NOT NULL,
    hash        BYTEA NOT NULL
);
CREATE INDEX audit_object ON audit (object_type, object_id, seq);

-- The end of the chain: whoever appends holds this row, so that the chain never forks.
CREATE TABLE audit_head (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    seq         BIGINT NOT NULL,
    hash        BYTEA NOT NULL
);
INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, '\x');

-- +goose StatementBegin
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'restrict_violation';
END
$$;
-- +goose StatementEnd
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
