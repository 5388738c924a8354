-- How many accounts each session has, and whether it is the keeper (has "*"). Reads all accounts.
SELECT session, count(*) FILTER (WHERE name <> '*'), count(*) FILTER (WHERE name = '*') > 0
FROM reconciled_account GROUP BY session
