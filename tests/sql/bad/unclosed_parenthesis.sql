-- line 2, column 18: found ';', expected )
SELECT (1 + 2 * 3;
