"""windows.py - the windowing table functions over tables at rest: the examples of Flink's page."""

import unittest

from harness import Tarn

BIDS = """CREATE TEMPORARY VIEW Bid AS SELECT * FROM (VALUES
  ('C', TIMESTAMP '2020-04-15 08:05:00.000', 4.00, 'supplier1'),
  ('A', TIMESTAMP '2020-04-15 08:07:00.000', 2.00, 'supplier1'),
  ('D', TIMESTAMP '2020-04-15 08:09:00.000', 5.00, 'supplier2'),
  ('B', TIMESTAMP '2020-04-15 08:11:00.000', 3.00, 'supplier2'),
  ('E', TIMESTAMP '2020-04-15 08:13:00.000', 1.00, 'supplier1'),
  ('F', TIMESTAMP '2020-04-15 08:17:00.000', 6.00, 'supplier2'),
  ('N', CAST(NULL AS TIMESTAMP(3)), 9.00, 'supplier2')) AS t(item, bidtime, price, supplier_id);
"""
SUMS = """SELECT DATE_FORMAT(window_start, 'HH:mm') AS s, DATE_FORMAT(window_end, 'HH:mm') AS e,
  SUM(price) AS total_price FROM %s GROUP BY window_start, window_end ORDER BY window_start, window_end;"""


class Windows(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tarn = Tarn()
        cls.addClassCleanup(cls.tarn.close)
        cls.tarn.start()

    def ask(self, query):
        out = self.tarn.command("sql", "--format", "csv", "-e", BIDS + query)
        return out[out.index("\n") + 1:].split()

    def test_a_tumbling_window_of_each_row_and_its_time(self):
        self.assertEqual(self.ask("""SELECT item, DATE_FORMAT(window_start, 'HH:mm') AS s,
            DATE_FORMAT(window_end, 'HH:mm') AS e, DATE_FORMAT(window_time, 'HH:mm:ss.SSS') AS t
            FROM TABLE(TUMBLE(TABLE Bid, DESCRIPTOR(bidtime), INTERVAL '10' MINUTES)) ORDER BY item;"""),
            ["A,08:00,08:10,08:09:59.999", "B,08:10,08:20,08:19:59.999", "C,08:00,08:10,08:09:59.999",
             "D,08:00,08:10,08:09:59.999", "E,08:10,08:20,08:19:59.999", "F,08:10,08:20,08:19:59.999"])

    def test_sums_of_tumbling_hopping_and_cumulating_windows(self):
        for call, rows in (
                ("TUMBLE(TABLE Bid, DESCRIPTOR(bidtime), INTERVAL '10' MINUTES)",
                 ["08:00,08:10,11.00", "08:10,08:20,10.00"]),
                ("TUMBLE(TABLE Bid, DESCRIPTOR(bidtime), INTERVAL '10' MINUTES, INTERVAL '1' MINUTES)",
                 ["08:01,08:11,11.00", "08:11,08:21,10.00"]),
                ("HOP(TABLE Bid, DESCRIPTOR(bidtime), INTERVAL '5' MINUTES, INTERVAL '10' MINUTES)",
                 ["08:00,08:10,11.00", "08:05,08:15,15.00", "08:10,08:20,10.00", "08:15,08:25,6.00"]),
                ("HOP(TABLE Bid, DESCRIPTOR(bidtime), INTERVAL '10' MINUTES, INTERVAL '4' MINUTES)",
                 ["08:10,08:14,4.00"]),  # windows with gaps between them
                ("CUMULATE(DATA => TABLE Bid, TIMECOL => DESCRIPTOR(bidtime), STEP => INTERVAL '2' MINUTES, "
                 "SIZE => INTERVAL '10' MINUTES)",
                 ["08:00,08:06,4.00", "08:00,08:08,6.00", "08:00,08:10,11.00", "08:10,08:12,3.00",
                  "08:10,08:14,4.00", "08:10,08:16,4.00", "08:10,08:18,10.00", "08:10,08:20,10.00"])):
            with self.subTest(call):
                self.assertEqual(self.ask(SUMS % f"TABLE({call})"), rows)

    def test_windows_of_instants_follow_the_sessions_zone(self):
        self.assertEqual(self.ask("""SET 'table.local-time-zone' = 'Asia/Kolkata';
            SELECT DATE_FORMAT(window_start, 'HH:mm') AS s, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE (
              SELECT TO_TIMESTAMP_LTZ(1586936700000, 3) AS at_), DESCRIPTOR(at_), INTERVAL '1' DAYS))
            GROUP BY window_start;""")[-1:], ["00:00,1"])

    def test_what_is_wrong_with_a_call_is_named_where_it_stands(self):
        for call, words in (
                ("TUMBLE(TABLE Bid, DESCRIPTOR(bidtim), INTERVAL '10' MINUTES)", "did you mean `bidtime`"),
                ("TUMBLE(TABLE Bid, DESCRIPTOR(bidtime))", "SIZE is missing"),
                ("TUMBLE(TABLE Bid, DESCRIPTOR(bidtime), 10)", "is an interval"),
                ("TUMBLE(TABLE Bid, DESCRIPTOR(item), INTERVAL '10' MINUTES)", "VARCHAR|CHAR"),
                ("CUMULATE(TABLE Bid, DESCRIPTOR(bidtime), INTERVAL '3' MINUTES, INTERVAL '10' MINUTES)",
                 "multiple of STEP"),
                ("SESSION(TABLE Bid, DESCRIPTOR(bidtime), INTERVAL '3' MINUTES)", "SESSION over a table at rest is not built yet")):
            with self.subTest(call):
                done = self.tarn.command("sql", "-e", BIDS + f"SELECT * FROM TABLE({call});", check=False)
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stderr, f"line 9, column .*({words})")


if __name__ == "__main__":
    unittest.main()
