"""kafka_kcat.py - kcat (librdkafka) against the broker: what a person types first."""

import json
import os
import random
import unittest

from harness import BROKER_ALONE, PROGRAM, ROOT, ClientTest, run


class Kcat(ClientTest):
    settings = BROKER_ALONE | {"topics": {"three": {"partitions": 3}}}

    def kcat(self, *args, stdin=None):
        return run("kcat", "-b", self.tarn.bootstrap, *args, stdin=stdin).stdout

    def produce(self, topic, lines, *args):
        self.kcat("-P", "-t", topic, *args, stdin="".join(line + "\n" for line in lines))

    def consume(self, topic, *args):
        return self.kcat("-C", "-q", "-e", "-t", topic, *args).splitlines()

    def test_lists_one_broker_and_the_topics_of_the_project(self):
        cluster = json.loads(self.kcat("-L", "-J"))
        self.assertEqual([broker["id"] for broker in cluster["brokers"]], [1])
        self.assertEqual(cluster["brokers"][0]["name"], self.tarn.bootstrap)
        topics = {topic["topic"]: len(topic["partitions"]) for topic in cluster["topics"]}
        self.assertEqual(topics["three"], 3)

    def test_reads_back_what_was_produced_by_every_codec(self):
        random.seed(7)
        lines = ["%d %s" % (i, "".join(random.choices("abcdef ", k=random.randint(0, 300))))
                 for i in range(5000)]
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            with self.subTest(codec):
                self.produce(f"codec-{codec}", lines, "-z", codec)
                self.assertEqual(self.consume(f"codec-{codec}"), lines)

    def test_makes_a_topic_when_it_is_first_named(self):
        self.produce("made-by-use", ["hello"])
        self.assertEqual(self.consume("made-by-use"), ["hello"])

    def test_keeps_keys_headers_and_null_values(self):
        self.kcat("-P", "-t", "headed", "-K", ":", "-H", "trace=abc", "-H", "empty=",
                  stdin="k1:v1\n")
        self.kcat("-P", "-t", "headed", "-K", ":", "-Z", stdin="gone:\n")
        self.assertEqual(self.consume("headed", "-f", "%o|%k|%s|%S|%h\\n"),
                         ["0|k1|v1|2|trace=abc,empty=", "1|gone||-1|"])

    def test_equal_keys_go_to_one_partition(self):
        self.produce("three", [f"key{i % 17}:{i}" for i in range(2000)], "-K", ":")
        places = {}
        for line in self.consume("three", "-f", "%k %p %s\\n"):
            key, partition, value = line.split()
            places.setdefault(key, set()).add(partition)
            self.assertEqual(int(value) % 17, int(key[3:]))
        self.assertEqual({len(seen) for seen in places.values()}, {1})
        self.assertEqual(len({p for seen in places.values() for p in seen}), 3)

    def test_reads_from_any_offset(self):
        self.produce("hundred", [str(i) for i in range(100)])
        self.assertEqual(self.consume("hundred", "-o", "97"), ["97", "98", "99"])
        self.assertEqual(self.consume("hundred", "-o", "-20"), [str(i) for i in range(80, 100)])
        self.assertEqual(self.consume("hundred", "-o", "beginning", "-c", "2"), ["0", "1"])
        self.assertEqual(self.consume("hundred", "-o", "end"), [])

    def test_reads_from_a_time(self):
        self.produce("timed", ["early"])
        stamp = int(self.consume("timed", "-f", "%T\\n")[0])
        while True:  # the clock has passed the first record's millisecond
            self.produce("timed", ["late"])
            stamps = [int(line) for line in self.consume("timed", "-f", "%T\\n")]
            if stamps[-1] > stamp:
                break
        later = [line for line in stamps if line > stamp]
        self.assertEqual(self.consume("timed", "-o", f"s@{stamp + 1}"), ["late"] * len(later))
        self.assertEqual(self.kcat("-Q", "-t", f"timed:0:{stamp}").split()[-1], "0")

    def test_takes_records_of_a_megabyte(self):
        line = "x" * 1_000_000
        self.produce("large", [line, "small", line], "-z", "none",
                     "-X", "message.max.bytes=2000000")
        self.assertEqual([len(text) for text in self.consume("large")], [1_000_000, 5, 1_000_000])

    def test_takes_events_of_a_users_own_template(self):
        with open(os.path.join(ROOT, "examples/payments/generators/payment_charges.json")) as text:
            self.tarn.write("own/payment_charge.json", text.read())
        events = run(PROGRAM, "generate", "--templates", os.path.join(self.tarn.dir, "own"),
                     "--speed", "max", "--count", "500", "--seed", "7").stdout
        self.kcat("-P", "-t", "generated", stdin=events)
        self.assertEqual(self.consume("generated"), events.splitlines())
        self.assertEqual(len(events.splitlines()), 500)

    def test_a_consumer_group_goes_on_where_it_was(self):
        self.produce("grouped", [str(i) for i in range(50)])
        group = ("-G", "readers", "-q", "-e", "-X", "auto.offset.reset=earliest")
        first = self.kcat(*group, "-c", "50", "grouped").splitlines()
        self.produce("grouped", ["next"])
        second = self.kcat(*group, "-c", "1", "grouped").splitlines()
        self.assertEqual((first, second), ([str(i) for i in range(50)], ["next"]))


if __name__ == "__main__":
    unittest.main()
