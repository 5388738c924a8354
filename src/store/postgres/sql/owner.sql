-- The host that has an account. $1: its name.
SELECT host.name FROM reconciled_account AS account
JOIN reconciled_host AS host ON host.session = account.session
WHERE account.name = $1
