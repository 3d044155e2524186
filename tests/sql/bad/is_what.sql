-- line 2, column 13: found 'GOOD', expected NULL, NOT, TRUE, FALSE, UNKNOWN, DISTINCT FROM, JSON after IS
SELECT a IS GOOD;
