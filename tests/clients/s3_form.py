"""s3_form.py - uploads by HTML form: what boto3 signs, curl and requests send as a browser does."""

import os
import subprocess
import unittest
import urllib.parse

import boto3
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from harness import STORE_ALONE, ClientTest, boto

MB = 1 << 20


class Forms(ClientTest):
    settings = STORE_ALONE | {"s3": {"buckets": ["forms"]}}

    def setUp(self):
        self.s3 = boto(self.tarn)

    def signed(self, key, fields=None, conditions=None, seconds=600):
        """-> address, fields. boto3 adds to the conditions that it is given."""
        made = self.s3.generate_presigned_post("forms", key, Fields=fields, Conditions=conditions and list(conditions),
                                               ExpiresIn=seconds)
        return made["url"], made["fields"]

    def send(self, signed, body=b"body", name="file.bin", **more):
        address, fields = signed
        return requests.post(address, data={**fields, **more}, files={"file": (name, body)}, allow_redirects=False)

    def refused(self, answer, status, text):
        self.assertEqual(answer.status_code, status, answer.text)
        self.assertIn(text, answer.text)

    def test_a_signed_form_uploads_with_what_its_fields_say(self):
        fields = {"Content-Type": "image/png", "x-amz-meta-who": "me", "Cache-Control": "no-cache",
                  "tagging": "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"}
        conditions = [{name: value} for name, value in fields.items()] + [["content-length-range", 1, 4 * MB]]
        body = os.urandom(3 * MB)
        answer = self.send(self.signed("pictures/${filename}", fields, conditions), body, "me & you.png")
        self.assertEqual((answer.status_code, answer.text), (204, ""))
        self.assertEqual(urllib.parse.unquote(answer.headers["Location"]),
                         f"{self.tarn.s3_url}/forms/pictures/me & you.png")
        got = self.s3.get_object(Bucket="forms", Key="pictures/me & you.png")
        self.assertEqual(got["Body"].read(), body)
        self.assertEqual((got["ContentType"], got["Metadata"], got["CacheControl"], got["ETag"], got["TagCount"]),
                         ("image/png", {"who": "me"}, "no-cache", answer.headers["ETag"], 1))

    def test_the_policy_holds_what_it_says(self):
        limit = [["content-length-range", 2, 1000]]
        self.refused(self.send(self.signed("big", None, limit), b"x" * 1001), 400, "EntityTooLarge")
        self.refused(self.send(self.signed("big", None, limit), b"x" * MB), 400, "EntityTooLarge")
        self.refused(self.send(self.signed("small", None, limit), b"x"), 400, "EntityTooSmall")
        self.assertEqual(self.send(self.signed("right", None, limit), b"x" * 1000).status_code, 204)
        mine = [["starts-with", "$key", "mine/"]]
        self.assertEqual(self.send(self.signed("mine/${filename}", None, mine)).status_code, 204)
        self.refused(self.send(self.signed("mine/a", None, mine), key="yours/a"), 403, "Policy Condition failed")
        self.refused(self.send(self.signed("a"), **{"Content-Type": "text/html"}), 403, "Extra input fields: content-type")
        self.refused(self.send(self.signed("a", seconds=-10)), 403, "Policy expired")
        for key in ("big", "small", "yours/a", "a"):
            with self.assertRaises(ClientError):
                self.s3.head_object(Bucket="forms", Key=key)

    def test_only_who_may_put_may_sign(self):
        address, fields = self.signed("a")
        self.refused(self.send((address, fields | {"x-amz-signature": "0" * 64})), 403, "SignatureDoesNotMatch")
        self.refused(self.send((address, fields | {"policy": fields["policy"][:-4]})), 403, "SignatureDoesNotMatch")
        self.refused(self.send((address, {"key": "a"})), 403, "AccessDenied")
        self.refused(self.send((address, {k: v for k, v in fields.items() if k != "policy"})), 400, "policy")
        elsewhere = address.replace("/forms", "/nosuch")
        self.refused(self.send((elsewhere, fields)), 403, "Policy Condition failed")
        role = boto(self.tarn, "sts").assume_role(
            RoleArn="arn:aws:iam::000000000000:role/r", RoleSessionName="session",
            Policy='{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:PutObject", '
                   '"Resource": "arn:aws:s3:::forms/role/*"}]}')["Credentials"]
        session = boto3.client("s3", endpoint_url=self.tarn.s3_url, region_name="us-east-1",
                               aws_access_key_id=role["AccessKeyId"], aws_secret_access_key=role["SecretAccessKey"],
                               aws_session_token=role["SessionToken"],
                               config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"))
        for key, status in (("role/a", 204), ("other/a", 403)):
            made = session.generate_presigned_post("forms", key)
            self.assertEqual(self.send((made["url"], made["fields"])).status_code, status, key)

    def test_the_form_says_what_the_browser_gets(self):
        status = {"success_action_status": "201"}
        answer = self.send(self.signed("created", status, [status]))
        self.assertEqual(answer.status_code, 201)
        self.assertIn("<Key>created</Key>", answer.text)
        to = {"success_action_redirect": "http://example.com/done?a=1"}
        answer = self.send(self.signed("sent on", to, [to]))
        self.assertEqual(answer.status_code, 303)
        where = urllib.parse.urlparse(answer.headers["Location"])
        self.assertEqual(urllib.parse.parse_qs(where.query),
                         {"a": ["1"], "bucket": ["forms"], "key": ["sent on"],
                          "etag": ['"841a2d689ad86bd1611447453c22c6fc"']})

    def test_curl_sends_a_form_into_an_open_bucket(self):
        self.s3.create_bucket(Bucket="open")
        self.s3.put_bucket_policy(Bucket="open", Policy='{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", '
                                  '"Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::open/*"}]}')
        done = subprocess.run(["curl", "-s", "-w", "%{http_code}", "-F", "key=by/curl", "-F", "file=@-;filename=f",
                               "-F", "submit=ignored", f"{self.tarn.s3_url}/open"],
                              input=b"from curl", capture_output=True, check=True)
        self.assertEqual(done.stdout, b"204")
        self.assertEqual(self.s3.get_object(Bucket="open", Key="by/curl")["Body"].read(), b"from curl")

    def test_what_is_no_form_is_refused(self):
        address = f"{self.tarn.s3_url}/forms"
        self.refused(requests.post(address, data=b"x", headers={"Content-Type": "text/plain"}), 412, "multipart/form-data")
        self.refused(requests.post(address, data=b"x", headers={"Content-Type": "multipart/form-data"}), 400,
                     "MalformedPOSTRequest")
        head = {"Content-Type": "multipart/form-data; boundary=b"}
        self.refused(requests.post(address, data=b"--b--", headers=head), 400, "exactly one file")
        many = b"".join(b'--b\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nx\r\n' % n for n in range(200))
        self.refused(requests.post(address, data=many + b"--b--", headers=head), 400, "too many fields")
        long = b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\n' + b"x" * 30000 + b"\r\n--b--"
        self.refused(requests.post(address, data=long, headers=head), 400, "MaxPostPreDataLengthExceeded")
        address, fields = self.signed("cut")
        parts = "".join(f'--b\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items())
        cut = parts + '--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nhalf a bo'
        self.refused(requests.post(address, data=cut.encode(), headers=head), 400, "IncompleteBody")


if __name__ == "__main__":
    unittest.main()
