-- line 2, column 48: a table has one WATERMARK
CREATE TABLE t (a INT, WATERMARK FOR a AS a,   WATERMARK FOR a AS a);
