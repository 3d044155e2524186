-- line 2, column 30: this is no range of an interval
SELECT INTERVAL '1' SECOND TO DAY;
