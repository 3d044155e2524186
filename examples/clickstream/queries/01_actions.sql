-- What each user did within the last hour, the most frequent first.
SELECT
    user_id,
    action,
    COUNT(*) as frequency,
    MAX(`timestamp`) as last_seen
FROM iceberg.public.user_events
WHERE `timestamp` > LOCALTIMESTAMP - INTERVAL '1' HOUR
GROUP BY user_id, action
ORDER BY frequency DESC
LIMIT 20;
