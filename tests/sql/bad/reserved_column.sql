-- line 2, column 17: VALUE is a reserved word: write `value` to use it as a name
CREATE TABLE t (value INT);
