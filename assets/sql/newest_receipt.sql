SELECT epoch_us(max(received_at)) AS received_at
FROM raw
