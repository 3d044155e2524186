"""threads.py - a job of several threads: rows, dead letters and their order are those of one thread.

(Nexmark's queries with 2 to 4 threads are in nexmark_topic.py.)
"""

import json
import unittest

from confluent_kafka import Consumer, Producer, TopicPartition

from harness import Tarn, wait_until

COUNT = 30000

SCRIPT = """SET 'pipeline.name' = 'threads{threads}'; SET 'parallelism.default' = '{threads}';
SET 'execution.checkpointing.interval' = '200ms';
CREATE TABLE numbers (id BIGINT, n BIGINT, k BIGINT) WITH ('connector' = 'kafka', 'topic' = 'numbers',
  'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@', 'format' = 'json',
  'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset');
CREATE TABLE parts (id BIGINT, part BIGINT) WITH ('connector' = 'kafka', 'topic' = 'parts{threads}',
  'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@', 'format' = 'json');
CREATE TABLE totals (k BIGINT, c BIGINT, s BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'totals{threads}', 'key.format' = 'json', 'value.format' = 'json',
  'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@');
EXECUTE STATEMENT SET BEGIN
INSERT INTO parts SELECT id, 1000 / n FROM numbers;
INSERT INTO totals SELECT k, COUNT(*), SUM(n) FROM numbers GROUP BY k;
END;"""


def record(i):
    if i % 97 == 5:
        return b'{"id": %d, "n": ' % i  # torn
    n = 0 if i % 101 == 7 else i % 13 + 1  # by which nothing can be divided
    return json.dumps({"id": i, "n": n, "k": 7 if i % 2 else i % 500}).encode()  # 7 has half of all rows


class Threads(unittest.TestCase):
    def setUp(self):
        self.tarn = Tarn({}, {"topics": {"numbers": {"partitions": 1}}})
        self.addCleanup(self.tarn.close)
        self.tarn.start()
        producer = Producer({"bootstrap.servers": self.tarn.bootstrap, "linger.ms": 5, "compression.type": "zstd"})
        for i in range(COUNT):
            producer.produce("numbers", record(i))
            if i % 1000 == 0:
                producer.poll(0)
        self.assertEqual(producer.flush(60), 0)

    def read(self, topic):
        """Key, value and offset of all its records, in order."""
        consumer = Consumer({"bootstrap.servers": self.tarn.bootstrap, "group.id": "threads",
                             "enable.auto.commit": False, "enable.partition.eof": True})
        found = []
        try:
            consumer.assign([TopicPartition(topic, 0, 0)])
            while True:
                message = consumer.poll(20)
                if message is None or message.error():
                    return found
                found.append((message.key(), message.value(), message.offset()))
        finally:
            consumer.close()

    def run_job(self, threads):
        self.tarn.command("sql", "-e", self.tarn.fill(SCRIPT.format(threads=threads)))

        def over():
            jobs = {job["job"]: job for job in json.loads(self.tarn.command("job", "list", "--json"))}
            job = jobs.get(f"threads{threads}", {})
            self.assertNotEqual(job.get("state"), "FAILED", job.get("reason"))
            return job.get("state") == "FINISHED"

        wait_until(over, f"the job of {threads} threads", 60)
        letters = [value for _, value, _ in self.read(f"threads{threads}.dlq")]
        totals = {key: value for key, value, _ in self.read(f"totals{threads}")}
        return [value for _, value, _ in self.read(f"parts{threads}")], letters, totals

    def test_rows_and_dead_letters_are_those_of_one_thread(self):
        parts, letters, totals = self.run_job(1)
        torn = sum(i % 97 == 5 for i in range(COUNT))
        zero = sum(i % 97 != 5 and i % 101 == 7 for i in range(COUNT))
        self.assertEqual(len(parts), COUNT - torn - zero)
        self.assertEqual(len(letters), 2 * torn + zero)  # both queries read the torn ones
        for threads in (2, 4):
            with self.subTest(threads=threads):
                same = self.run_job(threads)
                self.assertEqual(same[0], parts)  # in their order
                self.assertEqual(sorted(same[1]), sorted(letters))
                self.assertEqual(same[2], totals)
                # Those of one query alone come as their records did.
                divided = [json.loads(value)["id"] for value in same[1] if value.endswith(b"}")]
                self.assertEqual(len(divided), zero)
                self.assertEqual(divided, sorted(divided))


if __name__ == "__main__":
    unittest.main()
