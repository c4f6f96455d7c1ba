-- the same by endpoint, those first on whose windows the two differ most often
SELECT
    tenant, endpoint, platform,
    count(*) AS n_both,
    count(*) FILTER (one_attack) AS n_one_attack,
    count(*) FILTER (other_attack) AS n_other_attack,
    count(*) FILTER (one_attack <> other_attack) AS n_differing
FROM pairs
WHERE is_told
GROUP BY ALL
ORDER BY n_differing DESC, n_one_attack + n_other_attack DESC, tenant, endpoint, platform
LIMIT $limit
