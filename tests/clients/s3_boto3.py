"""s3_boto3.py - boto3 against the object store: what engines and people do with a bucket."""

import datetime
import hashlib
import io
import os
import threading
import unittest
import urllib.error
import urllib.request

from botocore.exceptions import ClientError

from harness import STORE_ALONE, ClientTest, boto


class Objects(ClientTest):
    settings = STORE_ALONE | {"s3": {"buckets": ["warehouse", "lake-data"]}}

    def setUp(self):
        self.s3 = boto(self.tarn)
        self.bucket = "b" + hashlib.md5(self.id().encode()).hexdigest()[:16]
        self.s3.create_bucket(Bucket=self.bucket)

    def put(self, key, body=b"x", **options):
        return self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **options)

    def get(self, key, **options):
        return self.s3.get_object(Bucket=self.bucket, Key=key, **options)

    def refused(self, call, **options):
        with self.assertRaises(ClientError) as refused:
            call(**options)
        error = refused.exception.response
        return error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]

    def test_buckets_of_the_project_are_there_and_others_come_and_go(self):
        names = {bucket["Name"] for bucket in self.s3.list_buckets()["Buckets"]}
        self.assertLessEqual({"warehouse", "lake-data", self.bucket}, names)
        self.s3.head_bucket(Bucket=self.bucket)
        self.s3.get_bucket_location(Bucket=self.bucket)
        self.put("in the way")
        self.assertEqual(self.refused(self.s3.delete_bucket, Bucket=self.bucket),
                         ("BucketNotEmpty", 409))
        self.s3.delete_object(Bucket=self.bucket, Key="in the way")
        self.s3.delete_bucket(Bucket=self.bucket)
        self.assertEqual(self.refused(self.s3.head_bucket, Bucket=self.bucket)[1], 404)
        self.assertEqual(self.refused(self.s3.list_objects_v2, Bucket="nosuch"),
                         ("NoSuchBucket", 404))

    def test_an_object_comes_back_with_what_was_said_about_it(self):
        body = os.urandom(100_000)
        put = self.put("a/b.bin", body, ContentType="application/x-test", Metadata={"who": "me"},
                       CacheControl="no-cache")
        got = self.get("a/b.bin")
        self.assertEqual(got["Body"].read(), body)
        self.assertEqual((got["ContentType"], got["Metadata"], got["CacheControl"], got["ETag"]),
                         ("application/x-test", {"who": "me"}, "no-cache", put["ETag"]))
        self.assertEqual(got["ETag"], '"%s"' % hashlib.md5(body).hexdigest())
        head = self.s3.head_object(Bucket=self.bucket, Key="a/b.bin")
        self.assertEqual((head["ContentLength"], head["ETag"]), (100_000, put["ETag"]))
        age = datetime.datetime.now(datetime.timezone.utc) - head["LastModified"]
        self.assertLess(abs(age.total_seconds()), 60)

    def test_ranges_are_those_asked_for(self):
        self.put("digits", b"0123456789")
        for wanted, found in (("bytes=2-4", b"234"), ("bytes=7-", b"789"), ("bytes=-3", b"789"),
                              ("bytes=8-100", b"89")):
            got = self.get("digits", Range=wanted)
            self.assertEqual((got["Body"].read(), got["ResponseMetadata"]["HTTPStatusCode"]),
                             (found, 206), wanted)
        self.assertEqual(got["ContentRange"], "bytes 8-9/10")
        self.assertEqual(self.refused(self.get, key="digits", Range="bytes=10-"),
                         ("InvalidRange", 416))

    def test_conditions_are_obeyed(self):
        etag = self.put("c", b"1")["ETag"]
        self.assertEqual(self.refused(self.get, key="c", IfMatch='"no"')[1], 412)
        self.assertEqual(self.refused(self.get, key="c", IfNoneMatch=etag)[1], 304)
        self.assertEqual(self.refused(self.put, key="c", body=b"2", IfNoneMatch="*"),
                         ("PreconditionFailed", 412))
        self.put("new", IfNoneMatch="*")
        self.assertEqual(self.get("c")["Body"].read(), b"1")

    def test_keys_may_hold_any_character(self):
        keys = sorted(["plain", "with space", "plus+sign", "a%20b", "sm\u00f6rg\u00e5s", "\u65e5\u672c", "q?x=1&y",
                       "semi;colon", "deep/er/and/deeper", "=/+", "under_score~tilde", "(a)'b'!*"],
                      key=lambda key: key.encode())
        for key in keys:
            self.put(key, key.encode())
        for key in keys:
            self.assertEqual(self.get(key)["Body"].read(), key.encode())
        listed = self.s3.list_objects_v2(Bucket=self.bucket)["Contents"]
        self.assertEqual([item["Key"] for item in listed], keys)

    def test_listing_is_in_order_in_pages_and_by_folder(self):
        keys = [f"t/data/{i:04}.parquet" for i in range(250)] + ["t/metadata/v1.json", "top"]
        for key in keys:
            self.put(key, b"")
        for name in ("list_objects_v2", "list_objects"):
            pages = list(self.s3.get_paginator(name).paginate(
                Bucket=self.bucket, PaginationConfig={"PageSize": 99}))
            self.assertEqual([o["Key"] for page in pages for o in page["Contents"]], sorted(keys))
            self.assertEqual(len(pages), 3)
        top = self.s3.list_objects_v2(Bucket=self.bucket, Delimiter="/")
        self.assertEqual([p["Prefix"] for p in top["CommonPrefixes"]], ["t/"])
        self.assertEqual([o["Key"] for o in top["Contents"]], ["top"])
        inner = self.s3.list_objects_v2(Bucket=self.bucket, Prefix="t/", Delimiter="/")
        self.assertEqual([p["Prefix"] for p in inner["CommonPrefixes"]], ["t/data/", "t/metadata/"])
        after = self.s3.list_objects_v2(Bucket=self.bucket, Prefix="t/data/",
                                        StartAfter="t/data/0247.parquet")
        self.assertEqual([o["Key"][-12:] for o in after["Contents"]], ["0248.parquet", "0249.parquet"])

    def test_copies_and_deletes(self):
        self.put("from", b"copied", Metadata={"k": "v"}, ContentType="text/x")
        source = {"Bucket": self.bucket, "Key": "from"}
        self.s3.copy_object(Bucket=self.bucket, Key="to", CopySource=source)
        got = self.get("to")
        self.assertEqual((got["Body"].read(), got["Metadata"], got["ContentType"]),
                         (b"copied", {"k": "v"}, "text/x"))
        done = self.s3.delete_objects(Bucket=self.bucket, Delete={
            "Objects": [{"Key": "from"}, {"Key": "to"}, {"Key": "never was"}]})
        self.assertEqual(len(done["Deleted"]), 3)
        self.assertEqual(self.refused(self.get, key="to"), ("NoSuchKey", 404))
        self.s3.delete_object(Bucket=self.bucket, Key="never was")

    def test_large_objects_travel_in_parts(self):
        body = os.urandom(23 << 20)
        self.s3.upload_fileobj(io.BytesIO(body), self.bucket, "large")  # multipart from 8 MiB on
        head = self.s3.head_object(Bucket=self.bucket, Key="large")
        self.assertEqual(head["ContentLength"], len(body))
        self.assertRegex(head["ETag"], r'"[0-9a-f]{32}-3"')
        got = io.BytesIO()
        self.s3.download_fileobj(self.bucket, "large", got)  # in ranges, several at once
        self.assertEqual(hashlib.sha256(got.getvalue()).digest(), hashlib.sha256(body).digest())

    def test_an_upload_that_is_given_up_leaves_nothing(self):
        started = self.s3.create_multipart_upload(Bucket=self.bucket, Key="half")["UploadId"]
        self.s3.upload_part(Bucket=self.bucket, Key="half", UploadId=started, PartNumber=1, Body=b"x")
        uploads = self.s3.list_multipart_uploads(Bucket=self.bucket)["Uploads"]
        self.assertEqual([u["UploadId"] for u in uploads], [started])
        parts = self.s3.list_parts(Bucket=self.bucket, Key="half", UploadId=started)["Parts"]
        self.assertEqual([(p["PartNumber"], p["Size"]) for p in parts], [(1, 1)])
        self.s3.abort_multipart_upload(Bucket=self.bucket, Key="half", UploadId=started)
        self.assertEqual(self.refused(self.get, key="half")[0], "NoSuchKey")
        self.assertEqual(self.refused(self.s3.upload_part, Bucket=self.bucket, Key="half",
                                      UploadId=started, PartNumber=2, Body=b"x")[0], "NoSuchUpload")

    def test_only_those_who_know_the_secret_come_in(self):
        self.put("private", b"hidden")
        self.assertEqual(self.refused(boto(self.tarn, secret="wrong-secret").get_object,
                                      Bucket=self.bucket, Key="private"),
                         ("SignatureDoesNotMatch", 403))
        address = f"{self.tarn.s3_url}/{self.bucket}/private"
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(address)
        self.assertEqual(refused.exception.code, 403)
        self.assertIn(b"AccessDenied", refused.exception.read())
        signed = self.s3.generate_presigned_url("get_object", ExpiresIn=60, Params={
            "Bucket": self.bucket, "Key": "private"})
        self.assertEqual(urllib.request.urlopen(signed).read(), b"hidden")
        with self.assertRaises(urllib.error.HTTPError):
            urllib.request.urlopen(signed.replace("private", "other"))

    def test_presigned_uploads_work(self):
        signed = self.s3.generate_presigned_url("put_object", Params={"Bucket": self.bucket, "Key": "p"})
        urllib.request.urlopen(urllib.request.Request(signed, b"sent", method="PUT"))
        self.assertEqual(self.get("p")["Body"].read(), b"sent")

    def test_checksums_are_compared(self):
        for name, value in (("CRC32", "NhCmhg=="), ("CRC32C", "mnG7TA=="),
                            ("SHA1", "qvTGHdzF6KLavt4PO0gs2a6pQ00="),
                            ("SHA256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=")):
            put = self.put(name, b"hello", **{f"Checksum{name}": value})
            self.assertEqual(put[f"Checksum{name}"], value)
            got = self.get(name, ChecksumMode="ENABLED")
            self.assertEqual((got["Body"].read(), got[f"Checksum{name}"]), (b"hello", value))
        self.assertEqual(self.refused(self.put, key="bad", body=b"hello", ContentMD5="A" * 22 + "=="),
                         ("BadDigest", 400))
        self.assertEqual(self.refused(self.put, key="bad", body=b"hello",
                                      ChecksumSHA256="A" * 43 + "=")[1], 400)
        self.assertEqual(self.refused(self.get, key="bad")[0], "NoSuchKey")

    def test_health_is_told_without_a_signature(self):
        for path in ("live", "ready"):
            answer = urllib.request.urlopen(f"{self.tarn.s3_url}/minio/health/{path}")
            self.assertEqual((answer.status, answer.read()), (200, b""))

    def test_many_at_once_do_not_mix_up(self):
        failed = []

        def work(number):
            try:
                for i in range(20):
                    body = f"{number}-{i}".encode() * 1000
                    self.put(f"many/{number}/{i}", body)
                    if self.get(f"many/{number}/{i}")["Body"].read() != body:
                        failed.append((number, i))
            except ClientError as error:
                failed.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix="many/")
        self.assertEqual(listed["KeyCount"], 160)

    def test_objects_survive_kill_9(self):
        self.put("kept", b"durable")
        self.tarn.kill()
        self.tarn.start()
        self.assertEqual(self.get("kept")["Body"].read(), b"durable")


if __name__ == "__main__":
    unittest.main()
