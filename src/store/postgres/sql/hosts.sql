-- The hosts, each with the number of its accounts, and whether it does the work for all ("*").
SELECT host.session, host.name, host.accounts, floor(extract(epoch FROM host.since))::bigint,
    count(account.name) FILTER (WHERE account.name <> '*'), count(account.name) FILTER (WHERE account.name = '*') > 0
FROM reconciled_host AS host LEFT JOIN reconciled_account AS account ON account.session = host.session
GROUP BY host.session, host.name, host.accounts, host.since
ORDER BY host.session
