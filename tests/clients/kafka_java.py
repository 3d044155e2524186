"""kafka_java.py - Kafka's own command-line tools (Java) against the broker.

Each call starts a Java process, so a test does several things along one topic's life.
"""

import re
import subprocess
import unittest

from harness import BROKER_ALONE, JAVA_TOOLS, ClientTest, java, wait_until


class Java(ClientTest):
    settings = BROKER_ALONE

    def tool(self, name, *args, **options):
        return java(name, "--bootstrap-server", self.tarn.bootstrap, *args, **options)

    def test_topics_are_made_listed_described_altered_and_deleted(self):
        made = self.tool("kafka-topics.sh", "--create", "--topic", "my-test-topic", "--partitions", "3",
                         "--replication-factor", "1", "--config", "retention.ms=60000")
        self.assertIn("Created topic my-test-topic.", made.stdout)
        again = self.tool("kafka-topics.sh", "--create", "--topic", "my-test-topic", check=False)
        self.assertEqual(again.returncode, 1)
        self.assertIn("TopicExistsException", again.stdout + again.stderr)
        self.assertIn("my-test-topic", self.tool("kafka-topics.sh", "--list").stdout.split())
        shown = self.tool("kafka-topics.sh", "--describe", "--topic", "my-test-topic").stdout
        self.assertRegex(shown, r"Topic: my-test-topic\s+TopicId: \S+\s+PartitionCount: 3\s+"
                                r"ReplicationFactor: 1\s+Configs: .*retention.ms=60000")
        self.assertEqual(len(re.findall(r"Partition: \d\s+Leader: 1\s+Replicas: 1\s+Isr: 1", shown)), 3)
        self.tool("kafka-configs.sh", "--alter", "--topic", "my-test-topic",
                  "--add-config", "retention.ms=90000,max.message.bytes=5000")
        config = self.tool("kafka-configs.sh", "--describe", "--topic", "my-test-topic").stdout
        self.assertIn("retention.ms=90000", config)
        self.assertIn("max.message.bytes=5000", config)
        self.tool("kafka-topics.sh", "--delete", "--topic", "my-test-topic")
        self.assertNotIn("my-test-topic", self.tool("kafka-topics.sh", "--list").stdout.split())
        gone = self.tool("kafka-topics.sh", "--describe", "--topic", "my-test-topic", check=False)
        self.assertEqual(gone.returncode, 1)

    def test_console_producer_and_consumer_agree(self):
        lines = [f"{{\"id\": \"{i}\", \"name\": \"Ängström {i}\"}}" for i in range(300)]
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            self.tool("kafka-console-producer.sh", "--topic", f"console-{codec}",
                      "--compression-codec", codec, stdin="".join(line + "\n" for line in lines))
        for codec in ("gzip", "zstd"):
            got = self.tool("kafka-console-consumer.sh", "--topic", f"console-{codec}",
                            "--from-beginning", "--max-messages", "300")
            self.assertEqual(got.stdout.splitlines(), lines)
            self.assertIn("Processed a total of 300 messages", got.stdout + got.stderr)

    def test_lag_of_a_group_is_shown_and_reset(self):
        self.tool("kafka-console-producer.sh", "--topic", "lagging",
                  stdin="".join(f"{i}\n" for i in range(20)))
        self.tool("kafka-console-consumer.sh", "--topic", "lagging", "--group", "my-consumer-group",
                  "--from-beginning", "--max-messages", "20")
        self.tool("kafka-console-producer.sh", "--topic", "lagging", stdin="21\n22\n23\n")
        self.assertIn("my-consumer-group", self.tool("kafka-consumer-groups.sh", "--list").stdout.split())
        row = self.lag("my-consumer-group")
        self.assertEqual(row[:6], ["my-consumer-group", "lagging", "0", "20", "23", "3"])
        self.tool("kafka-consumer-groups.sh", "--group", "my-consumer-group", "--topic", "lagging",
                  "--reset-offsets", "--to-earliest", "--execute")
        self.assertEqual(self.lag("my-consumer-group")[3:6], ["0", "23", "23"])
        again = self.tool("kafka-console-consumer.sh", "--topic", "lagging", "--group",
                          "my-consumer-group", "--max-messages", "23")
        self.assertEqual(len(again.stdout.split()), 23)
        unknown = self.tool("kafka-consumer-groups.sh", "--describe", "--group", "nobody", check=False)
        self.assertRegex(unknown.stdout + unknown.stderr, "GroupIdNotFoundException")

    def lag(self, group):
        """The one row of the table, its columns from GROUP to LAG found by the header."""
        out = self.tool("kafka-consumer-groups.sh", "--describe", "--group", group).stdout
        header, row = [line.split() for line in out.splitlines() if line.strip()][-2:]
        named = dict(zip(header, row))
        return [named[key] for key in ("GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET",
                                       "LOG-END-OFFSET", "LAG")]

    def test_members_of_a_group_are_shown_while_they_read(self):
        self.tool("kafka-topics.sh", "--create", "--topic", "shared", "--partitions", "4")
        members = [subprocess.Popen([f"{JAVA_TOOLS}/kafka-console-consumer.sh", "--bootstrap-server",
                                     self.tarn.bootstrap, "--topic", "shared", "--group", "g"],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                   for _ in range(2)]
        try:
            def split():
                out = self.tool("kafka-consumer-groups.sh", "--describe", "--members", "--verbose",
                                "--group", "g", check=False).stdout
                return sorted(line.split()[4] for line in out.splitlines()
                              if line.startswith("g ")) == ["2", "2"]
            wait_until(split, "two members with two partitions each", 40, 0.5)
        finally:
            for member in members:
                member.terminate()
                member.wait()

    def test_the_perf_producer_gets_every_record_in(self):
        out = java("kafka-producer-perf-test.sh", "--topic", "perf", "--num-records", "100000",
                   "--record-size", "200", "--throughput", "-1", "--producer-props",
                   f"bootstrap.servers={self.tarn.bootstrap}", "acks=all", "linger.ms=5").stdout
        self.assertRegex(out, r"100000 records sent, [\d.]+ records/sec")
        ends = self.tool("kafka-get-offsets.sh", "--topic", "perf").stdout.split()
        self.assertEqual(ends, ["perf:0:100000"])

    def test_the_tools_find_the_versions_of_every_request(self):
        out = self.tool("kafka-broker-api-versions.sh").stdout
        self.assertRegex(out, rf"^{re.escape(self.tarn.bootstrap)} \(id: 1 rack: null")
        for name in ("Produce", "Fetch", "ListOffsets", "Metadata", "OffsetCommit", "OffsetFetch",
                     "FindCoordinator", "JoinGroup", "Heartbeat", "LeaveGroup", "SyncGroup",
                     "DescribeGroups", "ListGroups", "ApiVersions", "CreateTopics", "DeleteTopics",
                     "InitProducerId", "DescribeConfigs", "IncrementalAlterConfigs",
                     "DescribeCluster"):
            self.assertRegex(out, rf"\t{name}\(\d+\): \d+( to \d+)? \[usable: \d+\]")


if __name__ == "__main__":
    unittest.main()
