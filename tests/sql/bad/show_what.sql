-- line 2, column 6: found 'DATABASE' after SHOW; did you mean DATABASES?
SHOW DATABASE;
