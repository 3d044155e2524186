-- Events per user, type and minute, in Flink's older words: TUMBLE in GROUP BY, TUMBLE_END, and a
-- source without a format, which is json then.

SET 'pipeline.name' = 'user_activity';

CREATE TABLE user_events_kafka (
    user_id BIGINT,
    event_type STRING,
    `timestamp` TIMESTAMP(3),
    event_time AS `timestamp`,
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH (
    'connector' = 'kafka',
    'topic' = 'user_events',
    'properties.bootstrap.servers' = 'localhost:9092',
    'scan.watermark.idle-timeout' = '10s'
);

CREATE CATALOG iceberg_catalog WITH (
    'type' = 'iceberg',
    'catalog-type' = 'rest',
    'uri' = 'http://localhost:8181/api/catalog',
    'warehouse' = 'lake',
    'credential' = 'root:secret',
    'scope' = 'PRINCIPAL_ROLE:ALL'
);
CREATE DATABASE IF NOT EXISTS iceberg_catalog.db;

CREATE TABLE IF NOT EXISTS iceberg_catalog.db.user_activity (
    user_id     BIGINT,
    event_type  STRING,
    window_end  TIMESTAMP(6),
    event_count BIGINT
);

INSERT INTO iceberg_catalog.db.user_activity
SELECT
    user_id,
    event_type,
    TUMBLE_END(event_time, INTERVAL '1' MINUTE) as window_end,
    COUNT(*) as event_count
FROM user_events_kafka
GROUP BY user_id, event_type, TUMBLE(event_time, INTERVAL '1' MINUTE);
