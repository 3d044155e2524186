-- Four payment streams from Kafka into Iceberg, as one job. Plain Flink SQL: the same file runs on a
-- Flink cluster with the Kafka and Iceberg connectors.

SET 'pipeline.name' = 'payments';
SET 'execution.checkpointing.interval' = '5s';

-- Sources: the topics as tables. A record that does not fit (a malformed timestamp, say) goes to the
-- dead letters of the job; the job goes on.

CREATE TABLE kafka_payment_charges (
    charge_id      STRING,
    customer_id    STRING,
    merchant_id    STRING,
    merchant_name  STRING,
    amount         DECIMAL(18, 2),
    currency       STRING,
    status         STRING,
    provider       STRING,
    payment_method STRING,
    card_brand     STRING,
    card_last4     STRING,
    country        STRING,
    risk_score     INT,
    failure_code   STRING,
    created_at     TIMESTAMP(3)
) WITH (
    'connector' = 'kafka',
    'topic' = 'payment_charges',
    'properties.bootstrap.servers' = 'localhost:9092',
    'properties.group.id' = 'payments',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json',
    'json.timestamp-format.standard' = 'ISO-8601'
);

CREATE TABLE kafka_payment_refunds (
    refund_id         STRING,
    charge_id         STRING,
    amount            DECIMAL(18, 2),
    currency          STRING,
    reason            STRING,
    status            STRING,
    provider          STRING,
    support_ticket_id STRING,
    created_at        TIMESTAMP(3)
) WITH (
    'connector' = 'kafka',
    'topic' = 'payment_refunds',
    'properties.bootstrap.servers' = 'localhost:9092',
    'properties.group.id' = 'payments',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json',
    'json.timestamp-format.standard' = 'ISO-8601'
);

CREATE TABLE kafka_payment_disputes (
    dispute_id  STRING,
    charge_id   STRING,
    amount      DECIMAL(18, 2),
    currency    STRING,
    reason      STRING,
    reason_code STRING,
    status      STRING,
    provider    STRING,
    evidence    ROW<due_by TIMESTAMP(3), submitted BOOLEAN,
                    metadata ROW<document STRING, tracking_number STRING>>,
    created_at  TIMESTAMP(3)
) WITH (
    'connector' = 'kafka',
    'topic' = 'payment_disputes',
    'properties.bootstrap.servers' = 'localhost:9092',
    'properties.group.id' = 'payments',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json',
    'json.timestamp-format.standard' = 'ISO-8601'
);

CREATE TABLE kafka_payment_subscriptions (
    subscription_id STRING,
    customer_id     STRING,
    event_type      STRING,
    plan_id         STRING,
    plan_amount     DECIMAL(18, 2),
    currency        STRING,
    status          STRING,
    provider        STRING,
    trial_start     TIMESTAMP(3),
    trial_end       TIMESTAMP(3),
    discount_pct    INT,
    promo_code      STRING,
    created_at      TIMESTAMP(3)
) WITH (
    'connector' = 'kafka',
    'topic' = 'payment_subscriptions',
    'properties.bootstrap.servers' = 'localhost:9092',
    'properties.group.id' = 'payments',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json',
    'json.timestamp-format.standard' = 'ISO-8601'
);

-- Sinks: Iceberg tables under the REST catalog.

CREATE CATALOG polaris_catalog WITH (
    'type' = 'iceberg',
    'catalog-type' = 'rest',
    'uri' = 'http://localhost:8181/api/catalog',
    'warehouse' = 'polariscatalog',
    'credential' = 'root:secret',
    'scope' = 'PRINCIPAL_ROLE:ALL'
);

CREATE DATABASE IF NOT EXISTS polaris_catalog.payments_db;

CREATE TABLE IF NOT EXISTS polaris_catalog.payments_db.payment_charges (
    charge_id      STRING,
    customer_id    STRING,
    merchant_id    STRING,
    merchant_name  STRING,
    amount         DECIMAL(18, 2),
    currency       STRING,
    status         STRING,
    provider       STRING,
    payment_method STRING,
    card_brand     STRING,
    card_last4     STRING,
    country        STRING,
    risk_score     INT,
    failure_code   STRING,
    created_at     TIMESTAMP(6)
);

CREATE TABLE IF NOT EXISTS polaris_catalog.payments_db.payment_refunds (
    refund_id         STRING,
    charge_id         STRING,
    amount            DECIMAL(18, 2),
    currency          STRING,
    reason            STRING,
    status            STRING,
    provider          STRING,
    support_ticket_id STRING,
    created_at        TIMESTAMP(6)
);

CREATE TABLE IF NOT EXISTS polaris_catalog.payments_db.payment_disputes (
    dispute_id  STRING,
    charge_id   STRING,
    amount      DECIMAL(18, 2),
    currency    STRING,
    reason      STRING,
    reason_code STRING,
    status      STRING,
    provider    STRING,
    evidence    ROW<due_by TIMESTAMP(6), submitted BOOLEAN,
                    metadata ROW<document STRING, tracking_number STRING>>,
    created_at  TIMESTAMP(6)
);

CREATE TABLE IF NOT EXISTS polaris_catalog.payments_db.payment_subscriptions (
    subscription_id STRING,
    customer_id     STRING,
    event_type      STRING,
    plan_id         STRING,
    plan_amount     DECIMAL(18, 2),
    currency        STRING,
    status          STRING,
    provider        STRING,
    trial_start     TIMESTAMP(6),
    trial_end       TIMESTAMP(6),
    discount_pct    INT,
    promo_code      STRING,
    created_at      TIMESTAMP(6)
);

EXECUTE STATEMENT SET
BEGIN
    INSERT INTO polaris_catalog.payments_db.payment_charges
    SELECT * FROM kafka_payment_charges;

    INSERT INTO polaris_catalog.payments_db.payment_refunds
    SELECT * FROM kafka_payment_refunds;

    INSERT INTO polaris_catalog.payments_db.payment_disputes
    SELECT * FROM kafka_payment_disputes;

    INSERT INTO polaris_catalog.payments_db.payment_subscriptions
    SELECT * FROM kafka_payment_subscriptions;
END;
