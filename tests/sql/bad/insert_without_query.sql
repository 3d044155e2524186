-- line 2, column 19: found ';', expected SELECT, VALUES, WITH or a list of columns
INSERT INTO t     ;
