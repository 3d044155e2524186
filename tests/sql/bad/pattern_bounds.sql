-- line 2, column 79: the pattern repeats at least 3 and at most 2 times
SELECT * FROM s MATCH_RECOGNIZE (ORDER BY ts MEASURES A.x AS x PATTERN (     A{3,2}) DEFINE A AS TRUE);
