-- line 3, column 2: found 'DELETE', expected INSERT
MERGE INTO t USING s ON t.id = s.id WHEN NOT MATCHED AND s.x > 0 THEN
 DELETE;
