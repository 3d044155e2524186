-- Devices above 80 degrees within the last 15 minutes.
SELECT
    device_id,
    AVG(temperature) as avg_temp,
    MAX(temperature) as max_temp,
    COUNT(*) as reading_count
FROM iceberg.public.sensor_readings
WHERE `timestamp` > LOCALTIMESTAMP - INTERVAL '15' MINUTE
GROUP BY device_id
HAVING MAX(temperature) > 80; -- Alert threshold
