-- Use case 3: card payments. Every payment, and whoever pays more than ten times or more than
-- 10,000 within five minutes.

SET 'pipeline.name' = 'transactions';
SET 'execution.checkpointing.interval' = '5s';

CREATE TABLE transactions (
    txn_id      STRING,
    user_id     BIGINT,
    amount      DOUBLE,
    `timestamp` TIMESTAMP(3),
    merchant    STRING,
    location    STRING,
    WATERMARK FOR `timestamp` AS `timestamp` - INTERVAL '5' SECOND
) WITH (
    'connector' = 'kafka',
    'topic' = 'transactions',
    'properties.bootstrap.servers' = 'localhost:9092',
    'scan.startup.mode' = 'earliest-offset',
    'scan.watermark.idle-timeout' = '10s',
    'format' = 'json'
);

CREATE CATALOG iceberg WITH (
    'type' = 'iceberg',
    'catalog-type' = 'rest',
    'uri' = 'http://localhost:8181/api/catalog',
    'warehouse' = 'lake',
    'credential' = 'root:secret',
    'scope' = 'PRINCIPAL_ROLE:ALL'
);
CREATE DATABASE IF NOT EXISTS iceberg.public;

CREATE TABLE IF NOT EXISTS iceberg.public.transactions (
    txn_id      STRING,
    user_id     BIGINT,
    amount      DOUBLE,
    `timestamp` TIMESTAMP(6),
    merchant    STRING,
    location    STRING
);
CREATE TABLE IF NOT EXISTS iceberg.public.fraud_alerts (
    user_id        BIGINT,
    window_start   TIMESTAMP(6),
    window_end     TIMESTAMP(6),
    txn_count      BIGINT,
    total_amount   DOUBLE,
    merchant_count BIGINT
);

BEGIN STATEMENT SET;

INSERT INTO iceberg.public.transactions
SELECT txn_id, user_id, amount, `timestamp`, merchant, location FROM transactions;

INSERT INTO iceberg.public.fraud_alerts
SELECT user_id, window_start, window_end, COUNT(*), SUM(amount), COUNT(DISTINCT merchant)
FROM TABLE(HOP(TABLE transactions, DESCRIPTOR(`timestamp`), INTERVAL '1' MINUTE, INTERVAL '5' MINUTE))
GROUP BY user_id, window_start, window_end
HAVING COUNT(*) > 10 OR SUM(amount) > 10000;

END;
