-- line 2, column 20: found ';', expected AND
SELECT a BETWEEN 1 ;
