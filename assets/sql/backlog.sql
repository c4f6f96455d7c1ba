-- minutes and windows that have closed and wait to be built and scored: how many, and since when the oldest
SELECT count(*) AS waiting, min(due) AS oldest_due
FROM (
    SELECT least(epoch_us("end") + $lateness, epoch_us(ingested_at) + $idle) AS due
    FROM pending
)
WHERE due <= $now
