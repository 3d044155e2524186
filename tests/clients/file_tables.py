"""file_tables.py - 'filesystem' tables: folders of csv, json and parquet read once each, also as they fill,
through kill -9; files written by jobs, whole or not at all."""

import json
import os
import time
import unittest

from harness import Tarn, boto, wait_until

LAKE = """CREATE DATABASE IF NOT EXISTS polariscatalog.db;
CREATE TABLE IF NOT EXISTS polariscatalog.db.rows_ (id INT, who STRING, price DECIMAL(10, 2), day_ STRING);
"""


def table(path, more, partitioned=True):
    return (f"CREATE TABLE files (id INT, who STRING, price DECIMAL(10, 2), day_ STRING) "
            f"{'PARTITIONED BY (day_) ' if partitioned else ''}WITH ('connector' = 'filesystem', "
            f"'path' = '{path}', {more});")


COPY = "INSERT INTO polariscatalog.db.rows_ SELECT id, who, price, day_ FROM files;"


class Files(unittest.TestCase):
    def setUp(self):
        self.tarn = Tarn()
        self.addCleanup(self.tarn.close)
        self.folder = os.path.join(self.tarn.dir, "in")

    def put(self, name, lines):
        """Whole at once, as a file that is moved into a folder."""
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        hidden = os.path.join(os.path.dirname(path), "." + os.path.basename(path))
        with open(hidden, "w") as out:
            out.write("\n".join(lines) + "\n")
        os.rename(hidden, path)

    def run_script(self, script):
        self.tarn.write("streams/files.sql", self.tarn.fill(LAKE + script))
        self.tarn.start()

    def ids(self):
        return sorted(r["id"] for r in self.tarn.sql("SELECT id FROM polariscatalog.db.rows_"))

    def test_a_folder_of_csv_is_read_and_the_job_ends(self):
        for part in range(5):
            self.put(f"day_=2024-01-0{part + 1}/part-{part}.csv",
                     [f'{i},"w {i}, {i % 3}",{i}.5' for i in range(part * 1000, part * 1000 + 1000)] + ["x,broken,1"])
        self.put("day_=2024-01-01/_SUCCESS", ["no rows"])
        self.run_script(table("file://" + self.folder, "'format' = 'csv'") + COPY)
        wait_until(lambda: len(self.ids()) >= 5000, "all rows", 20)
        wait_until(lambda: "FINISHED" in self.tarn.command("status"), "the end of the job", 20)
        self.assertEqual(self.ids(), list(range(5000)))
        row = self.tarn.sql("SELECT * FROM polariscatalog.db.rows_ WHERE id = 3001")[0]
        self.assertEqual((row["who"], float(row["price"]), row["day_"]), ("w 3001, 1", 3001.5, "2024-01-04"))
        broken = self.tarn.sql("SELECT * FROM polariscatalog.dlq.files")
        self.assertEqual(len(broken), 5)
        self.assertIn("part-", broken[0]["topic"])

    def test_a_watched_folder_gives_each_file_once_through_kills(self):
        self.put("a.json", [json.dumps({"id": i, "who": "a", "price": 1, "day_": "d"}) for i in range(3000)])
        self.run_script(table(self.folder, "'format' = 'json', 'source.monitor-interval' = '200 ms'", False) + COPY)
        done = 3000
        for step in range(6):
            self.put(f"b{step}/more.json", [json.dumps({"id": i, "who": "b", "price": 2, "day_": "d"})
                                            for i in range(done, done + 2000)])
            done += 2000
            time.sleep(0.4)
            if step % 2:
                self.tarn.kill()
                self.tarn.start()
        wait_until(lambda: len(self.ids()) >= done, "all rows", 20)
        time.sleep(0.6)
        self.assertEqual(self.ids(), list(range(done)))

    def test_parquet_out_of_the_object_store(self):
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = [{"id": i, "who": f"w{i}", "price": i / 4, "day_": "d"} for i in range(10000)]
        path = os.path.join(self.tarn.dir, "x.parquet")
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=1500)
        self.tarn.start()
        s3 = boto(self.tarn)
        s3.create_bucket(Bucket="files")
        s3.upload_file(path, "files", "in/x.parquet")
        s3.upload_file(path, "files", "inside/other.parquet")  # a neighbour, not in the folder
        self.tarn.stop()
        self.run_script(table("s3://files/in", "'format' = 'parquet'", False) + COPY)
        wait_until(lambda: len(self.ids()) >= 10000, "all rows", 20)
        self.assertEqual(self.ids(), list(range(10000)))

    def test_partitions_go_out_and_come_in_again_in_every_format(self):
        """Out by one job and in by another; odd values of partitions, and none; local folders and our store."""
        formats = ["csv", "json", "avro", "parquet"]
        script = """CREATE TABLE made (id INT) WITH ('connector' = 'datagen', 'number-of-rows' = '300',
            'fields.id.kind' = 'sequence', 'fields.id.start' = '0', 'fields.id.end' = '299');"""
        out, back = "", ""
        for n, name in enumerate(formats):
            path = f"s3://warehouse/files/{name}" if n % 2 else f"{self.tarn.dir}/out/{name}"
            columns = "id INT, ts TIMESTAMP(3), part STRING, n INT"
            script += (f"CREATE TABLE out_{name} ({columns}) PARTITIONED BY (part, n) WITH ("
                       f"'connector' = 'filesystem', 'path' = '{path}', 'format' = '{name}');"
                       f"CREATE TABLE in_{name} ({columns}) PARTITIONED BY (part, n) WITH ("
                       f"'connector' = 'filesystem', 'path' = '{path}', 'format' = '{name}',"
                       f"'source.monitor-interval' = '200 ms');"
                       f"CREATE TABLE IF NOT EXISTS polariscatalog.db.{name}_ ({columns});")
            out += (f"INSERT INTO out_{name} SELECT id, TIMESTAMP '2026-01-02 03:04:05.678', "
                    f"CASE id % 4 WHEN 0 THEN 'it''s a/b:c' WHEN 1 THEN '%41' WHEN 2 THEN 'é' END, id % 3 FROM made;")
            back += f"INSERT INTO polariscatalog.db.{name}_ SELECT * FROM in_{name};"
        self.run_script(script + f"EXECUTE STATEMENT SET BEGIN {out} END; EXECUTE STATEMENT SET BEGIN {back} END;")
        values = ["it's a/b:c", "%41", "é", None]
        for name in formats:
            def rows():
                return self.tarn.sql(f"SELECT * FROM polariscatalog.db.{name}_ ORDER BY id")

            with self.subTest(name):
                wait_until(lambda: len(rows()) >= 300, name, 40)
                self.assertEqual([(r["id"], r["part"], r["n"]) for r in rows()],
                                 [(i, values[i % 4], i % 3) for i in range(300)])
                self.assertEqual({str(r["ts"])[:23].replace("T", " ") for r in rows()}, {"2026-01-02 03:04:05.678"})

    def test_lines_as_they_are(self):
        self.put("a.txt", ["first line", "", "über"])
        self.run_script(f"""CREATE TABLE lines (line STRING) WITH ('connector' = 'filesystem', 'path' = '{self.folder}',
            'format' = 'raw'); CREATE TABLE copies (line STRING) WITH ('connector' = 'filesystem',
            'path' = '{self.tarn.dir}/out', 'format' = 'raw'); INSERT INTO copies SELECT UPPER(line) FROM lines;""")
        wait_until(lambda: "FINISHED" in self.tarn.command("status"), "the end of the job", 20)
        out = []
        for folder, _, names in os.walk(os.path.join(self.tarn.dir, "out")):
            for name in names:
                with open(os.path.join(folder, name)) as lines:
                    out += lines.read().split("\n")
        self.assertEqual(sorted(line for line in out if line), ["FIRST LINE", "ÜBER"])

    def test_files_of_a_job_hold_each_row_once_through_kills(self):
        out = os.path.join(self.tarn.dir, "out")
        self.run_script(
            "CREATE TABLE made (id INT, n INT) WITH ('connector' = 'datagen', 'rows-per-second' = '2000', "
            "'number-of-rows' = '8000', 'fields.id.kind' = 'sequence', 'fields.id.start' = '0', "
            "'fields.id.end' = '7999', 'fields.n.min' = '0', 'fields.n.max' = '2');"
            f"CREATE TABLE lines (id INT, text STRING, n INT) PARTITIONED BY (n) WITH ('connector' = 'filesystem', "
            f"'path' = 'file://{out}', 'format' = 'csv', 'sink.partition-commit.policy.kind' = 'success-file');"
            "CREATE TABLE packed (id INT, text STRING) WITH ('connector' = 'filesystem', "
            "'path' = 's3://warehouse/packed', 'format' = 'parquet');"
            "EXECUTE STATEMENT SET BEGIN INSERT INTO lines SELECT id, 'a, b', n FROM made;"
            "INSERT INTO packed SELECT id, 'x' FROM made; END;")
        for _ in range(4):
            time.sleep(0.7)
            self.tarn.kill()
            self.tarn.start()
        wait_until(lambda: "FINISHED" in self.tarn.command("status"), "the end of the job", 30)
        seen = []
        for n in range(3):
            folder = os.path.join(out, f"n={n}")
            self.assertIn("_SUCCESS", os.listdir(folder))
            for name in os.listdir(folder):
                self.assertFalse(name.startswith("."), name)
                if name != "_SUCCESS":
                    with open(os.path.join(folder, name)) as lines:
                        seen += [line.rstrip("\n").split(",", 1) for line in lines]
        self.assertEqual(sorted(int(i) for i, _ in seen), list(range(8000)))
        self.assertEqual({text for _, text in seen}, {'"a, b"'})
        s3 = boto(self.tarn)
        ids = []
        for entry in s3.list_objects_v2(Bucket="warehouse", Prefix="packed/")["Contents"]:
            path = os.path.join(self.tarn.dir, "packed.parquet")
            s3.download_file("warehouse", entry["Key"], path)
            import pyarrow.parquet as pq
            ids += pq.read_table(path)["id"].to_pylist()
        self.assertEqual(sorted(ids), list(range(8000)))


if __name__ == "__main__":
    unittest.main()
