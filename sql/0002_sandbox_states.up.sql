-- What the states need: creating, paused and failed beside active and terminated; why a
-- sandbox left a state; how its main command ended; and a name to speak of it.
--
-- DuckDB cannot change a CHECK, and refuses to alter a table that has indexes. So the table is
-- made anew: indexes off, old table aside, rows over, indexes on. Foreign keys are left out for the reasons that stand in 0001.
DROP INDEX sandbox_sessions_user_id;
DROP INDEX sandbox_sessions_project_id;
DROP INDEX sandbox_sessions_status;
DROP INDEX sandbox_sessions_expires_at;

ALTER TABLE sandbox_sessions RENAME TO sandbox_sessions_0001;

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
    expires_at        BIGINT NOT NULL
);

-- "states_0002" is what the down migration laid aside in metadata.
INSERT INTO sandbox_sessions
SELECT
    id,
    user_id,
    project_id,
    json_extract_string(metadata, '/states_0002/name'),
    provider,
    container_id,
    coalesce(json_extract_string(metadata, '/states_0002/status'), status),
    json_extract_string(metadata, '/states_0002/reason'),
    CAST(json_extract_string(metadata, '/states_0002/exit_code') AS INTEGER),
    host_url,
    working_directory,
    json_merge_patch(metadata, '{"states_0002": null}'),
    created_at,
    last_active_at,
    expires_at
FROM sandbox_sessions_0001;

DROP TABLE sandbox_sessions_0001;

CREATE INDEX sandbox_sessions_user_id ON sandbox_sessions (user_id);
CREATE INDEX sandbox_sessions_project_id ON sandbox_sessions (project_id);
CREATE INDEX sandbox_sessions_status ON sandbox_sessions (status);
CREATE INDEX sandbox_sessions_expires_at ON sandbox_sessions (expires_at);
