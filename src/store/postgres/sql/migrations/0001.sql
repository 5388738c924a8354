-- The lease: who works, and where the facts end. The facts: one row an entry of the journal, linked by their hashes.
CREATE TABLE reconciled_lease (
    name text PRIMARY KEY,
    owner text NOT NULL,
    lease_until timestamptz NOT NULL,
    fence bigint NOT NULL,
    last_sequence bigint NOT NULL,
    last_hash bytea NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE reconciled_fact (
    sequence bigint PRIMARY KEY,
    group_start bigint NOT NULL,
    hash bytea NOT NULL,
    payload bytea NOT NULL,
    written_at timestamptz NOT NULL,
    fence bigint NOT NULL
);
