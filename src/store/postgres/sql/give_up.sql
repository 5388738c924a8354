-- Lets other hosts take accounts. $1: the session. $2: names. $3: fences.
UPDATE reconciled_account AS account SET session = 0
FROM unnest($2, $3) AS held (name, fence)
WHERE account.name = held.name AND account.session = $1 AND account.fence = held.fence
