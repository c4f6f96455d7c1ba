-- windows that one version alone takes for an attack, the widest apart first
SELECT
    tenant, endpoint, platform, epoch_us(window_start) AS window_start, one_prob, other_prob, one_attack, stood_out
FROM pairs
WHERE is_told AND one_attack <> other_attack
ORDER BY abs(one_prob - other_prob) DESC, window_start, tenant, endpoint, platform
LIMIT $limit
