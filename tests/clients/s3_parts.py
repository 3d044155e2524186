"""s3_parts.py - multipart uploads in every shape, by boto3: the bytes, the ETag, the checksum, and that
parts of one size are never copied (the object is the file that they were received into)."""

import base64
import glob
import hashlib
import os
import socket
import threading
import zlib

from harness import STORE_ALONE, ClientTest, boto

MIB = 1 << 20
PART = 5 * MIB
SUMS = ("ChecksumCRC32", "ChecksumSHA256")


def some(size):
    return os.urandom(size)


class Parts(ClientTest):
    settings = STORE_ALONE | {"s3": {"buckets": ["parts"]}}

    def folder(self, upload):
        return glob.glob(f"{self.tarn.dir}/.tarn/**/staging/uploads/{upload}", recursive=True)[0]

    def upload(self, parts, order=None, again=(), together=False, listed=None, begun={}, sent={}):
        """Sends the parts and completes; whether the object is the file they were received into."""
        key = self.id().rsplit(".", 1)[1]
        client = boto(self.tarn)
        upload = client.create_multipart_upload(Bucket="parts", Key=key, **begun)["UploadId"]
        answers = {}

        def send(number):
            answers[number] = client.upload_part(
                Bucket="parts", Key=key, UploadId=upload, PartNumber=number, Body=parts[number],
                **sent)

        threads = [threading.Thread(target=send, args=(number,)) for number in order or sorted(parts)]
        for thread in threads:
            thread.start()
            if not together:
                thread.join()
        for thread in threads:
            thread.join()
        for number in again:
            send(number)
        found = client.list_parts(Bucket="parts", Key=key, UploadId=upload)["Parts"]
        self.assertEqual([(part["PartNumber"], part["Size"]) for part in found],
                         [(number, len(parts[number])) for number in sorted(parts)])
        whole = [os.stat(path).st_ino for path in glob.glob(self.folder(upload) + "/whole-*")]
        listed = listed or sorted(parts)
        body = {"Parts": [{"PartNumber": number} | {
            name: value for name, value in answers[number].items() if name in ("ETag",) + SUMS}
            for number in listed]}
        request = {"Bucket": "parts", "Key": key, "UploadId": upload, "MultipartUpload": body}
        done = client.complete_multipart_upload(**request)
        wanted = b"".join(parts[number] for number in listed)
        given = client.get_object(Bucket="parts", Key=key)
        self.assertEqual(given["Body"].read(), wanted)
        etag = hashlib.md5(b"".join(hashlib.md5(parts[number]).digest() for number in listed))
        self.assertEqual(given["ETag"], f'"{etag.hexdigest()}-{len(listed)}"')
        self.assertEqual(client.complete_multipart_upload(**request)["ETag"], given["ETag"])
        path = glob.glob(f"{self.tarn.dir}/.tarn/**/objects/parts/{key}", recursive=True)[0]
        return os.stat(path).st_ino in whole, done, wanted

    def test_equal_parts_become_the_object_where_they_are(self):
        self.assertTrue(self.upload({n: some(PART) for n in range(1, 5)})[0])

    def test_a_short_last_part_too(self):
        self.assertTrue(self.upload({1: some(PART), 2: some(PART), 3: some(1234)})[0])

    def test_in_any_order_and_all_at_once(self):
        parts = {n: some(PART) for n in range(1, 7)} | {7: some(99)}
        self.assertTrue(self.upload(parts, order=[7, 3, 6, 1, 2, 5, 4], together=True)[0])

    def test_a_part_that_is_sent_again(self):
        self.assertTrue(self.upload({n: some(PART) for n in range(1, 4)}, again=[2, 2])[0])

    def test_the_first_part_alone_is_where_it_belongs(self):
        self.assertTrue(self.upload({1: some(PART), 2: some(6 * MIB), 3: some(7 * MIB)})[0])

    def test_a_larger_part_after_the_last(self):
        parts = {1: some(8 * MIB), 2: some(8 * MIB), 3: some(6 * MIB)}
        self.upload(parts, order=[3, 1, 2])

    def test_numbers_with_gaps(self):
        self.upload({1: some(PART), 5: some(PART), 9: some(7)})

    def test_parts_that_are_left_out(self):
        self.assertFalse(self.upload({n: some(PART) for n in range(1, 4)}, listed=[1, 2])[0])

    def test_a_checksum_of_the_whole_without_reading_it(self):
        inside, done, wanted = self.upload(
            {1: some(PART), 2: some(PART), 3: some(5)}, sent={"ChecksumAlgorithm": "CRC32"},
            begun={"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"})
        self.assertTrue(inside)
        self.assertEqual(base64.b64decode(done["ChecksumCRC32"]), zlib.crc32(wanted).to_bytes(4, "big"))

    def test_a_checksum_of_the_parts_checksums(self):
        parts = {1: some(PART), 2: some(PART), 3: some(5)}
        _, done, _ = self.upload(parts, sent={"ChecksumAlgorithm": "SHA256"},
                                 begun={"ChecksumAlgorithm": "SHA256"})
        composite = hashlib.sha256(b"".join(hashlib.sha256(parts[n]).digest() for n in parts))
        self.assertEqual(done["ChecksumSHA256"],
                         base64.b64encode(composite.digest()).decode() + "-3")

    def test_who_still_sends_cannot_reach_the_object(self):
        """A request that hangs in the middle of a part, sent again by another and completed."""
        client, parts = boto(self.tarn), [some(PART), some(PART)]
        where = {"Bucket": "parts", "Key": "hangs"}
        where["UploadId"] = client.create_multipart_upload(**where)["UploadId"]
        etags = [client.upload_part(PartNumber=1, Body=parts[0], **where)["ETag"]]
        url = client.generate_presigned_url("upload_part", Params=where | {"PartNumber": 2})
        with socket.create_connection(("127.0.0.1", self.tarn.s3)) as slow:
            path = url.split(f":{self.tarn.s3}", 1)[1]
            slow.sendall(f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.tarn.s3}\r\n"
                         f"Content-Length: {PART}\r\n\r\n".encode() + b"x" * (2 * MIB))
            etags.append(client.upload_part(PartNumber=2, Body=parts[1], **where)["ETag"])
            client.complete_multipart_upload(MultipartUpload={"Parts": [
                {"PartNumber": at + 1, "ETag": etag} for at, etag in enumerate(etags)]}, **where)
            slow.sendall(b"y" * (PART - 2 * MIB))
            self.assertIn(b"404", slow.recv(1000).split(b"\r\n")[0])
        given = client.get_object(Bucket="parts", Key="hangs")["Body"].read()
        self.assertEqual(given, b"".join(parts))
