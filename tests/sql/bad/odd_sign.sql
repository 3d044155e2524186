-- line 2, column 8: unexpected sign '@'
SELECT @a;
