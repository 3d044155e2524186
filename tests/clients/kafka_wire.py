"""kafka_wire.py - bytes that no client sends: each is answered or hung up on, and the broker lives."""

import os
import random
import socket
import struct
import unittest

from harness import BROKER_ALONE, ClientTest, run


def frame(api, version, body=b"", correlation=1):
    head = struct.pack(">hhih", api, version, correlation, 4) + b"wire"
    return struct.pack(">i", len(head + body)) + head + body


class Wire(ClientTest):
    settings = BROKER_ALONE

    def setUp(self):
        self.socket = socket.create_connection(("127.0.0.1", self.tarn.kafka), 10)
        self.addCleanup(self.socket.close)

    def tearDown(self):
        run("kcat", "-L", "-b", self.tarn.bootstrap, timeout=20)  # it still answers others
        self.assertTrue(self.tarn.alive())

    def receive(self, count):
        got = b""
        while len(got) < count:
            more = self.socket.recv(count - len(got))
            if not more:
                break
            got += more
        return got

    def answer(self):
        size, = struct.unpack(">i", self.receive(4))
        return self.receive(size)

    def assertHungUp(self):
        try:
            self.assertEqual(self.socket.recv(1), b"")
        except ConnectionResetError:
            pass

    def test_half_a_frame_and_silence_harm_nobody(self):
        self.socket.sendall(frame(3, 1, struct.pack(">i", 0))[:9])

    def test_a_frame_cut_in_single_bytes_is_answered(self):
        for byte in frame(18, 0):
            self.socket.sendall(bytes([byte]))
        self.assertEqual(self.answer()[:6], struct.pack(">ih", 1, 0))

    def test_a_frame_that_claims_two_gigabytes_is_hung_up_on(self):
        self.socket.sendall(struct.pack(">i", 0x7FFFFFFF))
        self.assertHungUp()

    def test_a_frame_of_negative_size_is_hung_up_on(self):
        self.socket.sendall(struct.pack(">i", -5))
        self.assertHungUp()

    def test_an_unknown_api_is_hung_up_on(self):
        self.socket.sendall(frame(9999, 0))
        self.assertHungUp()

    def test_an_unknown_version_of_api_versions_is_answered_with_the_known_ones(self):
        self.socket.sendall(frame(18, 99))
        correlation, error = struct.unpack(">ih", self.answer()[:6])
        self.assertEqual((correlation, error), (1, 35))

    def test_a_batch_with_a_wrong_crc_is_refused_and_not_kept(self):
        run("kcat", "-P", "-b", self.tarn.bootstrap, "-t", "crc", stdin="good\n")
        value = b"\x0c\x00\x00\x00\x01\x00\x00"  # one record, empty value
        after = struct.pack(">hiqqqhii", 0, 0, 0, 0, -1, -1, -1, 1) + value
        batch = struct.pack(">qiibI", 0, len(after) + 9, 0, 2, 0xBAD) + after
        body = (struct.pack(">hhii", -1, -1, 5000, 1) + struct.pack(">h", 3) + b"crc"
                + struct.pack(">iii", 1, 0, len(batch)) + batch)
        self.socket.sendall(frame(0, 3, body))
        answer = self.answer()
        error, = struct.unpack(">h", answer[4 + 4 + 2 + 3 + 4 + 4:][:2])
        self.assertEqual(error, 2)  # CORRUPT_MESSAGE
        read = run("kcat", "-C", "-q", "-e", "-b", self.tarn.bootstrap, "-t", "crc").stdout
        self.assertEqual(read, "good\n")

    def test_a_count_of_two_billion_topics_is_hung_up_on(self):
        self.socket.sendall(frame(3, 1, struct.pack(">i", 0x7FFFFFFF)))
        self.assertHungUp()

    def test_ten_thousand_random_frames_harm_nobody(self):
        seed = int.from_bytes(os.urandom(4), "big")
        rand = random.Random(seed)
        for i in range(10000):
            try:
                self.socket.sendall(frame(rand.randint(0, 75), rand.randint(0, 18),
                                          rand.randbytes(rand.randint(0, 60))))
            except OSError:
                self.socket.close()
                self.socket = socket.create_connection(("127.0.0.1", self.tarn.kafka), 10)
        self.assertTrue(self.tarn.alive(), f"seed {seed}")


if __name__ == "__main__":
    unittest.main()
