"""batch.py - Nexmark's queries over all events at once, by DuckDB: what every stream must come to.

Windows are written out by hand: DuckDB has none of Flink's. Column names are the tables' of nexmark.py.
"""

import json
import os

import duckdb

import nexmark

BIDS_IN_HOPS = ("SELECT auction, s AS starttime, s + INTERVAL 10 SECOND AS endtime, count(*) AS num FROM bid, "
                "unnest(range(time_bucket(INTERVAL 2 SECOND, dateTime) - INTERVAL 8 SECOND, "
                "time_bucket(INTERVAL 2 SECOND, dateTime) + INTERVAL 2 SECOND, INTERVAL 2 SECOND)) AS w(s) GROUP BY ALL")
WINNERS = ("SELECT a.id, a.seller, a.category, b.price, b.dateTime FROM auction a JOIN bid b ON a.id = b.auction "
           "AND b.dateTime BETWEEN a.dateTime AND a.expires")
RANKS = [f"count(*) FILTER ({condition})" for condition in
         ("true", "price < 10000", "price >= 10000 AND price < 1000000", "price >= 1000000")]
DISTINCTS = [each.replace("*", f"DISTINCT {column}") for column in ("bidder", "auction") for each in RANKS]
DAY = "strftime(dateTime, '%Y-%m-%d')"
CHANNEL = "nullif(regexp_extract(url, '(&|^)channel_id=([^&]*)', 2), '')"

BATCH = {
    "q0": "SELECT auction, bidder, price, dateTime, extra FROM bid",
    "q1": "SELECT auction, bidder, 0.908 * price, dateTime, extra FROM bid",
    "q2": "SELECT auction, price FROM bid WHERE auction % 123 = 0",
    "q3": "SELECT p.name, p.city, p.state, a.id FROM auction a JOIN person p ON a.seller = p.id "
          "WHERE a.category = 10 AND p.state IN ('OR', 'ID', 'CA')",
    "q4": f"SELECT category, (sum(final) // count(*))::BIGINT FROM (SELECT max(price) AS final, category FROM ({WINNERS}) "
          "GROUP BY id, category) GROUP BY category",
    "q5": f"WITH n AS ({BIDS_IN_HOPS}) SELECT auction, num FROM n QUALIFY num >= max(num) OVER (PARTITION BY starttime)",
    "q7": "SELECT auction, price, bidder, dateTime, extra FROM (SELECT *, max(price) OVER "
          "(PARTITION BY time_bucket(INTERVAL 10 SECOND, dateTime)) AS most FROM bid) WHERE price = most",
    "q8": "SELECT DISTINCT p.id, p.name, time_bucket(INTERVAL 10 SECOND, p.dateTime) FROM person p JOIN auction a "
          "ON p.id = a.seller AND time_bucket(INTERVAL 10 SECOND, p.dateTime) = time_bucket(INTERVAL 10 SECOND, a.dateTime)",
    "q9": "SELECT * EXCLUDE (n) FROM (SELECT a.id, itemName, description, initialBid, reserve, a.dateTime, expires, seller, "
          "category, a.extra, auction, bidder, price, b.dateTime, b.extra, row_number() OVER (PARTITION BY a.id "
          "ORDER BY price DESC, b.dateTime) AS n FROM auction a JOIN bid b ON a.id = b.auction "
          "AND b.dateTime BETWEEN a.dateTime AND a.expires) WHERE n = 1",
    "q10": f"SELECT auction, bidder, price, dateTime, extra, {DAY}, strftime(dateTime, '%H:%M') FROM bid",
    "q11": "SELECT bidder, count(*), min(dateTime), max(dateTime) + INTERVAL 10 SECOND FROM (SELECT *, sum(starts) OVER "
           "(PARTITION BY bidder ORDER BY dateTime, n) AS session FROM (SELECT *, row_number() OVER () AS n, CASE WHEN dateTime - lag(dateTime) OVER "
           "(PARTITION BY bidder ORDER BY dateTime) <= INTERVAL 10 SECOND THEN 0 ELSE 1 END AS starts FROM bid)) "
           "GROUP BY bidder, session",
    "q13": "SELECT auction, bidder, price, dateTime, s.value FROM bid JOIN side s ON auction % 10000 = s.key",
    "q14": "SELECT auction, bidder, 0.908 * price, CASE WHEN hour(dateTime) BETWEEN 8 AND 18 THEN 'dayTime' "
           "WHEN hour(dateTime) <= 6 OR hour(dateTime) >= 20 THEN 'nightTime' ELSE 'otherTime' END, dateTime, extra, "
           "length(extra) - length(replace(extra, 'c', '')) FROM bid "
           "WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000",
    "q15": f"SELECT {DAY}, {', '.join(RANKS + DISTINCTS)} FROM bid GROUP BY 1",
    "q16": f"SELECT channel, {DAY}, max(strftime(dateTime, '%H:%M')), {', '.join(RANKS + DISTINCTS)} FROM bid GROUP BY 1, 2",
    "q17": f"SELECT auction, {DAY}, {', '.join(RANKS)}, min(price), max(price), (sum(price) // count(*))::BIGINT, "
           "sum(price)::BIGINT FROM bid GROUP BY 1, 2",
    "q18": "SELECT auction, bidder, price, channel, url, dateTime, extra FROM bid "
           "QUALIFY row_number() OVER (PARTITION BY bidder, auction ORDER BY dateTime DESC) = 1",
    "q19": "SELECT *, row_number() OVER (PARTITION BY auction ORDER BY price DESC) AS n FROM bid QUALIFY n <= 10",
    "q20": "SELECT auction, bidder, price, channel, url, b.dateTime, b.extra, itemName, description, initialBid, reserve, "
           "a.dateTime, expires, seller, category, a.extra FROM bid b JOIN auction a ON b.auction = a.id WHERE category = 10",
    "q21": f"SELECT auction, bidder, price, channel, CASE lower(channel) WHEN 'apple' THEN '0' WHEN 'google' THEN '1' "
           f"WHEN 'facebook' THEN '2' WHEN 'baidu' THEN '3' ELSE {CHANNEL} END FROM bid "
           f"WHERE {CHANNEL} IS NOT NULL OR lower(channel) IN ('apple', 'google', 'facebook', 'baidu')",
    "q22": "SELECT auction, bidder, price, channel, split_part(url, '/', 4), split_part(url, '/', 5), split_part(url, '/', 6) "
           "FROM bid",
}


class Batch:
    def __init__(self, lines, folder):
        self.db = duckdb.connect()
        for table, columns in nexmark.ROWS.items():
            path = os.path.join(folder, f"{table}.json")
            with open(path, "w", encoding="utf-8") as out:
                out.writelines(json.dumps(row) + "\n" for row in (json.loads(line)[table] for line in lines) if row)
            types = ", ".join("{}: '{}'".format(*column.strip().replace("`", "").replace("(3)", "").split(" "))
                              for column in columns.split(", "))
            self.db.execute(f"CREATE TABLE {table} AS FROM read_json('{path}', format = 'newline_delimited', "
                            f"columns = {{{types}}})")
        self.db.execute("CREATE TABLE side AS SELECT i AS key, 'v' || i AS value FROM range(0, 10000, 3) AS r(i)")

    def lines(self, name):
        rows = nexmark.Rows()
        for row in self.db.sql(BATCH[name]).fetchall():
            rows.add([nexmark.plain(value) for value in row])
        return rows.lines()
