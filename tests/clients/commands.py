"""commands.py - the commands a person types: what they answer, and with which exit code."""

import json
import os
import pty
import select
import socket
import subprocess
import time
import unittest

from harness import PATIENCE, PROGRAM, ClientTest, Tarn, deadline, run

JOB = """
SET 'pipeline.name' = 'orders';
CREATE TABLE source (id BIGINT, made TIMESTAMP(3)) WITH (
    'connector' = 'kafka', 'topic' = 'orders', 'properties.bootstrap.servers' = 'localhost:@KAFKA@',
    'scan.startup.mode' = 'earliest-offset', 'format' = 'json',
    'json.timestamp-format.standard' = 'ISO-8601');
CREATE CATALOG mine WITH ('type' = 'iceberg', 'catalog-type' = 'rest',
    'uri' = 'http://localhost:@CATALOG@/api/catalog', 'warehouse' = 'polariscatalog',
    'credential' = 'root:secret');
CREATE DATABASE IF NOT EXISTS mine.db;
CREATE TABLE IF NOT EXISTS mine.db.orders (id BIGINT, made TIMESTAMP(6));
INSERT INTO mine.db.orders SELECT id, made FROM source;
"""


class Offline(unittest.TestCase):
    """Commands that need nothing running."""

    def setUp(self):
        self.tarn = Tarn()
        self.addCleanup(self.tarn.close)

    def status(self, *args):
        done = self.tarn.command(*args, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_every_command_explains_itself(self):
        listed = self.tarn.command("help")
        for name in ("up down status logs sql check doctor init generate topic group table job dlq "
                     "version").split():
            self.assertIn(f"  {name} ", listed)
            self.assertIn(f"usage: tarn {name}", self.tarn.command(name, "--help"))

    def test_mistyped_commands_and_options_suggest_what_was_meant(self):
        self.assertEqual(self.status("statsu")[0], 2)
        self.assertIn("did you mean 'status'", self.status("statsu")[2])
        self.assertEqual(self.status("up", "--detatch")[0], 2)
        self.assertIn("did you mean '--detach'", self.status("up", "--detatch")[2])
        self.assertEqual(self.status("help", "statsu")[0], 2)
        self.assertIn("one of table, csv, json", self.status("sql", "--format", "xml")[2])
        self.assertEqual(self.status("topic", "lst")[0], 2)
        self.assertIn("did you mean 'list'", self.status("topic", "lst")[2])

    def test_without_an_instance_they_say_so_with_status_3(self):
        for args in (["status"], ["down"], ["topic", "list"], ["sql", "-e", "SELECT 1"], ["logs"]):
            with self.subTest(args):
                code, _, said = self.status(*args)
                self.assertEqual(code, 3, said)

    def test_check_names_each_mistake_with_its_place(self):
        self.tarn.write("streams/a.sql", self.tarn.fill(JOB))
        self.assertIn("no mistakes", self.tarn.command("check"))
        self.tarn.write("streams/a.sql", self.tarn.fill(JOB).replace("id, made FROM", "idd, made FROM"))
        code, _, said = self.status("check")
        self.assertEqual(code, 2)
        self.assertRegex(said, r"streams/a\.sql:12:35: .*idd")
        self.tarn.write("streams/a.sql", self.tarn.fill(JOB).replace(
            "CREATE DATABASE IF NOT EXISTS mine.db;", ""))
        self.assertRegex(self.status("check")[2], r"a\.sql:11:1: there is no database `db`: CREATE DATABASE")
        self.tarn.write("streams/a.sql", "SELEC 1;")
        self.assertRegex(self.status("check")[2], r"streams/a\.sql:1:1: .*SELECT")
        self.tarn.write("tarn.yaml", "version: 1\nkafka:\n  prot: 1\n")
        self.assertRegex(self.status("check")[2], r"tarn\.yaml:3:3: .*did you mean 'port'")

    def test_check_names_all_mistakes_at_once(self):
        self.tarn.write("tarn.yaml", "version: 1\nkafka: {prot: 1}\nlisten: 0.0.0.0\n"
                        "topics:\n  a: {partitons: 3}\njobs: {commit_interval: 5 sec}\n")
        said = self.status("check")[2]
        self.assertEqual([line.split(": ")[0] for line in said.splitlines()],
                         [f"tarn.yaml:{place}" for place in ("2:9", "3:9", "5:7", "6:25")])
        self.tarn.write("tarn.yaml", "version: 1\ngenerators: {run: [nosuch]}\n")
        self.assertRegex(self.status("check")[2], r"'generators.run' names 'nosuch', .* no folder")

    def test_doctor_names_a_data_folder_that_is_not_ours(self):
        self.tarn.write(".tarn/precious", "hi")
        code, said, _ = self.status("doctor")
        self.assertEqual(code, 1)
        self.assertRegex(said, r"BAD   data folder .* 'precious'")
        self.assertIn("--data DIR takes another folder", self.status("up")[2])
        code, _, said = self.status("up", "--data", "/proc/tarn")  # where nobody may write, root too
        self.assertEqual(code, 1)
        self.assertRegex(said, "/proc/tarn.*: .*; --data DIR takes another folder")

    def test_a_script_that_is_left_out_is_said_by_up_and_by_doctor(self):
        self.tarn.write("streams/a.sql", self.tarn.fill(JOB).replace("(id BIGINT, made TIMESTAMP(6))",
                                                                     "(id BIGNIT)"))
        done = self.tarn.command("up", "-d", check=False)
        self.addCleanup(self.tarn.command, "down")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r"streams/a\.sql: line 11, .*did you mean BIGINT")
        code, said, _ = self.status("doctor")
        self.assertEqual(code, 1)
        self.assertRegex(said, r"BAD   project .*a\.sql:11: .*did you mean BIGINT")

    def test_init_copies_the_example_whole_and_overwrites_nothing(self):
        self.tarn.command("init", "--example", "payments", "copy")
        copy = os.path.join(self.tarn.dir, "copy")
        self.assertIn("no mistakes", self.tarn.command("check", "copy"))
        self.assertTrue(os.path.exists(os.path.join(copy, "streams", "payments.sql")))
        self.assertEqual(self.status("init", "--example", "payments", "copy")[0], 1)
        self.assertEqual(self.status("init", "--example", "paymnts", "other")[0], 2)

    def test_generate_repeats_itself_byte_for_byte(self):
        self.tarn.command("init", "--example", "payments", "copy")
        args = ("generate", "-p", "copy", "--speed", "max", "-n", "5000", "-q", "--start-time",
                "2025-01-01T00:00:00Z")
        first = self.tarn.command(*args, "--seed", "4")
        self.assertEqual(first, self.tarn.command(*args, "--seed", "4"))
        self.assertNotEqual(first, self.tarn.command(*args, "--seed", "5"))
        events = [json.loads(line) for line in first.splitlines()]
        self.assertEqual(len(events), 5000)
        charges = {e["charge_id"] for e in events if "merchant_id" in e}
        refunds = [e for e in events if "refund_id" in e]
        self.assertGreater(len(refunds), 700)
        self.assertLessEqual({e["charge_id"] for e in refunds}, charges)

    def test_generate_refuses_what_would_never_end(self):
        self.tarn.command("init", "--example", "payments", "copy")
        for option, value in (("--count", "-5"), ("--rate", "0"), ("--duration", "-1s"),
                              ("--speed", "0"), ("--fault", "duplicates=120%")):
            with self.subTest(option):
                code, _, said = self.status("generate", "-p", "copy", "-n", "1", option, value)
                self.assertEqual(code, 2, said)
        code, _, said = self.status("generate", "-n", "1")
        self.assertEqual(code, 2)
        self.assertIn("no folder ./generators", said)

    def test_generate_ends_quietly_when_its_reader_has_enough(self):
        self.tarn.command("init", "--example", "payments", "copy")
        done = run("bash", "-c", f"'{PROGRAM}' generate -p '{self.tarn.dir}/copy' --speed max "
                   "| head -n 1")
        self.assertEqual((len(done.stdout.splitlines()), done.stderr), (1, ""))

    def test_a_taken_port_and_its_holder_are_named(self):
        with socket.socket() as held:
            held.bind(("127.0.0.1", self.tarn.kafka))
            held.listen()
            code, _, said = self.status("up", "-d")
            self.assertEqual(code, 1)
            self.assertIn(f"port {self.tarn.kafka}", said)
            self.assertIn("choose another port", said)
            self.assertIn(str(os.getpid()), said)
            code, out, _ = self.status("doctor")
            self.assertEqual(code, 1)
            self.assertIn(f"BAD   kafka port   {self.tarn.kafka}", out)

    def test_a_newer_data_folder_is_refused_untouched(self):
        version = os.path.join(self.tarn.dir, ".tarn", "VERSION")
        os.makedirs(os.path.dirname(version))
        text = '{"program":"9.0.0","format":{"log":1,"state":2,"metadata":1}}\n'
        with open(version, "w") as out:
            out.write(text)
        code, _, said = self.status("up", "-d")
        self.assertEqual(code, 1)
        self.assertIn("state has format 2", said)
        with open(version) as now:
            self.assertEqual(now.read(), text)

    def test_another_address_is_refused_until_it_is_asked_for_by_name(self):
        path = os.path.join(self.tarn.dir, "tarn.yaml")
        with open(path, "a") as out:
            out.write("listen: 0.0.0.0\n")
        code, _, said = self.status("up", "-d")
        self.assertEqual(code, 2)
        self.assertIn("insecure_listen", said)


