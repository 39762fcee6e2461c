-- created_at is in whole seconds: sequence tells which of two rows of one second came later.
-- It is counted up by the one writer at each insert. The rows already there get theirs by
-- created_at and id, which is how they were ordered until now.
--
-- DuckDB neither adds a column that is NOT NULL nor makes an index after an update in the same
-- transaction. So the table is made anew, as in 0002. There is no index: a list reads by
-- created_at, and an index on sequence would cost each insert more than the scan that it saves.
DROP INDEX sandbox_sessions_user_id;
DROP INDEX sandbox_sessions_project_id;
DROP INDEX sandbox_sessions_status;
DROP INDEX sandbox_sessions_expires_at;

ALTER TABLE sandbox_sessions RENAME TO sandbox_sessions_0002;

CREATE TABLE sandbox_sessions (
    id                VARCHAR PRIMARY KEY CHECK (regexp_full_match(id, '[0-9a-f]{32}')),
    user_id           VARCHAR NOT NULL,
    project_id        VARCHAR,
    name              VARCHAR,
    provider          VARCHAR NOT NULL DEFAULT 'dagger',
    container_id      VARCHAR,
    status            VARCHAR NOT NULL
                      CHECK (status IN ('creating', 'active', 'paused', 'terminated', 'failed')),
    reason            VARCHAR,
    exit_code         INTEGER,
    host_url          VARCHAR,
    working_directory VARCHAR NOT NULL DEFAULT '/app',
    -- template, image, ports, command, env, labels, ttl, link
    metadata          JSON NOT NULL DEFAULT '{}',
    created_at        BIGINT NOT NULL,
    last_active_at    BIGINT NOT NULL,
    expires_at        BIGINT NOT NULL,
    sequence          BIGINT NOT NULL
);

INSERT INTO sandbox_sessions
SELECT *, row_number() OVER (ORDER BY created_at, id)
FROM sandbox_sessions_0002
ORDER BY created_at, id;

DROP TABLE sandbox_sessions_0002;

CREATE INDEX sandbox_sessions_user_id ON sandbox_sessions (user_id);
CREATE INDEX sandbox_sessions_project_id ON sandbox_sessions (project_id);
CREATE INDEX sandbox_sessions_status ON sandbox_sessions (status);
CREATE INDEX sandbox_sessions_expires_at ON sandbox_sessions (expires_at);
