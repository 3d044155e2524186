-- line 2, column 36: found '4', expected an option's value in quotes
CREATE TABLE t (a INT) WITH ('a' = 4);
