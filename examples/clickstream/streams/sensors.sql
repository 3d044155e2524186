-- Use case 2: sensors. Every reading, a moving average of each device, and an alert for every
-- device that was above 80 degrees within 15 minutes.

SET 'pipeline.name' = 'sensors';
SET 'execution.checkpointing.interval' = '5s';

CREATE TABLE sensor_data (
    device_id   STRING,
    `timestamp` TIMESTAMP(3),
    temperature DOUBLE,
    humidity    DOUBLE,
    location    STRING,
    WATERMARK FOR `timestamp` AS `timestamp` - INTERVAL '5' SECOND
) WITH (
    'connector' = 'kafka',
    'topic' = 'sensor_data',
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

CREATE TABLE IF NOT EXISTS iceberg.public.sensor_readings (
    device_id   STRING,
    `timestamp` TIMESTAMP(6),
    temperature DOUBLE,
    humidity    DOUBLE,
    location    STRING
);
CREATE TABLE IF NOT EXISTS iceberg.public.sensor_averages (
    device_id   STRING,
    `timestamp` TIMESTAMP(6),
    temperature DOUBLE,
    average     DOUBLE,
    readings    BIGINT
);
CREATE TABLE IF NOT EXISTS iceberg.public.sensor_alerts (
    device_id    STRING,
    window_start TIMESTAMP(6),
    window_end   TIMESTAMP(6),
    avg_temp     DOUBLE,
    max_temp     DOUBLE,
    readings     BIGINT
);

BEGIN STATEMENT SET;

INSERT INTO iceberg.public.sensor_readings
SELECT device_id, `timestamp`, temperature, humidity, location FROM sensor_data;

INSERT INTO iceberg.public.sensor_averages
SELECT device_id, `timestamp`, temperature, AVG(temperature) OVER last_minutes, COUNT(*) OVER last_minutes
FROM sensor_data
WINDOW last_minutes AS (
    PARTITION BY device_id ORDER BY `timestamp`
    RANGE BETWEEN INTERVAL '5' MINUTE PRECEDING AND CURRENT ROW);

INSERT INTO iceberg.public.sensor_alerts
SELECT device_id, window_start, window_end, AVG(temperature), MAX(temperature), COUNT(*)
FROM TABLE(HOP(TABLE sensor_data, DESCRIPTOR(`timestamp`), INTERVAL '5' MINUTE, INTERVAL '15' MINUTE))
GROUP BY device_id, window_start, window_end
HAVING MAX(temperature) > 80;

END;
