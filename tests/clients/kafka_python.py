"""kafka_python.py - confluent-kafka and kafka-python against the broker: what applications do."""

import threading
import time
import unittest

import kafka
from confluent_kafka import (OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer,
                             TopicPartition)
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource,
                                   NewTopic, ResourceType)

from harness import BROKER_ALONE, ClientTest, Tarn, deadline, wait_until


class Kafka(ClientTest):
    settings = BROKER_ALONE | {"topics": {"four": {"partitions": 4}, "one": {"partitions": 1}}}

    def setUp(self):
        self.admin = AdminClient({"bootstrap.servers": self.tarn.bootstrap})

    def producer(self, **options):
        return Producer({"bootstrap.servers": self.tarn.bootstrap, "linger.ms": 5,
                         **{key.replace("_", "."): value for key, value in options.items()}})

    def consumer(self, group="reader", **options):
        consumer = Consumer({"bootstrap.servers": self.tarn.bootstrap, "group.id": group,
                             "auto.offset.reset": "earliest", "enable.auto.commit": False,
                             "session.timeout.ms": 6000, "heartbeat.interval.ms": 200,
                             **{key.replace("_", "."): value for key, value in options.items()}})
        self.addCleanup(consumer.close)
        return consumer

    def make(self, name, partitions=1, **config):
        config = {key.replace("_", "."): value for key, value in config.items()}
        for done in self.admin.create_topics([NewTopic(name, partitions, config=config)]).values():
            done.result(10)
        return name

    def read(self, topic, count, partition=None, timeout=20):
        """`count` records from the start; with `partition` of that one alone."""
        consumer = self.consumer(f"read-{topic}-{time.monotonic_ns()}")
        if partition is None:
            consumer.subscribe([topic])
        else:
            consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
        found, until = [], deadline(timeout)
        while len(found) < count and time.monotonic() < until:
            for message in consumer.consume(1000, 0.2):
                self.assertIsNone(message.error())
                found.append(message)
        return found


class Producing(Kafka):
    def test_an_idempotent_producer_keeps_every_record_once_and_in_order(self):
        topic, total, acked = self.make("idempotent", 4), 40000, []

        def told(err, message):
            self.assertIsNone(err)
            acked.append((message.partition(), message.offset()))

        producer = self.producer(enable_idempotence=True, acks="all", compression_type="lz4")
        for i in range(total):
            producer.produce(topic, str(i).encode(), key=str(i % 97).encode(), on_delivery=told)
            if i % 1000 == 0:
                producer.poll(0)
        self.assertEqual(producer.flush(30), 0)
        self.assertEqual(len(set(acked)), total)
        found = self.read(topic, total)
        self.assertEqual(sorted(int(m.value()) for m in found), list(range(total)))
        newest = {}
        for message in found:
            key, value = message.key(), int(message.value())
            self.assertGreater(value, newest.get(key, -1))
            newest[key] = value

    def test_acks_0_1_and_all_arrive(self):
        topic = self.make("acks", 1)
        for acks in (0, 1, "all"):
            producer = self.producer(acks=acks)
            producer.produce(topic, str(acks).encode())
            self.assertEqual(producer.flush(10), 0)
        self.assertEqual([m.value() for m in self.read(topic, 3)], [b"0", b"1", b"all"])

    def test_timestamps_headers_and_nulls_come_back_as_sent(self):
        topic = self.make("shapes")
        producer = self.producer()
        producer.produce(topic, None, key=b"k", timestamp=1700000000123,
                         headers=[("a", b"1"), ("a", b"2"), ("n", None)])
        producer.produce(topic, b"", key=None, timestamp=1)
        producer.flush(10)
        first, second = self.read(topic, 2)
        self.assertEqual((first.key(), first.value(), first.timestamp()[1], first.headers()),
                         (b"k", None, 1700000000123, [("a", b"1"), ("a", b"2"), ("n", None)]))
        self.assertEqual((second.key(), second.value(), second.timestamp()[1]), (None, b"", 1))

    def test_a_record_larger_than_the_topic_allows_is_refused(self):
        topic, told = self.make("tight", 1, max_message_bytes="10000"), []
        producer = self.producer(message_max_bytes=2000000)
        producer.produce(topic, b"x" * 50000, on_delivery=lambda err, _: told.append(err))
        producer.flush(10)
        self.assertEqual(told[0].code(), KafkaError.MSG_SIZE_TOO_LARGE)
        producer.produce(topic, b"small", on_delivery=lambda err, _: told.append(err))
        producer.flush(10)
        self.assertIsNone(told[1])

    def test_kafka_python_produces_and_consumes(self):
        producer = kafka.KafkaProducer(bootstrap_servers=self.tarn.bootstrap,
                                       compression_type="gzip", acks="all")
        sent = [producer.send("pure", str(i).encode(), key=b"k") for i in range(1000)]
        producer.flush()
        self.assertEqual([future.get(10).offset for future in sent], list(range(1000)))
        producer.close()
        consumer = kafka.KafkaConsumer("pure", bootstrap_servers=self.tarn.bootstrap,
                                       group_id="pure-readers", auto_offset_reset="earliest",
                                       consumer_timeout_ms=5000)
        found = []
        for message in consumer:
            found.append(int(message.value))
            if len(found) == 1000:
                break
        consumer.commit()
        self.assertEqual(found, list(range(1000)))
        consumer.close()
        again = kafka.KafkaConsumer(bootstrap_servers=self.tarn.bootstrap, group_id="pure-readers")
        self.assertEqual(again.committed(kafka.TopicPartition("pure", 0)), 1000)
        again.close()


