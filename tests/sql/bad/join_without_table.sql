-- line 2, column 22: found 'ON', expected a name of a table
SELECT * FROM a JOIN  ON a.x = 1;
