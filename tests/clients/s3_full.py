"""s3_full.py - the disk behind the S3 API and the catalog is full: each call is refused with MinIO's word for
it, nothing of it is to be seen, what was there is whole, and with room again all goes on by itself."""

import hashlib
import os
import unittest

import pyarrow as pa
from botocore.exceptions import ClientError

from faults import fill, small_disk
from harness import Tarn, boto, iceberg, wait_until

MB = 1 << 20


def digest(text):
    return hashlib.sha256(text).hexdigest()[:16]


class Full(unittest.TestCase):
    def refused(self, call, **arguments):
        with self.assertRaises(ClientError) as caught:
            call(**arguments)
        answer = caught.exception.response
        self.assertEqual((answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]),
                         (507, "XMinioStorageFull"), answer)

    def objects(self, s3):
        """Each key with what it holds."""
        return {entry["Key"]: digest(s3.get_object(Bucket="box", Key=entry["Key"])["Body"].read())
                for entry in s3.list_objects_v2(Bucket="box").get("Contents", [])}

    def upload(self, s3, key, parts):
        made = s3.create_multipart_upload(Bucket="box", Key=key)["UploadId"]
        done = [{"PartNumber": i + 1, "ETag": s3.upload_part(Bucket="box", Key=key, UploadId=made, PartNumber=i + 1,
                                                             Body=part)["ETag"]} for i, part in enumerate(parts)]
        return {"Bucket": "box", "Key": key, "UploadId": made, "MultipartUpload": {"Parts": done}}

    def fill(self, s3):
        """What the journal and SQLite have room for already is used up too: small puts end it."""
        filler = fill(self.disk)
        for i in range(3000):
            try:
                s3.put_object(Bucket="box", Key=f"small/{i}", Body=b"s" * 4000)
            except ClientError:
                return filler
        raise AssertionError("a full disk takes 12 MB")

    def test_a_full_disk_is_told_and_got_over(self):
        tarn = Tarn()
        self.addCleanup(tarn.close)
        with small_disk(os.path.join(tarn.dir, "small"), 64) as disk:
            if not disk:
                self.skipTest("no file system may be mounted here")
            self.disk = disk
            with open(os.path.join(tarn.dir, "tarn.yaml"), "a") as out:
                out.write(f'data: "{disk}/data"\n')
            tarn.start()
            s3 = boto(tarn)
            s3.create_bucket(Bucket="box")
            s3.put_object(Bucket="box", Key="old", Body=b"old" * 1000)
            s3.put_object(Bucket="box", Key="large", Body=b"l" * (2 * MB))
            ready = self.upload(s3, "parts", [b"1" * (5 * MB), b"2" * MB])
            odd = self.upload(s3, "odd", [b"1" * (5 * MB), b"2" * (6 * MB), b"3"])
            catalog = iceberg(tarn)
            catalog.create_namespace("db")
            rows = pa.table({"id": pa.array(range(10), pa.int64())})
            table = catalog.create_table("db.t", rows.schema)
            table.append(rows)

            filler = self.fill(s3)
            before = self.objects(s3)
            self.refused(s3.put_object, Bucket="box", Key="new", Body=b"n" * 3000)
            self.refused(s3.put_object, Bucket="box", Key="old", Body=b"n" * 3000)
            self.refused(s3.put_object, Bucket="box", Key="large", Body=b"n" * (4 * MB))
            self.refused(s3.copy_object, Bucket="box", Key="copy", CopySource="box/large")
            self.refused(s3.create_multipart_upload, Bucket="box", Key="more")
            self.refused(s3.upload_part, Bucket="box", Key="parts", UploadId=ready["UploadId"], PartNumber=3,
                         Body=b"3" * (5 * MB))
            self.refused(s3.complete_multipart_upload, **odd)
            self.assertEqual(self.objects(s3), before)
            with self.assertRaisesRegex(OSError, "507"):  # of a metadata file's put
                catalog.load_table("db.t").append(rows)
            self.assertEqual(len(catalog.load_table("db.t").scan().to_arrow()), 10)

            os.remove(filler)
            s3.put_object(Bucket="box", Key="new", Body=b"n" * 3000)
            s3.complete_multipart_upload(**ready)
            s3.complete_multipart_upload(**odd)
            catalog.load_table("db.t").append(rows)
            expected = before | {"new": digest(b"n" * 3000), "parts": digest(b"1" * (5 * MB) + b"2" * MB),
                                 "odd": digest(b"1" * (5 * MB) + b"2" * (6 * MB) + b"3")}
            self.assertEqual(self.objects(s3), expected)
            self.assertEqual(len(catalog.load_table("db.t").scan().to_arrow()), 20)
            filler = self.fill(s3)
            expected = self.objects(s3)
            tarn.kill()
            os.remove(filler)
            tarn.start()
            found = self.objects(s3)
            self.assertEqual({key: found.get(key) for key in expected}, expected)
            self.assertLessEqual(len(found) - len(expected), 1)  # one may have been in the journal
            wait_until(lambda: "ok" in tarn.command("fsck"), "all tables to be readable", 20)
            tarn.stop()


if __name__ == "__main__":
    unittest.main()
