-- line 2, column 15: found 'END', expected WHEN
SELECT CASE a END;
