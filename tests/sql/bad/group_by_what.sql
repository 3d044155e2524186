-- line 2, column 26: found ';', expected an expression
SELECT a FROM t GROUP BY ;
