-- Takes the rows with it: there is no earlier version that could hold them.
DROP TABLE sandbox_sessions;
