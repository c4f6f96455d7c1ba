-- start of the newest window that a model has scored, by whichever version; clocks that run ahead aside
SELECT epoch_us(max(window_start)) AS newest
FROM window_scores
WHERE model_name = $name AND window_start <= make_timestamptz($now)
