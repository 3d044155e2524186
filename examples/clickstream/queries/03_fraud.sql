-- Who paid more than ten times or more than 10,000 within the last five minutes.
SELECT
    user_id,
    COUNT(*) as txn_count,
    SUM(amount) as total_amount,
    COUNT(DISTINCT merchant) as merchant_count
FROM iceberg.public.transactions
WHERE `timestamp` > LOCALTIMESTAMP - INTERVAL '5' MINUTE
GROUP BY user_id
HAVING COUNT(*) > 10 OR SUM(amount) > 10000;
