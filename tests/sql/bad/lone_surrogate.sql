-- line 2, column 8: half of a surrogate pair stands alone
SELECT U&'\d800x';
