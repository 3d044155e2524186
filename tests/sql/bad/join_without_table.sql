-- line 2, column 23: ON is a reserved word: write `ON` to use it as a name
SELECT * FROM a JOIN  ON a.x = 1;
