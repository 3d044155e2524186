-- line 2, column 17: a MAP takes keys and values in turn
SELECT MAP[1,2,3];
