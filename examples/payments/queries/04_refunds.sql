-- Why money goes back. The inconsistent spellings of reasons are planted.
SELECT
    provider,
    reason,
    COUNT(*) as refund_count,
    SUM(amount) as total_refunded
FROM payments_db.payment_refunds
GROUP BY provider, reason
ORDER BY total_refunded DESC;
