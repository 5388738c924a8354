-- Takes the accounts whose fence has not changed since they were free. $1: the session. $2: names. $3: fences.
-- One row for each account that the session now has, with its new fence.
UPDATE reconciled_account AS account SET session = $1, fence = account.fence + 1
FROM unnest($2, $3) AS free (name, fence)
WHERE account.name = free.name AND account.fence = free.fence
AND EXISTS (SELECT 1 FROM reconciled_host AS host WHERE host.session = $1)
RETURNING account.name, account.fence
