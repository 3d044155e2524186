"""faulty_store.py - a job commits into tables on an S3 endpoint that fails, throttles, hangs up and lies:
nothing is lost and nothing doubled.

The endpoint is another tarn behind a proxy that plays tricks on one request in four, by a seed that is
printed: 503 SlowDown, 429, a connection closed before or after the deed, 500 after having done it, half
of a body, a pause. S3_FAULTS=SEED plays one again."""

import collections
import http.client
import http.server
import os
import random
import threading
import time
import unittest

from harness import ACCESS_KEY, SECRET_KEY, STORE_ALONE, Tarn, iceberg, wait_until
from pipeline import CATALOG, KAFKA, produce

ROWS, BATCHES = 4000, 8
SQL = CATALOG + f"""
CREATE TABLE src (id BIGINT, word STRING) {KAFKA % 'events'}
CREATE TABLE IF NOT EXISTS lake.db.events (id BIGINT, word STRING);
INSERT INTO lake.db.events SELECT * FROM src;
"""
ERROR = "<Error><Code>{}</Code><Message>a trick</Message></Error>"


class Proxy:
    """Passes requests on to `port`, or does not."""

    def __init__(self, port, seed, share=0.25):
        self.upstream, self.share = port, share
        self.random, self.lock = random.Random(seed), threading.Lock()
        self.played = collections.Counter()
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def handle_any(self):
                proxy.serve(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def pick(self, method):
        tricks = ["slow down", "too many", "hang up before", "hang up after", "lie", "pause"]
        if method == "GET":
            tricks.append("half")
        with self.lock:
            if self.random.random() >= self.share:
                return None
            trick = self.random.choice(tricks)
            self.played[trick] += 1
            return trick

    def forward(self, request, body):
        """Status, headers and body of what the endpoint says."""
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=60)
        try:
            connection.putrequest(request.command, request.path, skip_host=True,
                                  skip_accept_encoding=True)
            for name, value in request.headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def serve(self, request):
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        trick = self.pick(request.command)
        if trick in ("slow down", "too many"):
            status, code = (503, "SlowDown") if trick == "slow down" else (429, "TooManyRequests")
            return self.reply(request, status, [], ERROR.format(code).encode())
        if trick == "hang up before":
            return self.hang_up(request)
        if trick == "pause":
            time.sleep(0.5)
        status, headers, text = self.forward(request, body)
        if trick == "hang up after":
            return self.hang_up(request)
        if trick == "lie":
            return self.reply(request, 500, [], ERROR.format("InternalError").encode())
        if trick == "half" and len(text) > 1:
            self.reply(request, status, headers, text, send=len(text) // 2)
            return self.hang_up(request)
        return self.reply(request, status, headers, text)

    @staticmethod
    def hang_up(request):
        request.close_connection = True
        request.connection.close()

    @staticmethod
    def reply(request, status, headers, text, send=None):
        request.send_response_only(status)
        length = len(text)
        for name, value in headers:
            if name.lower() == "content-length":
                length = int(value) if request.command == "HEAD" else length
            elif name.lower() not in ("connection", "transfer-encoding"):
                request.send_header(name, value)
        request.send_header("Content-Length", str(length))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(text[:send])
        request.wfile.flush()


class FaultyStore(unittest.TestCase):
    def setUp(self):
        self.seed = int(os.environ.get("S3_FAULTS") or random.randrange(1 << 32))
        self.endpoint = Tarn(settings=STORE_ALONE | {"s3": {"buckets": ["warehouse"]}})
        self.addCleanup(self.endpoint.close)
        self.endpoint.start()
        self.proxy = Proxy(self.endpoint.s3, self.seed)
        self.addCleanup(self.proxy.close)
        self.tarn = Tarn({"events.sql": SQL}, {
            "store": {"engine": "s3", "endpoint": f"http://127.0.0.1:{self.proxy.port}",
                      "access_key": ACCESS_KEY, "secret_key": SECRET_KEY},
            "topics": {"events": {"partitions": 2}}})
        self.addCleanup(self.tarn.close)

    def ids(self):
        return sorted(iceberg(self.tarn).load_table("db.events").scan().to_arrow()["id"].to_pylist())

    def committed(self):
        snapshot = iceberg(self.tarn).load_table("db.events").current_snapshot()
        return int(snapshot.summary["total-records"]) if snapshot else 0

    def test_nothing_is_lost_and_nothing_doubled(self):
        self.tarn.start()
        size = ROWS // BATCHES
        for batch in range(BATCHES):
            produce(self.tarn, "events", [{"id": i, "word": f"w{i}"}
                                          for i in range(batch * size, (batch + 1) * size)])
            if batch == BATCHES // 2:
                self.tarn.kill()
                self.tarn.start()
            time.sleep(0.6)
        try:
            wait_until(lambda: self.committed() >= ROWS, "all rows to be committed", timeout=90,
                       pause=0.3)
            self.assertEqual(self.ids(), list(range(ROWS)))
            self.assertGreater(sum(self.proxy.played.values()), 4, self.proxy.played)
        except BaseException:
            print(f"S3_FAULTS={self.seed}, played {dict(self.proxy.played)}")
            raise
