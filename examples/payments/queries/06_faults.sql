-- The planted faults are there: both above zero after a few hundred charges.
SELECT
    count(*) FILTER (WHERE currency <> upper(currency)) AS mixed_case_currency,
    count(*) FILTER (WHERE failure_code IN ('null', 'NULL')) AS null_as_text
FROM payments_db.payment_charges;
