-- One row for each sandbox, from its creation on and, once it has ended, as history.
--
-- user_id and project_id have no foreign keys: this database has no table of users or of
-- projects. A user is whom Jupyter's identity provider names (on a single-user server one
-- owner, under a hub a real person), a project is a name that the user gives, and both exist
-- before and after any row here. Besides, DuckDB checks a foreign key at each statement and
-- refuses to alter either table while one exists, which would make every later migration
-- a rebuild of two tables.
--
-- Times are whole seconds since 1970 (UTC).
CREATE TABLE sandbox_sessions (
    id                VARCHAR PRIMARY KEY CHECK (regexp_full_match(id, '[0-9a-f]{32}')),
    user_id           VARCHAR NOT NULL,
    project_id        VARCHAR,
    provider          VARCHAR NOT NULL DEFAULT 'dagger',
    container_id      VARCHAR,
    status            VARCHAR NOT NULL CHECK (status IN ('active', 'terminated')),
    host_url          VARCHAR,
    working_directory VARCHAR NOT NULL DEFAULT '/app',
    -- template, image, ports, command, env, labels, ttl, link
    metadata          JSON NOT NULL DEFAULT '{}',
    created_at        BIGINT NOT NULL,
    last_active_at    BIGINT NOT NULL,
    expires_at        BIGINT NOT NULL
);

CREATE INDEX sandbox_sessions_user_id ON sandbox_sessions (user_id);
CREATE INDEX sandbox_sessions_project_id ON sandbox_sessions (project_id);
CREATE INDEX sandbox_sessions_status ON sandbox_sessions (status);
CREATE INDEX sandbox_sessions_expires_at ON sandbox_sessions (expires_at);
