-- line 2, column 30: found 'connector', expected an option's name in quotes
CREATE TABLE t (a INT) WITH (connector = 'kafka');
