-- How much has arrived: each count grows from one run to the next.
SELECT COUNT(*) FROM polaris_catalog.payments_db.payment_charges;
SELECT COUNT(*) FROM polaris_catalog.payments_db.payment_refunds;
SELECT COUNT(*) FROM polaris_catalog.payments_db.payment_disputes;
SELECT COUNT(*) FROM polaris_catalog.payments_db.payment_subscriptions;