class Groups(Kafka):
    def poll_until(self, consumers, condition, what):
        wait_until(lambda: [c.consume(100, 0.05) for c in consumers] and condition(), what)

    def test_two_members_share_the_partitions_and_one_takes_over(self):
        first, second = self.consumer("sharing"), self.consumer("sharing")
        first.subscribe(["four"])
        second.subscribe(["four"])
        self.poll_until([first, second],
                        lambda: [len(c.assignment()) for c in (first, second)] == [2, 2], "2 and 2")
        mine = {p.partition for p in first.assignment()} | {p.partition for p in second.assignment()}
        self.assertEqual(mine, {0, 1, 2, 3})
        second.close()
        self.poll_until([first], lambda: len(first.assignment()) == 4, "all four on the one left")

    def test_cooperative_members_keep_what_stays_theirs(self):
        options = {"partition_assignment_strategy": "cooperative-sticky"}
        first, second = self.consumer("sticky", **options), self.consumer("sticky", **options)
        first.subscribe(["four"])
        self.poll_until([first], lambda: len(first.assignment()) == 4, "all four")
        second.subscribe(["four"])
        self.poll_until([first, second],
                        lambda: [len(c.assignment()) for c in (first, second)] == [2, 2], "2 and 2")

    def test_a_member_that_vanishes_loses_its_partitions_after_the_session_timeout(self):
        first = self.consumer("vanish")
        first.subscribe(["four"])
        lost = self.consumer("vanish", max_poll_interval_ms=6000)
        lost.subscribe(["four"])
        self.poll_until([first, lost],
                        lambda: [len(c.assignment()) for c in (first, lost)] == [2, 2], "2 and 2")
        # It polls no more: librdkafka leaves the group when max.poll.interval.ms has passed.
        self.poll_until([first], lambda: len(first.assignment()) == 4, "all four")

    def test_committed_offsets_are_kept_with_their_metadata(self):
        topic = self.make("offsets", 2)
        consumer = self.consumer("keeper")
        consumer.commit(offsets=[TopicPartition(topic, 0, 7, metadata="note"),
                                 TopicPartition(topic, 1, 11)], asynchronous=False)
        found = self.consumer("keeper").committed([TopicPartition(topic, p) for p in (0, 1)], 10)
        self.assertEqual([p.offset for p in found], [7, 11])
        # The note is read with the other client: confluent-kafka takes librdkafka's metadata, which
        # has a length, for a string that ends in NUL.
        pure = kafka.KafkaAdminClient(bootstrap_servers=self.tarn.bootstrap)
        self.addCleanup(pure.close)
        notes = pure.list_consumer_group_offsets("keeper")
        self.assertEqual({place.partition: note.metadata for place, note in notes.items()},
                         {0: "note", 1: ""})

    def test_groups_are_listed_described_and_deleted(self):
        topic = self.make("described", 3)
        consumer = self.consumer("seen", client_id="me")
        consumer.subscribe([topic])
        self.poll_until([consumer], lambda: len(consumer.assignment()) == 3, "three partitions")
        groups = {g.group_id: g for g in self.admin.list_consumer_groups().result(10).valid}
        self.assertEqual(groups["seen"].state.name, "STABLE")
        shown = self.admin.describe_consumer_groups(["seen"])["seen"].result(10)
        self.assertEqual((shown.state.name, shown.partition_assignor, len(shown.members)),
                         ("STABLE", "range", 1))
        self.assertEqual(shown.members[0].client_id, "me")
        self.assertEqual(len(shown.members[0].assignment.topic_partitions), 3)
        consumer.commit(offsets=[TopicPartition(topic, 0, 3)], asynchronous=False)
        with self.assertRaises(KafkaException) as refused:  # it has members
            self.admin.delete_consumer_groups(["seen"])["seen"].result(10)
        self.assertEqual(refused.exception.args[0].code(), KafkaError.NON_EMPTY_GROUP)
        consumer.close()
        self.admin.delete_consumer_groups(["seen"])["seen"].result(10)
        self.assertNotIn("seen", {g.group_id
                                  for g in self.admin.list_consumer_groups().result(10).valid})


