"""s3_versions.py - boto3 against what surrounds objects: versions, tags, policies, users, short-lived
keys, cross-origin rules, lifecycle, checksums of multipart uploads, buckets named by the host."""

import base64
import hashlib
import http.client
import json
import socket
import unittest
import urllib.error
import urllib.request
import zlib
from unittest import mock

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from harness import STORE_ALONE, ClientTest, boto


def client(tarn, key, secret, token=None, service="s3", style="path", url=None):
    return boto3.client(service, endpoint_url=url or tarn.s3_url, aws_access_key_id=key,
                        aws_secret_access_key=secret, aws_session_token=token,
                        region_name="eu-west-3",
                        config=Config(s3={"addressing_style": style}, signature_version="s3v4"
                                      if service == "s3" else "v4", retries={"max_attempts": 1}))


def allow(actions, resources, principal=None):
    statement = {"Effect": "Allow", "Action": actions, "Resource": resources}
    if principal:
        statement["Principal"] = principal
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class Around(ClientTest):
    settings = STORE_ALONE | {"s3": {
        "buckets": ["warehouse"],
        "bucket_settings": {"open": {"public": "read"}, "kept": {"versioning": True}},
        "users": {"reader": {"secret_key": "reader-secret", "policy": "readonly",
                             "buckets": ["warehouse"]}}}}

    def setUp(self):
        self.s3 = boto(self.tarn)
        self.bucket = "v" + hashlib.md5(self.id().encode()).hexdigest()[:16]
        self.s3.create_bucket(Bucket=self.bucket)

    def put(self, key, body=b"x", **options):
        return self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **options)

    def body(self, key, **options):
        return self.s3.get_object(Bucket=self.bucket, Key=key, **options)["Body"].read()

    def refused(self, call, **options):
        with self.assertRaises(ClientError) as refused:
            call(**options)
        error = refused.exception.response
        return error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]

    def plain(self, path, method="GET", headers=None):
        try:
            with urllib.request.urlopen(urllib.request.Request(
                    self.tarn.s3_url + path, method=method, headers=headers or {})) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def versioned(self):
        self.s3.put_bucket_versioning(Bucket=self.bucket,
                                      VersioningConfiguration={"Status": "Enabled"})

    def shown(self):
        """(kind, version, latest) of every version, in the order told."""
        told = self.s3.list_object_versions(Bucket=self.bucket)
        return [(kind, item["VersionId"], item["IsLatest"]) for kind in ("Versions", "DeleteMarkers")
                for item in told.get(kind, [])]

    def test_what_is_replaced_or_deleted_comes_back_by_its_version(self):
        self.put("k", b"before")
        self.versioned()
        one = self.put("k", b"one")["VersionId"]
        two = self.put("k", b"two")["VersionId"]
        self.assertEqual([self.body("k", VersionId=v) for v in ("null", one, two)],
                         [b"before", b"one", b"two"])
        gone = self.s3.delete_object(Bucket=self.bucket, Key="k")
        self.assertTrue(gone["DeleteMarker"])
        self.assertEqual(self.refused(self.s3.get_object, Bucket=self.bucket, Key="k"),
                         ("NoSuchKey", 404))
        self.assertEqual(self.refused(self.s3.get_object, Bucket=self.bucket, Key="k",
                                      VersionId=gone["VersionId"]), ("MethodNotAllowed", 405))
        self.assertEqual(self.shown(), [("Versions", two, False), ("Versions", one, False),
                                        ("Versions", "null", False),
                                        ("DeleteMarkers", gone["VersionId"], True)])
        self.assertNotIn("Contents", self.s3.list_objects_v2(Bucket=self.bucket))
        self.assertEqual(self.refused(self.s3.delete_bucket, Bucket=self.bucket)[0],
                         "BucketNotEmpty")
        self.s3.delete_object(Bucket=self.bucket, Key="k", VersionId=gone["VersionId"])
        self.assertEqual(self.body("k"), b"two")
        self.s3.delete_object(Bucket=self.bucket, Key="k", VersionId=two)
        self.assertEqual(self.body("k"), b"one")
        copied = self.s3.copy_object(Bucket=self.bucket, Key="k", CopySource={
            "Bucket": self.bucket, "Key": "k", "VersionId": "null"})
        self.assertEqual((self.body("k"), copied["CopySourceVersionId"]), (b"before", "null"))

    def test_versions_survive_kill_9(self):
        self.versioned()
        ids = [self.put("k", str(i).encode())["VersionId"] for i in range(10)]
        marker = self.s3.delete_object(Bucket=self.bucket, Key="k")["VersionId"]
        self.tarn.kill()
        self.tarn.start()
        self.assertEqual([v for _, v, _ in self.shown()], ids[::-1] + [marker])
        self.assertEqual([self.body("k", VersionId=v) for v in ids],
                         [str(i).encode() for i in range(10)])

    def test_suspended_versioning_keeps_one_null_version(self):
        self.versioned()
        kept = self.put("k", b"kept")["VersionId"]
        self.s3.put_bucket_versioning(Bucket=self.bucket,
                                      VersioningConfiguration={"Status": "Suspended"})
        for text in (b"a", b"b"):
            self.put("k", text)
        self.assertEqual(self.shown(), [("Versions", "null", True), ("Versions", kept, False)])
        self.assertEqual(self.body("k"), b"b")
        self.assertEqual(self.s3.get_bucket_versioning(Bucket=self.bucket)["Status"], "Suspended")

    def test_tags_of_objects_and_buckets(self):
        self.put("k", Tagging="a=1&b=two%20words")
        tags = {"Bucket": self.bucket, "Key": "k"}
        self.assertEqual(self.s3.get_object_tagging(**tags)["TagSet"],
                         [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "two words"}])
        self.assertEqual(self.s3.get_object(**tags)["TagCount"], 2)
        self.s3.put_object_tagging(**tags, Tagging={"TagSet": [{"Key": "c", "Value": ""}]})
        self.s3.copy_object(Bucket=self.bucket, Key="copy", CopySource=tags)
        self.assertEqual(self.s3.get_object_tagging(Bucket=self.bucket, Key="copy")["TagSet"],
                         [{"Key": "c", "Value": ""}])
        self.s3.delete_object_tagging(**tags)
        self.assertEqual(self.s3.get_object_tagging(**tags)["TagSet"], [])
        many = {"TagSet": [{"Key": str(i), "Value": ""} for i in range(11)]}
        self.assertEqual(self.refused(self.s3.put_object_tagging, **tags, Tagging=many)[0],
                         "BadRequest")
        self.s3.put_bucket_tagging(Bucket=self.bucket,
                                   Tagging={"TagSet": [{"Key": "team", "Value": "lake"}]})
        self.assertEqual(self.s3.get_bucket_tagging(Bucket=self.bucket)["TagSet"],
                         [{"Key": "team", "Value": "lake"}])
        self.s3.delete_bucket_tagging(Bucket=self.bucket)
        self.assertEqual(self.refused(self.s3.get_bucket_tagging, Bucket=self.bucket),
                         ("NoSuchTagSet", 404))

    def test_a_policy_lets_everybody_read_and_nobody_write(self):
        self.put("public/k", b"open")
        self.put("secret/k", b"hidden")
        policy = allow("s3:GetObject", f"arn:aws:s3:::{self.bucket}/public/*", "*")
        self.s3.put_bucket_policy(Bucket=self.bucket, Policy=policy)
        self.assertEqual(self.plain(f"/{self.bucket}/public/k"), (200, b"open"))
        self.assertEqual(self.plain(f"/{self.bucket}/secret/k")[0], 403)
        self.assertEqual(self.plain(f"/{self.bucket}")[0], 403)
        self.assertEqual(self.plain(f"/{self.bucket}/public/new", "PUT")[0], 403)
        self.assertEqual(self.s3.get_bucket_policy(Bucket=self.bucket)["Policy"], policy)
        self.s3.delete_bucket_policy(Bucket=self.bucket)
        self.assertEqual(self.plain(f"/{self.bucket}/public/k")[0], 403)
        wrong = allow("s3:GetObject", "arn:aws:s3:::another/*", "*")
        self.assertEqual(self.refused(self.s3.put_bucket_policy, Bucket=self.bucket, Policy=wrong),
                         ("MalformedPolicy", 400))

    def test_users_of_the_project_may_do_what_their_policy_says(self):
        reader = client(self.tarn, "reader", "reader-secret")
        self.s3.put_object(Bucket="warehouse", Key="k", Body=b"v")
        self.assertEqual(reader.get_object(Bucket="warehouse", Key="k")["Body"].read(), b"v")
        self.assertEqual(reader.list_objects_v2(Bucket="warehouse")["KeyCount"], 1)
        for call, options in ((reader.put_object, {"Bucket": "warehouse", "Key": "x"}),
                              (reader.delete_object, {"Bucket": "warehouse", "Key": "k"}),
                              (reader.list_objects_v2, {"Bucket": self.bucket}),
                              (reader.create_bucket, {"Bucket": "another"})):
            self.assertEqual(self.refused(call, **options), ("AccessDenied", 403))
        many = reader.delete_objects(Bucket="warehouse", Delete={"Objects": [{"Key": "k"}]})
        self.assertEqual(many["Errors"][0]["Code"], "AccessDenied")
        self.s3.put_bucket_policy(Bucket=self.bucket, Policy=allow(
            ["s3:PutObject"], f"arn:aws:s3:::{self.bucket}/*",
            {"AWS": "arn:aws:iam::000000000000:user/reader"}))
        reader.put_object(Bucket=self.bucket, Key="by-policy", Body=b"w")

    def test_short_lived_keys_may_do_no_more_than_their_policy(self):
        sts = client(self.tarn, "admin", "password", service="sts")
        self.put("a/k", b"in")
        self.put("b/k", b"out")
        given = sts.assume_role(RoleArn="arn:aws:iam::000000000000:role/any", RoleSessionName="test",
                                DurationSeconds=900, Policy=allow(
                                    ["s3:GetObject", "s3:PutObject"],
                                    f"arn:aws:s3:::{self.bucket}/a/*"))["Credentials"]
        keys = (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        short = client(self.tarn, *keys)
        self.assertEqual(short.get_object(Bucket=self.bucket, Key="a/k")["Body"].read(), b"in")
        short.put_object(Bucket=self.bucket, Key="a/new", Body=b"n")
        for call, options in ((short.get_object, {"Bucket": self.bucket, "Key": "b/k"}),
                              (short.delete_object, {"Bucket": self.bucket, "Key": "a/k"}),
                              (short.copy_object, {"Bucket": self.bucket, "Key": "a/c", "CopySource":
                                                   f"{self.bucket}/b/k"}),
                              (short.list_buckets, {})):
            self.assertEqual(self.refused(call, **options), ("AccessDenied", 403))
        signed = short.generate_presigned_url("get_object", Params={"Bucket": self.bucket,
                                                                    "Key": "a/k"})
        with urllib.request.urlopen(signed) as answer:
            self.assertEqual(answer.read(), b"in")
        forged = client(self.tarn, keys[0], keys[1], keys[2][:-1] + ("0" if keys[2][-1] != "0" else "1"))
        self.assertEqual(self.refused(forged.get_object, Bucket=self.bucket, Key="a/k"),
                         ("InvalidToken", 400))
        self.tarn.kill()  # nothing of it has to be remembered
        self.tarn.start()
        self.assertEqual(short.get_object(Bucket=self.bucket, Key="a/k")["Body"].read(), b"in")
        self.assertEqual(self.refused(client(self.tarn, *keys, service="sts").assume_role,
                                      RoleArn="arn:aws:iam::000000000000:role/any",
                                      RoleSessionName="again")[0], "AccessDenied")

    def test_a_browser_is_told_what_it_may(self):
        self.put("k", b"v")
        self.s3.put_bucket_cors(Bucket=self.bucket, CORSConfiguration={"CORSRules": [{
            "AllowedMethods": ["GET"], "AllowedOrigins": ["http://*.example"],
            "AllowedHeaders": ["x-amz-*"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60}]})
        self.assertEqual(self.s3.get_bucket_cors(Bucket=self.bucket)["CORSRules"][0]["MaxAgeSeconds"],
                         60)

        def ask(origin, method, headers="x-amz-date"):
            connection = http.client.HTTPConnection("127.0.0.1", self.tarn.s3)
            connection.request("OPTIONS", f"/{self.bucket}/k", headers={
                "Origin": origin, "Access-Control-Request-Method": method,
                "Access-Control-Request-Headers": headers})
            answer = connection.getresponse()
            answer.read()
            connection.close()
            return answer.status, answer.headers.get("Access-Control-Allow-Origin")
        self.assertEqual(ask("http://a.example", "GET"), (200, "http://a.example"))
        self.assertEqual(ask("http://a.other", "GET"), (403, None))
        self.assertEqual(ask("http://a.example", "PUT"), (403, None))
        self.assertEqual(ask("http://a.example", "GET", "authorization"), (403, None))
        signed = self.s3.generate_presigned_url("get_object",
                                                Params={"Bucket": self.bucket, "Key": "k"})
        with urllib.request.urlopen(urllib.request.Request(
                signed, headers={"Origin": "http://b.example"})) as answer:
            self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "http://b.example")
            self.assertEqual(answer.headers["Access-Control-Expose-Headers"], "ETag")

    def test_a_lifecycle_is_kept_as_it_was_given(self):
        rules = [{"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "tmp/"},
                  "Expiration": {"Days": 3}},
                 {"ID": "tagged", "Status": "Disabled", "Filter": {"And": {
                     "Prefix": "a/", "Tags": [{"Key": "k", "Value": "v"}]}},
                  "NoncurrentVersionExpiration": {"NoncurrentDays": 7, "NewerNoncurrentVersions": 2},
                  "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}]
        self.s3.put_bucket_lifecycle_configuration(Bucket=self.bucket,
                                                   LifecycleConfiguration={"Rules": rules})
        self.assertEqual(self.s3.get_bucket_lifecycle_configuration(Bucket=self.bucket)["Rules"], rules)
        self.assertEqual(self.refused(
            self.s3.put_bucket_lifecycle_configuration, Bucket=self.bucket,
            LifecycleConfiguration={"Rules": [{"ID": "x", "Status": "Enabled", "Filter": {"Prefix": ""},
                                               "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]}
                                              ]})[0], "NotImplemented")

    def test_parts_keep_their_checksums(self):
        upload = self.s3.create_multipart_upload(Bucket=self.bucket, Key="k", ChecksumAlgorithm="CRC32")
        where = {"Bucket": self.bucket, "Key": "k", "UploadId": upload["UploadId"]}
        sums, done = b"", []
        for number, text in ((1, b"a" * (5 << 20)), (2, b"end")):
            raw = zlib.crc32(text).to_bytes(4, "big")
            sums += raw
            part = self.s3.upload_part(**where, PartNumber=number, Body=text, ChecksumAlgorithm="CRC32")
            self.assertEqual(part["ChecksumCRC32"], base64.b64encode(raw).decode())
            done.append({"PartNumber": number, "ETag": part["ETag"],
                         "ChecksumCRC32": part["ChecksumCRC32"]})
        told = self.s3.list_parts(**where)
        self.assertEqual([p["ChecksumCRC32"] for p in told["Parts"]],
                         [p["ChecksumCRC32"] for p in done])
        wrong = [done[0] | {"ChecksumCRC32": done[1]["ChecksumCRC32"]}, done[1]]
        self.assertEqual(self.refused(self.s3.complete_multipart_upload, **where,
                                      MultipartUpload={"Parts": wrong})[0], "InvalidPart")
        made = self.s3.complete_multipart_upload(**where, MultipartUpload={"Parts": done})
        whole = base64.b64encode(zlib.crc32(sums).to_bytes(4, "big")).decode() + "-2"
        self.assertEqual((made["ChecksumCRC32"], made["ChecksumType"]), (whole, "COMPOSITE"))
        head = self.s3.head_object(Bucket=self.bucket, Key="k", ChecksumMode="ENABLED")
        self.assertEqual(head["ChecksumCRC32"], whole)

    def test_a_host_can_name_the_bucket(self):
        look_up = socket.getaddrinfo
        names = mock.patch("socket.getaddrinfo", lambda host, *args, **options: look_up(
            "127.0.0.1" if host.endswith(".localhost") else host, *args, **options))
        names.start()  # RFC 6761 says so, but not every machine's resolver knows
        self.addCleanup(names.stop)
        virtual = client(self.tarn, "admin", "password", style="virtual",
                         url=f"http://localhost:{self.tarn.s3}")
        virtual.put_object(Bucket=self.bucket, Key="by/host", Body=b"v")
        self.assertEqual(virtual.get_object(Bucket=self.bucket, Key="by/host")["Body"].read(), b"v")
        self.assertEqual(self.body("by/host"), b"v")

    def test_buckets_of_the_project_have_its_settings_after_every_start(self):
        self.s3.put_object(Bucket="open", Key="k", Body=b"everybody")
        self.assertEqual(self.plain("/open/k"), (200, b"everybody"))
        self.assertEqual(self.s3.get_bucket_versioning(Bucket="kept")["Status"], "Enabled")
        told = json.loads(self.tarn.command("bucket", "list", "--json"))
        self.assertEqual([b for b in told if b["bucket"] == "open"],
                         [{"bucket": "open", "versioning": "off", "public": "read", "lifecycle": "no"}])

    def test_the_bucket_command_does_what_a_client_would(self):
        name = "made-" + self.bucket[:10]
        for words in (("create", name), ("versioning", name, "on"), ("policy", name, "readwrite"),
                      ("lifecycle", name, "30")):
            self.tarn.command("bucket", *words)
        self.assertEqual(self.s3.get_bucket_versioning(Bucket=name)["Status"], "Enabled")
        self.assertEqual(self.plain(f"/{name}/k", "PUT")[0], 200)
        rules = self.s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
        self.assertEqual(rules[0]["Expiration"], {"Days": 30})
        done = self.tarn.command("bucket", "remove", name, check=False)
        self.assertEqual((done.returncode, "not empty" in done.stderr), (1, True))
        versions = self.s3.list_object_versions(Bucket=name)["Versions"]
        for version in versions:
            self.s3.delete_object(Bucket=name, Key="k", VersionId=version["VersionId"])
        self.tarn.command("bucket", "remove", name)
        self.assertEqual(self.refused(self.s3.head_bucket, Bucket=name)[1], 404)


if __name__ == "__main__":
    unittest.main()
