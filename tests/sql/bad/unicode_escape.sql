-- line 2, column 8: a Unicode escape is \ and four hexadecimal digits
SELECT U&'\00g';
