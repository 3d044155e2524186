-- line 2, column 17: found 'value', expected a name of a column, WATERMARK or a constraint; a reserved word is a name only as `value`
CREATE TABLE t (value INT);
