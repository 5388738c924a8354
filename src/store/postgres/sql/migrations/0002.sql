-- All hosts work at the same time, each on its own accounts. reconciled_lease only counts the sessions of hosts, in
-- "fence". A host has a row in reconciled_host while its session lasts. An account belongs to the host whose session it
-- names. A session without a row has ended. The last row of reconciled_end says where the facts end. A new row begins
-- after 256 facts: while somebody holds a snapshot, the server keeps every version of a row, and every update reads them.
CREATE TABLE reconciled_host (
    session bigint PRIMARY KEY,
    name text NOT NULL,
    accounts text NOT NULL,
    since timestamptz NOT NULL,
    lease_until timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE reconciled_end (
    part bigint PRIMARY KEY,
    last_sequence bigint NOT NULL,
    last_hash bytea NOT NULL
) WITH (fillfactor = 50);

INSERT INTO reconciled_end (part, last_sequence, last_hash)
SELECT last_sequence / 256, last_sequence, last_hash FROM reconciled_lease;

CREATE TABLE reconciled_account (
    name text PRIMARY KEY,
    session bigint NOT NULL,
    fence bigint NOT NULL
) WITH (fillfactor = 70);

CREATE INDEX reconciled_account_given_up ON reconciled_account (name) WHERE session = 0;

UPDATE reconciled_lease SET owner = '', fence = fence + 1;
