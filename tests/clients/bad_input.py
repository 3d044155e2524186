"""bad_input.py - what strangers send: each request is refused with the protocol's own error, by a
program that goes on as before. Both faces, S3 and the REST catalog, over plain sockets where no
client would send such a thing."""

import base64
import datetime
import gzip
import hashlib
import http.client
import json
import os
import socket
import time
import unittest
import urllib.parse
import xml.etree.ElementTree as xml

import botocore
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from harness import ACCESS_KEY, SECRET_KEY, ClientTest, boto, iceberg

SCHEMA = {
    "type": "struct",
    "schema-id": 0,
    "fields": [{"id": 1, "name": "id", "required": False, "type": "long"}],
}


class BadInput(ClientTest):
    settings = {
        "kafka": {"enabled": False},
        "s3": {"buckets": ["bad"]},
        "catalog": {"token_required": True},
    }

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.s3 = boto(cls.tarn)
        cls.s3.put_object(Bucket="bad", Key="good", Body=b"good")
        cls.catalog = iceberg(cls.tarn)
        cls.catalog.create_namespace("ns")
        cls.token = cls.login(b"grant_type=client_credentials&client_id=root&client_secret=secret")[
            1
        ]["access_token"]

    @classmethod
    def login(cls, form):
        status, text = cls.send(
            "POST",
            "/v1/oauth/tokens",
            form,
            {"Content-Type": "application/x-www-form-urlencoded"},
            cls.tarn.catalog,
        )
        return status, json.loads(text or b"null")

    def tearDown(self):
        """Whatever it was, all that was there still is, and memory was not eaten."""
        self.assertEqual(self.s3.get_object(Bucket="bad", Key="good")["Body"].read(), b"good")
        self.assertIn(("ns",), self.catalog.list_namespaces())
        with open(f"/proc/{self.tarn.process.pid}/status") as text:
            (resident,) = [int(line.split()[1]) >> 10 for line in text if line.startswith("VmRSS")]
        self.assertLess(resident, 400)

    # ---- S3 ----

    @classmethod
    def send(cls, method, path, body=b"", headers=None, port=None):
        port = port or cls.tarn.s3
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in (
                {"Host": f"127.0.0.1:{port}", "Content-Length": str(len(body))} | (headers or {})
            ).items():
                connection.putheader(name, value)
            connection.endheaders()
            try:
                connection.send(body)
            except ConnectionError:  # it said no before all was sent
                pass
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def signed(self, method, path, body=b"", headers=None, keys=None, forge=None, when=None):
        """-> status and code of a request with a signature that is good, but for what `forge` does to it."""
        request = AWSRequest(
            method=method, url=self.tarn.s3_url + path, data=body, headers=headers or {}
        )

        class At(S3SigV4Auth):
            def _modify_request_before_signing(self, request):
                if when:
                    request.context["timestamp"] = when.strftime("%Y%m%dT%H%M%SZ")
                super()._modify_request_before_signing(request)

        At(keys or Credentials(ACCESS_KEY, SECRET_KEY), "s3", "us-east-1").add_auth(request)
        sent = dict(request.headers.items())
        if forge:
            forge(sent)
        return self.code(*self.send(method, path, body, sent))

    def code(self, status, text):
        return status, xml.fromstring(text).findtext("Code") if text else None

    def test_forged_signatures_are_refused(self):
        def other_signature(headers):
            text = headers["Authorization"]
            headers["Authorization"] = text[:-1] + ("0" if text[-1] != "0" else "1")

        def fewer_headers(headers):
            headers["Authorization"] = headers["Authorization"].replace(
                "SignedHeaders=host", "SignedHeaders="
            )

        def no_such_key(headers):
            headers["Authorization"] = headers["Authorization"].replace(
                f"Credential={ACCESS_KEY}", "Credential=nobody"
            )

        def other_scope(headers):
            headers["Authorization"] = headers["Authorization"].replace(
                "/s3/aws4_request", "/s3/aws5_request"
            )

        for forge, wanted in (
            (other_signature, {(403, "SignatureDoesNotMatch")}),
            (
                fewer_headers,
                {
                    (403, "SignatureDoesNotMatch"),
                    (400, "AuthorizationHeaderMalformed"),
                    (403, "AccessDenied"),
                },
            ),
            (no_such_key, {(403, "InvalidAccessKeyId")}),
            (other_scope, {(400, "AuthorizationHeaderMalformed"), (403, "SignatureDoesNotMatch")}),
            (
                lambda h: h.update({"X-Amz-Content-SHA256": "0" * 64}),
                {(403, "SignatureDoesNotMatch")},
            ),
            (
                lambda h: h.update({"Authorization": "AWS4-HMAC-SHA256 " + "," * 9000}),
                {(400, "AuthorizationHeaderMalformed"), (431, None)},
            ),
            (
                lambda h: h.update({"Authorization": "AWS admin:c2lnbmF0dXJl"}),
                {(400, "InvalidRequest")},
            ),
        ):
            self.assertIn(self.signed("GET", "/bad/good", forge=forge), wanted)
        self.assertEqual(
            self.signed("GET", "/bad/good", keys=Credentials(ACCESS_KEY, "wrong")),
            (403, "SignatureDoesNotMatch"),
        )

    def test_a_body_that_was_not_signed_is_not_stored(self):
        status, code = self.signed(
            "PUT",
            "/bad/swapped",
            b"what was signed",
            forge=lambda h: h.update(
                {
                    "X-Amz-Content-SHA256": "44c40a4a3a1ffa9ab8e06e3b3ce9b6e7c6ba4cf7c4c51aa3f8c6a1ab5a1e4d3f"
                }
            ),
        )
        self.assertEqual((status, code), (403, "SignatureDoesNotMatch"))
        request = AWSRequest(method="PUT", url=self.tarn.s3_url + "/bad/swapped", data=b"signed")
        request.headers["X-Amz-Content-SHA256"] = hashlib.sha256(b"signed").hexdigest()
        S3SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", "us-east-1").add_auth(request)
        status, text = self.send("PUT", "/bad/swapped", b"change", dict(request.headers.items()))
        self.assertEqual(self.code(status, text), (400, "XAmzContentSHA256Mismatch"))
        with self.assertRaises(botocore.exceptions.ClientError):
            self.s3.get_object(Bucket="bad", Key="swapped")

    def test_what_has_expired_is_refused(self):
        long_ago = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=2)
        self.assertEqual(
            self.signed("GET", "/bad/good", when=long_ago), (403, "RequestTimeTooSkewed")
        )
        url = self.s3.generate_presigned_url(
            "get_object", Params={"Bucket": "bad", "Key": "good"}, ExpiresIn=1
        )
        path = url[len(self.tarn.s3_url) :]
        self.assertEqual(self.send("GET", path)[1], b"good")
        time.sleep(2.1)
        self.assertEqual(self.code(*self.send("GET", path)), (403, "AccessDenied"))
        for seconds in (86400, 604801):  # its life is part of what was signed
            longer = path.replace("X-Amz-Expires=1&", f"X-Amz-Expires={seconds}&")
            self.assertNotEqual(longer, path)
            self.assertIn(
                self.code(*self.send("GET", longer)),
                {(403, "SignatureDoesNotMatch"), (400, "AuthorizationQueryParametersError")},
            )

    def test_a_session_token_is_nobodys_to_change(self):
        policy = json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": "s3:GetObject",
                        "Resource": "arn:aws:s3:::bad/allowed/*",
                    }
                ],
            }
        )
        keys = boto(self.tarn, "sts").assume_role(
            RoleArn="arn:aws:iam::000000000000:role/r", RoleSessionName="session", Policy=policy
        )["Credentials"]
        token = keys["SessionToken"]
        good = Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], token)
        self.assertEqual(self.signed("GET", "/bad/good", keys=good), (403, "AccessDenied"))
        for at in range(0, len(token), max(1, len(token) // 12)):
            forged = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
            status, code = self.signed(
                "GET", "/bad/good", keys=Credentials(good.access_key, good.secret_key, forged)
            )
            self.assertEqual(status // 100, 4, code)
        for forged in ("x", "x" * 5000, base64.b64encode(b'{"policy": "*"}').decode()):
            status, code = self.signed(
                "GET", "/bad/good", keys=Credentials(good.access_key, good.secret_key, forged)
            )
            self.assertEqual(status // 100, 4, code)

    def test_keys_cannot_leave_the_store(self):
        """A key is text: it comes back as it was put, or is refused; no file appears anywhere else."""
        for key in (
            "../escaped",
            "../../escaped",
            "a/../../../escaped",
            "..%2Fescaped",
            "%2e%2e/%2e%2e/escaped",
            "..%5Cescaped",
            "./escaped",
            "a//../escaped",
            "%2Fescaped",
            "a/..",
            "..",
            ".",
            "escaped%00.txt",
            "..%c0%afescaped",
            "%E2%80%AE/escaped",
            "a%0D%0AX-Evil:%201",
        ):
            status, code = self.signed("PUT", "/bad/" + key, b"body")
            self.assertIn(status, (200, 400), (key, code))
            if status == 200:
                got = self.signed_get("/bad/" + key)
                self.assertEqual(got, b"body", key)
                self.assertEqual(self.signed("DELETE", "/bad/" + key)[0], 204, key)
        for bucket in ("..", "%2e%2e", ".tarn", "a%2Fb", "UPPER", "x" * 64, "..%2f..%2fetc"):
            status, code = self.signed("PUT", "/" + bucket)
            self.assertEqual((status // 100, code is not None), (4, True), bucket)
        left = [
            os.path.join(folder, name)
            for folder, _, names in os.walk(self.tarn.dir)
            for name in names
            if "escaped" in name
        ]
        self.assertEqual(left, [])
        self.assertEqual(
            [name for name in os.listdir(os.path.dirname(self.tarn.dir)) if "escaped" in name], []
        )

    def signed_get(self, path):
        request = AWSRequest(method="GET", url=self.tarn.s3_url + path)
        S3SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", "us-east-1").add_auth(request)
        status, text = self.send("GET", path, headers=dict(request.headers.items()))
        self.assertEqual(status, 200, text)
        return text

    def test_xml_is_bounded(self):
        upload = self.s3.create_multipart_upload(Bucket="bad", Key="parts")["UploadId"]
        laughs = (
            b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha">'
            + b"".join(
                b'<!ENTITY a%d "%s">' % (n, b"&a%s;" % (b"%d" % (n - 1) if n else b"") * 10)
                for n in range(9)
            )
            + b"]><Delete><Object><Key>&a8;</Key></Object></Delete>"
        )
        outside = b'<!DOCTYPE d [<!ENTITY f SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&f;</Key></Object></Delete>'
        deep = b"<Delete>" + b"<Object>" * 100000 + b"</Object>" * 100000 + b"</Delete>"
        many = b"<Delete>" + b"<Object><Key>k</Key></Object>" * 1001 + b"</Delete>"
        vast = b"<Delete>" + b"<Object><Key>k</Key></Object>" * 800000 + b"</Delete>"
        parts = (
            b"<CompleteMultipartUpload>"
            + b"<Part><PartNumber>1</PartNumber><ETag>x</ETag></Part>" * 10001
            + b"</CompleteMultipartUpload>"
        )
        for path, body in (
            ("/bad?delete", laughs),
            ("/bad?delete", outside),
            ("/bad?delete", deep),
            ("/bad?delete", many),
            ("/bad?delete", vast),
            ("/bad?delete", b""),
            ("/bad?delete", b"<Delete"),
            ("/bad?delete", b"\xff\xfe<"),
            (f"/bad/parts?uploadId={upload}", parts),
            ("/bad?tagging", laughs),
            ("/bad?lifecycle", deep),
            ("/bad?cors", vast),
            ("/bad?versioning", b"<VersioningConfiguration>" + b"x" * (1 << 20)),
        ):
            digest = base64.b64encode(hashlib.md5(body).digest()).decode()
            status, code = self.signed(
                "POST" if "delete" in path or "upload" in path else "PUT",
                path,
                body,
                {"Content-MD5": digest},
            )
            self.assertIn(
                (status, code),
                {
                    (400, "MalformedXML"),
                    (400, "MissingRequestBodyError"),
                    (400, "EntityTooLarge"),
                    (413, "EntityTooLarge"),
                    (400, "MaxMessageLengthExceeded"),
                    (400, "InvalidPart"),
                    (400, "InvalidPartOrder"),
                },
                (path, body[:60]),
            )
        self.s3.abort_multipart_upload(Bucket="bad", Key="parts", UploadId=upload)

    def test_requests_beyond_the_limits_are_refused(self):
        metadata = {"x-amz-meta-" + "k" * 20: "v" * 2100}
        many_tags = "&".join(f"k{n}=v" for n in range(11))
        for wanted, method, path, headers in (
            ((400, "KeyTooLongError"), "PUT", "/bad/" + "k" * 1025, {}),
            ((400, "MetadataTooLarge"), "PUT", "/bad/k", metadata),
            ((400, "BadRequest"), "PUT", "/bad/k", {"x-amz-tagging": many_tags}),
            ((400, "EntityTooLarge"), "PUT", "/bad/k", {"Content-Length": str(6 << 30)}),
            ((400, "InvalidArgument"), "GET", "/bad?list-type=2&max-keys=-1", {}),
            ((400, "InvalidArgument"), "GET", "/bad?list-type=2&max-keys=99999999999999999999", {}),
            ((400, "InvalidArgument"), "PUT", "/bad/k?partNumber=0&uploadId=x", {}),
            ((400, "InvalidArgument"), "PUT", "/bad/k?partNumber=10001&uploadId=x", {}),
            ((404, "NoSuchUpload"), "PUT", "/bad/k?partNumber=1&uploadId=..%2F..%2Fx", {}),
            ((404, "NoSuchVersion"), "GET", "/bad/good?versionId=..%2F..%2Fx", {}),
            ((416, "InvalidRange"), "GET", "/bad/good?x", {"Range": "bytes=99999999999999-"}),
        ):
            status, code = self.signed_as_sent(method, path, headers)
            if wanted[1] == "NoSuchVersion":
                self.assertIn((status, code), {wanted, (400, "InvalidArgument")})
            else:
                self.assertEqual((status, code), wanted, path[:80])
        for request, wanted in (
            (b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 4"),
            (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 20000 + b"\r\n", b"HTTP/1.1 4"),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b""),
        ):
            self.assertTrue(self.raw(request).startswith(wanted))

    def signed_as_sent(self, method, path, headers):
        """Headers that the signature covers as they are, a Content-Length with no body behind it too."""
        request = AWSRequest(method=method, url=self.tarn.s3_url + path, headers=headers)
        S3SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", "us-east-1").add_auth(request)
        return self.code(*self.send(method, path, headers=dict(request.headers.items())))

    def raw(self, request):
        with socket.create_connection(("127.0.0.1", self.tarn.s3), timeout=15) as plain:
            try:
                plain.sendall(request)
                plain.shutdown(socket.SHUT_WR)
                return plain.recv(65536)
            except ConnectionError:
                return b"HTTP/1.1 4"  # closed while it was still being sent: refused too

    # ---- the REST catalog ----

    def rest(self, method, path, body=None, headers=None):
        """-> status and the error's type"""
        data = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        status, text = self.send(
            method,
            path,
            data,
            {"Content-Type": "application/json", "Authorization": "Bearer " + self.token}
            | (headers or {}),
            self.tarn.catalog,
        )
        try:
            return status, json.loads(text)["error"]["type"]
        except (ValueError, KeyError, TypeError):
            return status, None

    def create(self, name, **more):
        return self.rest(
            "POST", "/v1/namespaces/ns/tables", {"name": name, "schema": SCHEMA} | more
        )

    def test_tables_do_not_share_places(self):
        self.assertEqual(self.create("first", location="s3://warehouse/place/first")[0], 200)
        for place in (
            "s3://warehouse/place/first",
            "s3://warehouse/place/first/",
            "s3://warehouse/place/first/data",
            "s3a://warehouse/place/first/x",
            "s3://warehouse/place/",
            "s3://warehouse/place/first/../first/y",
            "s3://warehouse/place/first//data",
        ):
            status, kind = self.create("second", location=place)
            self.assertIn(
                (status, kind),
                {
                    (400, "BadRequestException"),
                    (409, "AlreadyExistsException"),
                    (403, "ForbiddenException"),
                },
                place,
            )
        for place in (
            "file:///etc",
            "/etc/passwd",
            "s3://",
            "s3:///x",
            "gs://bucket/x",
            "s3://warehouse/../../x",
            "http://host/x",
        ):
            status, kind = self.create("second", location=place)
            self.assertEqual((status, kind), (400, "BadRequestException"), place)
        for key in ("write.data.path", "write.metadata.path", "write.object-storage.path"):
            status, kind = self.create(
                "second", properties={key: "s3://warehouse/place/first/data"}
            )
            self.assertEqual(status // 100, 4, key)
        self.assertEqual(self.create("second", location="s3://warehouse/place/first2")[0], 200)

    def test_metadata_bombs_are_refused(self):
        def register(name, content, suffix=".metadata.json"):
            self.s3.put_object(
                Bucket="warehouse", Key=f"bombs/{name}/metadata/1{suffix}", Body=content
            )
            return self.rest(
                "POST",
                "/v1/namespaces/ns/register",
                {
                    "name": name,
                    "metadata-location": f"s3://warehouse/bombs/{name}/metadata/1{suffix}",
                },
            )

        bombs = {
            "deep": b'{"a":' * 200000 + b"1" + b"}" * 200000,
            "list": b"[" * 1000000,
            "zip": gzip.compress(b"[" + b"0," * (300 << 20 >> 1) + b"0]", 1),
            "empty": b"",
            "other": b'{"format-version": 99}',
            "text": b"not json",
            "huge_number": b'{"format-version": ' + b"9" * 100000 + b"}",
        }
        for name, content in bombs.items():
            status, kind = register(
                name, content, ".gz.metadata.json" if name == "zip" else ".metadata.json"
            )
            self.assertEqual(status // 100, 4, (name, kind))
            self.assertIsNotNone(kind, name)
        for place in (
            "s3://warehouse/bombs/none/metadata/1.metadata.json",
            "file:///etc/passwd",
            "s3://warehouse/../../etc/passwd",
            "http://127.0.0.1:1/x.metadata.json",
        ):
            status, kind = self.rest(
                "POST", "/v1/namespaces/ns/register", {"name": "x", "metadata-location": place}
            )
            self.assertEqual((status // 100, kind is not None), (4, True), place)

    def test_json_is_bounded(self):
        path = "/v1/namespaces/ns/tables"
        fields = [
            {"id": n + 1, "name": f"c{n}", "required": False, "type": "long"} for n in range(200000)
        ]
        kind = "long"
        for number in range(400):
            kind = {
                "type": "list",
                "element-id": 2 + number,
                "element": kind,
                "element-required": False,
            }
        nested = json.dumps(fields[:1])[:-2] + ', "x": ' + "[" * 100000 + "]" * 100000 + "}]"
        for body in (
            b"[" * 1000000,
            b'{"name":' * 100000,
            b"",
            b"null",
            b"[]",
            b'"text"',
            b"\xff\xfe\x00",
            b'{"name": "\x00"}',
            b'{"name": 1, "schema": {}}',
            nested.encode(),
            b" " * (200 << 20),
        ):
            status, said = self.rest("POST", path, body)
            self.assertEqual(status // 100, 4, (body[:40], said))
        for schema in (
            {"type": "struct", "fields": fields},
            {"type": "struct", "fields": [dict(fields[0], type=kind)]},
        ):
            status, said = self.rest("POST", path, {"name": "wide", "schema": schema})
            self.assertIn(status, (400, 413), said)

    def test_names_are_names(self):
        for name in ("", "a\x1fb", "a\x00b", "x" * 5000):
            status, said = self.create(name)
            self.assertEqual((status, said), (400, "BadRequestException"), name[:20])
        for name in ("..", "a/../b", "."):  # names like others, and never folders
            self.assertEqual(self.create(name), (200, None))
            path = "/v1/namespaces/ns/tables/" + urllib.parse.quote(name, safe="")
            status, text = self.send(
                "GET",
                path,
                headers={"Authorization": "Bearer " + self.token},
                port=self.tarn.catalog,
            )
            self.assertNotIn("/..", json.loads(text)["metadata"]["location"])
        for space in (
            [],
            [""],
            ["a" * 5000],
            ["x"] * 1000,
            ["..", ".."],
            ["a\x1fb"],
            [1],
            "text",
            None,
        ):
            status, said = self.rest("POST", "/v1/namespaces", {"namespace": space})
            self.assertIn(
                (status, said),
                {(400, "BadRequestException"), (404, "NoSuchNamespaceException")},
                str(space)[:20],
            )
        for path in (
            "/v1/namespaces/ns/tables/..%2F..%2Fetc",
            "/v1/namespaces/%00/tables",
            "/v1/../../etc/passwd",
            "/v1/namespaces/ns/tables/%ff",
            "/v1/namespaces/" + "n" * 9000,
        ):
            self.assertEqual(self.rest("GET", path)[0] // 100, 4, path[:60])

    def test_tokens_are_nobodys_to_make(self):
        token = self.token
        self.assertEqual(self.rest("GET", "/v1/namespaces")[0], 200)
        forged = [
            token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
            for at in range(len("tarn1-"), len(token), 7)
        ]
        none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
        who = base64.urlsafe_b64encode(b'{"sub":"root","exp":99999999999}').decode().rstrip("=")
        for bad in [*forged, f"{none}.{who}.", "", "x" * 100000, token + "x", token[:-4]]:
            status, kind = self.rest(
                "GET", "/v1/namespaces", headers={"Authorization": "Bearer " + bad}
            )
            self.assertIn((status, kind), {(401, "NotAuthorizedException"), (431, None)}, bad[:40])
        for form in (
            b"grant_type=client_credentials&client_id=root&client_secret=guess",
            b"grant_type=password",
            b"",
            b"&" * 100000,
        ):
            status, answer = self.login(form)
            self.assertIsNone(answer.get("access_token"))
            self.assertIn(status, (400, 401, 413), form[:40])


if __name__ == "__main__":
    unittest.main()
