-- Use case 1: what users do, event by event and counted in windows.

SET 'pipeline.name' = 'user_events';
SET 'execution.checkpointing.interval' = '5s';

-- Two applications write this topic: one says event_type, the other action; one writes a Z behind
-- its times, the other does not. Both are UTC.
CREATE TABLE user_events (
    user_id     BIGINT,
    event_type  STRING,
    action      STRING,
    page        STRING,
    `timestamp` TIMESTAMP(3),
    WATERMARK FOR `timestamp` AS `timestamp` - INTERVAL '5' SECOND
) WITH (
    'connector' = 'kafka',
    'topic' = 'user_events',
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

CREATE TABLE IF NOT EXISTS iceberg.public.user_events (
    user_id     BIGINT,
    event_time  TIMESTAMP(6),
    event_type  STRING,
    properties  MAP<STRING, STRING>,
    action      STRING,
    page        STRING,
    `timestamp` TIMESTAMP(6)
) WITH (
    'write.format.default' = 'parquet',
    'write.target-file-size-bytes' = '536870912',
    'commit.manifest.min-count-to-merge' = '5',
    'commit.manifest-merge.enabled' = 'true'
);

CREATE TABLE IF NOT EXISTS iceberg.public.user_activity (
    user_id      BIGINT,
    event_type   STRING,
    window_start TIMESTAMP(6),
    window_end   TIMESTAMP(6),
    event_count  BIGINT,
    pages        BIGINT
);

CREATE TEMPORARY VIEW activity AS
SELECT user_id, COALESCE(event_type, action) AS event_type, page, `timestamp` FROM user_events;

BEGIN STATEMENT SET;

INSERT INTO iceberg.public.user_events
SELECT user_id, `timestamp`, COALESCE(event_type, action), MAP['page', page], action, page, `timestamp`
FROM user_events;

INSERT INTO iceberg.public.user_activity
SELECT user_id, event_type, window_start, window_end, COUNT(*), COUNT(DISTINCT page)
FROM TABLE(TUMBLE(
    TABLE activity,
    DESCRIPTOR(`timestamp`), INTERVAL '5' MINUTE))
GROUP BY user_id, event_type, window_start, window_end;

END;
