"""s3_memory.py - bodies stream both ways: however large an object, the process stays small.

Objects of 192 MiB; S3_LARGE=2GiB (or more) for others. A put in one piece, a multipart upload with its
joining, and a get of each; the peak of the whole process is the kernel's (VmHWM)."""

import hashlib
import http.client
import os
import urllib.parse

from harness import STORE_ALONE, ClientTest, boto

UNITS = {"MiB": 1 << 20, "GiB": 1 << 30}
LARGE = os.environ.get("S3_LARGE", "192MiB")
SIZE = int(LARGE[:-3]) * UNITS[LARGE[-3:]]
PART = 64 << 20
PIECE = os.urandom(1 << 20)
LIMIT = 64 << 20  # of what the peak may rise by


def pieces(size):
    """The object's bytes: one random MiB again and again, each time numbered."""
    for i in range(size // len(PIECE)):
        yield i.to_bytes(8, "big") + PIECE[8:]


class Memory(ClientTest):
    settings = STORE_ALONE | {"s3": {"buckets": ["large"]}}

    def peak(self):
        for line in open(f"/proc/{self.tarn.process.pid}/status"):
            if line.startswith("VmHWM"):
                return int(line.split()[1]) << 10
        raise AssertionError("no VmHWM")

    def send(self, method, url, size, body):
        """A body of any size by a presigned URL, as it is made; the answer's ETag."""
        at = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection(at.hostname, at.port, timeout=300)
        connection.putrequest(method, f"{at.path}?{at.query}")
        connection.putheader("Content-Length", str(size))
        connection.endheaders()
        for piece in body:
            connection.send(piece)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        self.assertEqual(answer.status, 200, text)
        return answer.headers["ETag"]

    def check(self, key, before):
        digest, size = hashlib.sha256(), 0
        for piece in boto(self.tarn).get_object(Bucket="large", Key=key)["Body"].iter_chunks(1 << 20):
            digest.update(piece)
            size += len(piece)
        wanted = hashlib.sha256()
        for piece in pieces(SIZE):
            wanted.update(piece)
        self.assertEqual((size, digest.digest()), (SIZE, wanted.digest()))
        rose = self.peak() - before
        print(f"{key}: {LARGE}, the peak rose by {rose >> 10} KiB to {self.peak() >> 20} MiB")
        self.assertLess(rose, LIMIT)

    def test_a_put_in_one_piece(self):
        client, before = boto(self.tarn), self.peak()
        size = min(SIZE, 5 << 30)  # the most that S3 takes in one piece
        url = client.generate_presigned_url("put_object", Params={"Bucket": "large", "Key": "one"})
        etag = self.send("PUT", url, size, pieces(size))
        wanted = hashlib.md5()
        for piece in pieces(size):
            wanted.update(piece)
        self.assertEqual(etag, f'"{wanted.hexdigest()}"')
        if size == SIZE:
            self.check("one", before)

    def test_a_multipart_upload(self):
        client, before = boto(self.tarn, read_timeout=600), self.peak()
        upload = client.create_multipart_upload(Bucket="large", Key="parts")["UploadId"]
        parts, rest = [], pieces(SIZE)
        for number in range(1, (SIZE + PART - 1) // PART + 1):
            size = min(PART, SIZE - PART * (number - 1))
            url = client.generate_presigned_url("upload_part", Params={
                "Bucket": "large", "Key": "parts", "UploadId": upload, "PartNumber": number})
            etag = self.send("PUT", url, size, (next(rest) for _ in range(size // len(PIECE))))
            parts.append({"PartNumber": number, "ETag": etag})
        client.complete_multipart_upload(Bucket="large", Key="parts", UploadId=upload,
                                         MultipartUpload={"Parts": parts})
        self.check("parts", before)