class Detached(unittest.TestCase):
    def test_up_in_the_background_and_down(self):
        tarn = Tarn(streams={"orders.sql": JOB})
        self.addCleanup(tarn.close)
        self.assertIn("is up (pid ", tarn.command("up", "-d"))
        try:
            again = tarn.command("up", "-d", check=False)
            self.assertEqual(again.returncode, 1)
            self.assertIn("in use by tarn", again.stderr)
            status = json.loads(tarn.command("status", "--json"))
            self.assertEqual(status["jobs"][0]["name"], "orders")
            self.assertIn("is up after", tarn.command("logs", "tarn"))
        finally:
            self.assertEqual(tarn.command("down"), "stopped\n")
        self.assertEqual(tarn.command("down", check=False).returncode, 3)
        self.assertEqual(tarn.sql("SELECT COUNT(*) AS n FROM mine.db.orders"), [{"n": 0}])


class Online(ClientTest):
    streams = {"orders.sql": JOB}

    def ask(self, *args):
        return json.loads(self.tarn.command(*args, "--json"))

    def produce(self, *lines):
        run("kcat", "-b", self.tarn.bootstrap, "-P", "-t", "orders",
            stdin="".join(line + "\n" for line in lines))

    def until(self, what, wanted, timeout=20):
        end = deadline(timeout)
        while (got := what()) != wanted:
            self.assertLess(time.monotonic(), end, f"{got} is not {wanted}")
            time.sleep(0.1)

    def test_topics_are_made_described_and_deleted(self):
        self.tarn.command("topic", "create", "three", "--partitions", "3", "-c", "retention.ms=60000")
        self.assertEqual(len(self.ask("topic", "describe", "three")), 3)
        self.assertIn("three", [topic["topic"] for topic in self.ask("topic", "list")])
        self.tarn.command("topic", "delete", "three")
        self.assertEqual(self.tarn.command("topic", "create", "x", "--partitions", "-3",
                                           check=False).returncode, 2)
        done = self.tarn.command("topic", "describe", "three", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no topic 'three'", done.stderr)

    def test_a_bad_record_is_shown_and_sent_again(self):
        rows = lambda: self.tarn.sql("SELECT COUNT(*) AS n FROM mine.db.orders")[0]["n"]
        letters = lambda: sum(row["dead letters"] for row in self.ask("dlq", "list"))
        before, dead = rows(), letters()
        self.produce('{"id": 1, "made": "2025-01-01T00:00:00"}', '{"id": 2, "made": "not a time"}')
        self.until(lambda: (rows() - before, letters() - dead), (1, 1))
        shown = self.ask("dlq", "show", "orders")[-1]
        self.assertEqual((shown["column"], shown["topic"]), ("made", "orders"))
        self.assertIn("not a time", shown["value"])
        job = json.loads(self.tarn.command("status", "--json"))["jobs"][0]["pipelines"][0]
        self.assertEqual(job["rows_in"], job["rows_out"])  # each record is counted once
        self.assertIn("1 sent again", self.tarn.command("dlq", "retry", "orders"))
        self.until(lambda: letters() - dead >= 2, True)
        self.assertEqual(self.ask("job", "list")[0]["state"], "RUNNING")

    def test_what_was_made_at_the_prompt_is_made_once(self):
        columns = "(id BIGINT, made TIMESTAMP(3))"
        said = self.tarn.command("sql", stdin=self.tarn.fill(
            f"CREATE TABLE s {columns} WITH ('connector' = 'kafka', 'topic' = 'orders', 'format' = 'json', "
            "'scan.startup.mode' = 'earliest-offset', "
            "'properties.bootstrap.servers' = 'localhost:@KAFKA@');"
            f"CREATE TABLE mine.db.twin {columns}; DROP TABLE mine.db.twin; CREATE TABLE mine.db.twin {columns};"
            "SET 'pipeline.name' = 'twin'; INSERT INTO mine.db.twin SELECT id, made FROM s;"))
        self.assertIn("job twin runs", said)
        self.produce('{"id": 7, "made": "2025-01-01 00:00:00"}')
        self.until(lambda: self.tarn.sql("SELECT COUNT(*) AS n FROM mine.db.twin WHERE id = 7"), [{"n": 1}])
        self.tarn.command("job", "cancel", "twin")

    def test_a_table_made_from_a_stream_is_a_job(self):
        source = self.tarn.fill(
            "CREATE TABLE s (id BIGINT, made TIMESTAMP(3)) WITH ('connector' = 'kafka', 'topic' = 'orders', 'format' = 'json', "
            "'scan.startup.mode' = 'earliest-offset', 'properties.bootstrap.servers' = 'localhost:@KAFKA@');")
        said = self.tarn.command("sql", stdin=source + "SET 'pipeline.name' = 'from_stream';"
                                 "CREATE TABLE mine.db.from_stream AS SELECT id, made FROM s WHERE id = 8;"
                                 "SELECT COUNT(*) AS there FROM mine.db.from_stream;")
        self.assertIn("job from_stream runs", said)
        self.assertIn("there", said)
        self.produce('{"id": 8, "made": "2025-01-01 00:00:00"}')
        self.until(lambda: self.tarn.sql("SELECT COUNT(*) AS n FROM mine.db.from_stream"), [{"n": 1}])
        self.tarn.kill()
        self.tarn.start()
        self.produce('{"id": 8, "made": "2025-01-01 00:00:00"}')
        self.until(lambda: self.tarn.sql("SELECT COUNT(*) AS n FROM mine.db.from_stream"), [{"n": 2}])
        self.tarn.command("job", "cancel", "from_stream")
        said = self.tarn.command("sql", stdin=source + "CREATE TABLE mine.db.wrong AS SELECT nothing FROM s;", check=False)
        self.assertIn("unknown column `nothing`", str(said))
        self.assertNotIn("wrong", str(self.tarn.sql("SHOW TABLES FROM mine.db")))

    def test_a_job_is_cancelled_and_submitted_again(self):
        script = self.tarn.write("again.sql", self.tarn.fill(JOB))
        self.tarn.command("job", "cancel", "orders")
        self.until(lambda: self.ask("job", "list")[0]["state"], "CANCELED")
        self.assertIn("orders: CANCELED", self.tarn.command("job", "show", "orders"))
        self.tarn.command("job", "submit", script)
        self.until(lambda: self.ask("job", "list")[0]["state"], "RUNNING")
        self.assertEqual(len(self.ask("job", "list")), 1)

    def test_answers_come_as_table_csv_and_json(self):
        statement = "SELECT 1 AS a, CAST(NULL AS STRING) AS b, 'x,y' AS c"
        self.assertEqual(self.tarn.command("sql", "--format", "csv", "-e", statement), 'a,b,c\n1,,"x,y"\n')
        self.assertEqual(self.tarn.sql(statement), [{"a": 1, "b": None, "c": "x,y"}])
        self.assertIn("| a |", self.tarn.command("sql", "-e", statement))
        self.assertEqual(self.tarn.command("sql", "--format", "csv", stdin="SELECT 2 AS n;"), "n\n2\n")
        done = self.tarn.command("sql", "-e", "SELECT nope", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("line 1, column 8", done.stderr)
        jobs = self.ask("job", "list")
        done = self.tarn.command("sql", "-e", self.tarn.fill(JOB.replace("SELECT id, made FROM source",
                                 "SELECT id, made FROM source TABLESAMPLE BERNOULLI (5)")
                                                     .replace("\n", " ")), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "line 1, column .* not built yet")
        self.assertEqual(len(self.ask("job", "list")), len(jobs))  # and none is left behind

    def test_the_prompt_keeps_its_session_and_ctrl_c_cancels(self):
        pid, terminal = pty.fork()
        if pid == 0:
            os.environ["HOME"] = self.tarn.dir
            os.execv(PROGRAM, [PROGRAM, "sql", "-p", self.tarn.dir])
        said = b""

        def expect(text, timeout=20):
            nonlocal said
            end = deadline(timeout)
            while text not in said:
                self.assertLess(time.monotonic(), end, said.decode(errors="replace"))
                if select.select([terminal], [], [], 0.2)[0]:
                    said += os.read(terminal, 65536)
            said = said[said.index(text) + len(text):]

        expect(b"Flink SQL> ")
        os.write(terminal, b"USE mine.db;\n")
        expect(b"Flink SQL> ")
        os.write(terminal, b"SELECT COUNT(*)\n")
        expect(b"...> ")
        os.write(terminal, b"FROM orders;\n")
        expect(b"1 row in set")
        many = ", ".join(f"v AS {name}" for name in "abcdefghi")  # short: the terminal says it before it is cancelled
        os.write(terminal, f"WITH v(x) AS (VALUES {', '.join(f'({i})' for i in range(40))}) SELECT COUNT(*)\n".encode())
        expect(b"...> ")
        os.write(terminal, f"FROM {many} WHERE a.x + b.x * c.x > d.x;\n".encode())
        expect(b"d.x;")
        time.sleep(1.5)
        os.write(terminal, b"\x03")
        expect(b"ancel")
        os.write(terminal, b"SELECT 40 + 2;\n")
        expect(b"42")
        for pause in range(30):  # Ctrl-C at once after the prompt, when the terminal is being set
            os.write(terminal, b"SELECT 'dropped\n")
            expect(b"...> ")
            time.sleep(pause % 6 * 0.0002)
            os.write(terminal, b"\x03")
            expect(b"Flink SQL> ")
        os.write(terminal, b"SELECT 70 + 7;\n")
        expect(b"77 |")
        os.write(terminal, b"QUIT;\n")
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
        os.close(terminal)

    def test_an_instance_that_ends_during_a_statement_is_an_error(self):
        tarn = Tarn()
        self.addCleanup(tarn.close)
        tarn.start()
        many = ", ".join(f"(VALUES {', '.join(f'({i})' for i in range(40))}) AS t{n}(x)" for n in range(9))
        with subprocess.Popen([PROGRAM, "sql", "-e", f"SELECT COUNT(*) FROM {many} WHERE t0.x > t1.x"],
                              cwd=tarn.dir, text=True, stderr=subprocess.PIPE) as client:
            time.sleep(0.5)
            tarn.kill()
            self.assertIn("tarn has ended", client.communicate(timeout=20 * PATIENCE)[1])
        self.assertEqual(client.returncode, 1)


if __name__ == "__main__":
    unittest.main()