class Admin(Kafka):
    def config(self, topic):
        resource = ConfigResource(ResourceType.TOPIC, topic)
        return {k: v.value for k, v in self.admin.describe_configs([resource])[resource].result(10).items()}

    def refused(self, future):
        with self.assertRaises(KafkaException) as refused:
            future.result(10)
        return refused.exception.args[0].code()

    def test_topics_are_made_described_and_deleted(self):
        self.make("brief", 5)
        self.assertEqual(len(self.admin.list_topics("brief", 10).topics["brief"].partitions), 5)
        self.assertEqual(self.refused(self.admin.create_topics([NewTopic("brief", 1)])["brief"]),
                         KafkaError.TOPIC_ALREADY_EXISTS)
        self.admin.delete_topics(["brief"])["brief"].result(10)
        self.assertNotIn("brief", self.admin.list_topics(timeout=10).topics)
        self.assertEqual(self.refused(self.admin.delete_topics(["brief"])["brief"]),
                         KafkaError.UNKNOWN_TOPIC_OR_PART)

    def test_a_topic_made_again_is_empty(self):
        producer = self.producer()
        for round in range(2):
            self.make("again")
            producer = self.producer()
            producer.produce("again", str(round).encode())
            self.assertEqual(producer.flush(10), 0)
            self.assertEqual([m.value() for m in self.read("again", 1)], [str(round).encode()])
            self.admin.delete_topics(["again"])["again"].result(10)

    def test_bad_topics_are_refused(self):
        for name in ("a/b", "..", "x" * 250, "with space"):
            with self.subTest(name):
                self.assertEqual(self.refused(self.admin.create_topics([NewTopic(name, 1)])[name]),
                                 KafkaError.TOPIC_EXCEPTION)
        self.assertEqual(
            self.refused(self.admin.create_topics([NewTopic("wide", 1, replication_factor=3)])["wide"]),
            KafkaError.INVALID_REPLICATION_FACTOR)
        self.assertEqual(
            self.refused(self.admin.create_topics(
                [NewTopic("odd", 1, config={"no.such.key": "1"})])["odd"]), KafkaError.INVALID_CONFIG)

    def test_settings_of_a_topic_are_shown_and_changed_one_by_one(self):
        topic = self.make("tuned", 1, retention_ms="60000", segment_bytes="1048576")
        found = self.config(topic)
        self.assertEqual((found["retention.ms"], found["segment.bytes"], found["cleanup.policy"]),
                         ("60000", "1048576", "delete"))
        change = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[
            ConfigEntry("retention.ms", "120000", incremental_operation=AlterConfigOpType.SET),
            ConfigEntry("segment.bytes", None, incremental_operation=AlterConfigOpType.DELETE)])
        self.admin.incremental_alter_configs([change])[change].result(10)
        after = self.config(topic)
        self.assertEqual(after["retention.ms"], "120000")
        self.assertNotEqual(after["segment.bytes"], "1048576")

    def test_the_cluster_describes_itself(self):
        cluster = self.admin.describe_cluster().result(10)
        self.assertTrue(cluster.cluster_id)
        self.assertEqual([(node.id, node.port) for node in cluster.nodes], [(1, self.tarn.kafka)])

    def test_offsets_are_found_by_time(self):
        topic, producer = self.make("bytime"), self.producer()
        for i in range(100):
            producer.produce(topic, b"x", timestamp=1000000 + i * 1000)
            if i % 10 == 9:
                producer.flush(10)  # several batches
        consumer = self.consumer()
        ask = [TopicPartition(topic, 0, stamp) for stamp in (0,)]
        for stamp, offset in ((0, 0), (1000000, 0), (1000001, 1), (1050500, 51), (1099000, 99)):
            ask = [TopicPartition(topic, 0, stamp)]
            self.assertEqual(consumer.offsets_for_times(ask, 10)[0].offset, offset, stamp)
        self.assertEqual(consumer.get_watermark_offsets(TopicPartition(topic, 0), 10), (0, 100))


class Restart(unittest.TestCase):
    def test_kill_9_loses_no_acknowledged_record_and_clients_go_on(self):
        tarn = Tarn(settings=BROKER_ALONE | {"topics": {"t": {"partitions": 2}}})
        self.addCleanup(tarn.close)
        tarn.start()
        acked, stop = {}, threading.Event()
        producer = Producer({"bootstrap.servers": tarn.bootstrap, "enable.idempotence": True,
                             "reconnect.backoff.max.ms": 200, "linger.ms": 2})

        def told(err, message):
            self.assertIsNone(err)
            acked[int(message.value())] = (message.partition(), message.offset())

        def load():
            i = 0
            while not stop.is_set():
                producer.produce("t", str(i).encode(), on_delivery=told)
                i += 1
                producer.poll(0)
                if i % 100 == 0:
                    time.sleep(0.005)
            producer.flush(30)

        thread = threading.Thread(target=load)
        thread.start()
        for _ in range(3):
            time.sleep(0.5)
            tarn.kill()
            tarn.start()
        time.sleep(0.5)
        stop.set()
        thread.join()
        consumer = Consumer({"bootstrap.servers": tarn.bootstrap, "group.id": "check",
                             "auto.offset.reset": "earliest"})
        self.addCleanup(consumer.close)
        consumer.subscribe(["t"])
        found, until = [], deadline(15)
        while len(found) < len(acked) and time.monotonic() < until:
            found += [int(m.value()) for m in consumer.consume(1000, 0.2) if not m.error()]
        self.assertGreater(len(acked), 1000)
        self.assertEqual(sorted(found), sorted(acked))


if __name__ == "__main__":
    unittest.main()
