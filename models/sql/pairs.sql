-- one row a window that either of two versions has scored: what each made of it, null where it has not
WITH scored AS (
    SELECT
        tenant, endpoint, platform, window_start, attack_prob, verdict = 'attack' AS is_attack, n_nodes, n_edges,
        contributing_events[1].summary AS stood_out,
        model_name = $one_name AND model_version = $one_version AS is_one,
        model_name = $other_name AND model_version = $other_version AS is_other
    FROM window_scores
    WHERE window_start >= make_timestamptz($first) AND window_start < make_timestamptz($last)
),
one AS (SELECT * FROM scored WHERE is_one),
other AS (SELECT * FROM scored WHERE is_other)
SELECT
    tenant, endpoint, platform, window_start,
    one.attack_prob AS one_prob, other.attack_prob AS other_prob,
    one.is_attack AS one_attack, other.is_attack AS other_attack,
    coalesce(CASE WHEN one.is_attack THEN one.stood_out ELSE other.stood_out END, '') AS stood_out,
    one.attack_prob IS NOT NULL AND other.attack_prob IS NOT NULL AS is_both,
    -- a late event changed the window after one of them had scored it
    is_both AND (one.n_nodes, one.n_edges) IS DISTINCT FROM (other.n_nodes, other.n_edges) AS has_changed,
    is_both AND NOT has_changed AS is_told
FROM one FULL JOIN other USING (tenant, endpoint, platform, window_start)
