-- Back to active and terminated. What 0001 has no place for is laid aside in metadata under
-- "states_0002", so that going up again restores it. A sandbox that is paused or in creation
-- has no container that 0001 could use: for it the sandbox is terminated.
DROP INDEX sandbox_sessions_user_id;
DROP INDEX sandbox_sessions_project_id;
DROP INDEX sandbox_sessions_status;
DROP INDEX sandbox_sessions_expires_at;

ALTER TABLE sandbox_sessions RENAME TO sandbox_sessions_0002;

CREATE TABLE sandbox_sessions (
    id                VARCHAR PRIMARY KEY CHECK (regexp_full_match(id, '[0-9a-f]{32}')),
    user_id           VARCHAR NOT NULL,
    project_id        VARCHAR,
    provider          VARCHAR NOT NULL DEFAULT 'dagger',
    container_id      VARCHAR,
    status            VARCHAR NOT NULL CHECK (status IN ('active', 'terminated')),
    host_url          VARCHAR,
    working_directory VARCHAR NOT NULL DEFAULT '/app',
    metadata          JSON NOT NULL DEFAULT '{}',
    created_at        BIGINT NOT NULL,
    last_active_at    BIGINT NOT NULL,
    expires_at        BIGINT NOT NULL
);

INSERT INTO sandbox_sessions
SELECT
    id,
    user_id,
    project_id,
    provider,
    container_id,
    CASE status WHEN 'active' THEN 'active' ELSE 'terminated' END,
    host_url,
    working_directory,
    json_merge_patch(
        metadata,
        json_object(
            'states_0002',
            json_object('name', name, 'status', status, 'reason', reason, 'exit_code', exit_code)
        )
    ),
    created_at,
    last_active_at,
    expires_at
FROM sandbox_sessions_0002;

DROP TABLE sandbox_sessions_0002;

CREATE INDEX sandbox_sessions_user_id ON sandbox_sessions (user_id);
CREATE INDEX sandbox_sessions_project_id ON sandbox_sessions (project_id);
CREATE INDEX sandbox_sessions_status ON sandbox_sessions (status);
CREATE INDEX sandbox_sessions_expires_at ON sandbox_sessions (expires_at);
