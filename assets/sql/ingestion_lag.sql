-- from the time of a micro-batch's newest event to the time that it was read
SELECT (min(epoch_us(ingested_at) - epoch_us(ts)) / 1e6)::DOUBLE AS lag_seconds
FROM events
WHERE ingested_at = make_timestamptz($at) AND ts <= ingested_at
