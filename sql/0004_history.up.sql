-- What has happened to sandboxes, and which commands ran in them. Times are seconds since 1970
-- with fractions. sequence is counted up by the one writer. user_id stands in each row, so that
-- whose row it is can be told when the sandbox's own row is not at hand.
--
-- No indexes: a row is written once, a sandbox's rows are read by a scan of a few milliseconds,
-- and each index would cost every write. No foreign keys for the reasons that stand in 0001.
CREATE TABLE sandbox_events (
    sequence   BIGINT NOT NULL,
    sandbox_id VARCHAR NOT NULL,
    user_id    VARCHAR NOT NULL,
    time       DOUBLE NOT NULL,
    event      VARCHAR NOT NULL,
    text       VARCHAR NOT NULL
);

-- command is the text of a command line, at most 4 KiB, in which values of the environment are
-- replaced by their names. Environment, stdin and output are nowhere.
CREATE TABLE sandbox_execs (
    sequence   BIGINT NOT NULL,
    id         VARCHAR NOT NULL,
    sandbox_id VARCHAR NOT NULL,
    user_id    VARCHAR NOT NULL,
    origin     VARCHAR NOT NULL,
    command    VARCHAR NOT NULL,
    pid        INTEGER,
    started    DOUBLE NOT NULL,
    duration   DOUBLE,
    status     VARCHAR NOT NULL
               CHECK (status IN ('running', 'detached', 'ended', 'broken_off', 'failed', 'unknown')),
    exit_code  INTEGER,
    signal     VARCHAR,
    timed_out  BOOLEAN NOT NULL,
    error      VARCHAR
);
