-- line 2, column 31: this is no range of an interval
SELECT INTERVAL '1' SECOND TO DAY;
