-- line 2, column 36: found 'four', expected an option's value in quotes
CREATE TABLE t (a INT) WITH ('a' = four);
