-- line 2, column 27: found ';', expected END
SELECT CASE WHEN a THEN b ;
