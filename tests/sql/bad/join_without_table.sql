-- line 2, column 23: found 'ON', expected a name of a table; a reserved word is a name only as `ON`
SELECT * FROM a JOIN  ON a.x = 1;
