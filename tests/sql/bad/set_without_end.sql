-- line 3, column 1: found the end, expected INSERT or END
BEGIN STATEMENT SET; INSERT INTO t SELECT 1;
