-- what two versions made of the windows that both have scored, all together
SELECT
    count(*) FILTER (is_told) AS n_both,
    count(*) FILTER (is_told AND one_attack) AS n_one_attack,
    count(*) FILTER (is_told AND other_attack) AS n_other_attack,
    count(*) FILTER (is_told AND one_attack AND NOT other_attack) AS n_only_one,
    count(*) FILTER (is_told AND other_attack AND NOT one_attack) AS n_only_other,
    count(*) FILTER (has_changed) AS n_changed,
    count(*) FILTER (other_prob IS NULL) AS n_one_alone,
    count(*) FILTER (one_prob IS NULL) AS n_other_alone,
    epoch_us(min(window_start)) AS first_start,
    epoch_us(max(window_start)) AS last_start
FROM pairs
