-- $1: the session. $2: names of accounts.
UPDATE reconciled_account SET session = 0 WHERE session = $1 AND name = ANY($2)
