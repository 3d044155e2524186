-- line 2, column 15: found 'INT', expected AS
SELECT CAST(a INT);
