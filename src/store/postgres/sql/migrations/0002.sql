-- All hosts work at once, each on accounts of its own. reconciled_lease keeps where the facts end, and counts the
-- sessions of hosts in "fence"; nobody owns it any more. A host is here while its session lasts. An account belongs to
-- the host whose session it names; a session that is not here has ended.
CREATE TABLE reconciled_host (
    session bigint PRIMARY KEY,
    name text NOT NULL,
    accounts text NOT NULL,
    since timestamptz NOT NULL,
    lease_until timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE reconciled_account (
    name text PRIMARY KEY,
    session bigint NOT NULL,
    fence bigint NOT NULL
) WITH (fillfactor = 70);

CREATE INDEX reconciled_account_given_up ON reconciled_account (name) WHERE session = 0;

UPDATE reconciled_lease SET owner = '', fence = fence + 1;
