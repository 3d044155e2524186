-- line 2, column 8: found 'FROM', expected an expression
SELECT FROM t;
