-- Events per user and five minutes, the newest windows first.
SELECT window_start, event_type, SUM(event_count) AS events, COUNT(DISTINCT user_id) AS users
FROM iceberg.public.user_activity
GROUP BY window_start, event_type
ORDER BY window_start DESC, events DESC
LIMIT 20;
