-- The history is lost: an earlier version has no place for it.
DROP TABLE sandbox_execs;
DROP TABLE sandbox_events;
