-- The order within a second is lost: going up again, it is that of the ids.
DROP INDEX sandbox_sessions_user_id;
DROP INDEX sandbox_sessions_project_id;
DROP INDEX sandbox_sessions_status;
DROP INDEX sandbox_sessions_expires_at;

ALTER TABLE sandbox_sessions DROP COLUMN sequence;

CREATE INDEX sandbox_sessions_user_id ON sandbox_sessions (user_id);
CREATE INDEX sandbox_sessions_project_id ON sandbox_sessions (project_id);
CREATE INDEX sandbox_sessions_status ON sandbox_sessions (status);
CREATE INDEX sandbox_sessions_expires_at ON sandbox_sessions (expires_at);
