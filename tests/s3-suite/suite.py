"""suite.py - a public S3 conformance suite against an endpoint, test by test.

The suite is the client side of versitygw ("versitygw test NAME"), whose tests speak through AWS's Go
SDK and compare answers, codes and often whole sentences with AWS's. Each test is a process of its
own, so that one which crashes ends alone; buckets that a failed test left are removed before the
next one, because every test calls its buckets by the same names.

    suite.py --program versitygw --endpoint URL --access KEY --secret SECRET [--out FILE]
             [--fresh COMMAND] [REGEX]

Tests of object locks may leave what nobody may delete, and would be in the way of each other:
--fresh names a command that gives the endpoint an empty store, run before each of them.

Left out, because they drive something else than S3: versitygw's own IAM and admin interface (IAM*,
S3IAM*, AccessControl_*, which create users through its admin command) and the website port.
"""

import argparse
import collections
import os
import re
import subprocess

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

OTHER = re.compile(r"IAM|S3IAM|AccessControl_|WebsiteHosting")
LOCKS = re.compile(r"WORM|etention|egal|ock")  # may leave what nobody may delete: last


def clean(s3):
    """Removes every bucket; what is held is left."""
    for bucket in s3.list_buckets().get("Buckets", []):
        name = bucket["Name"]
        try:
            for upload in s3.list_multipart_uploads(Bucket=name).get("Uploads", []):
                s3.abort_multipart_upload(Bucket=name, Key=upload["Key"],
                                          UploadId=upload["UploadId"])
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
                for item in page.get("Versions", []) + page.get("DeleteMarkers", []):
                    s3.delete_object(Bucket=name, Key=item["Key"], VersionId=item["VersionId"],
                                     BypassGovernanceRetention=True)
            s3.delete_bucket(Bucket=name)
        except (ClientError, BotoCoreError) as error:
            print(f"bucket {name} is left: {error}", flush=True)


def run_one(args, env, name):
    command = [args.program, "test", "-a", args.access, "-s", args.secret, "-e", args.endpoint,
               name, "--versioning-enabled"]
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=180)
    except subprocess.TimeoutExpired:
        return "fail", "no end after 180 s"
    text = re.sub(r"\x1b\[\d+m", "", done.stdout + done.stderr)
    found = re.search(r"FAIL\s+\S+?: (.*)", text) or re.search(r"(panic: .*)", text)
    if found or "PASS" not in text:
        return "fail", found.group(1) if found else text.strip().replace("\n", " ")[-300:]
    return "pass", ""


def main():
    parser = argparse.ArgumentParser()
    for name in ("program", "endpoint", "access", "secret"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--out")
    parser.add_argument("--fresh")
    parser.add_argument("pattern", nargs="?", default=".")
    args = parser.parse_args()
    env = {key: value for key, value in os.environ.items() if key != "AWS_CA_BUNDLE"}
    s3 = boto3.client("s3", endpoint_url=args.endpoint, aws_access_key_id=args.access,
                      aws_secret_access_key=args.secret, region_name="us-east-1",
                      config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}))
    listed = subprocess.run([args.program, "test", "--help"], env=env, capture_output=True,
                            text=True).stdout
    names = sorted(set(re.findall(r"^ +(\w+_\w+) +Runs ", listed, re.M)),
                   key=lambda name: (bool(LOCKS.search(name)), name))
    names = [name for name in names if not OTHER.match(name) and re.search(args.pattern, name)]
    rows = []
    for name in names:
        if args.fresh and LOCKS.search(name):
            subprocess.run(args.fresh, shell=True, check=True)
        clean(s3)
        rows.append((name, *run_one(args, env, name)))
        if rows[-1][1] != "pass" and not args.out:
            print(f"{rows[-1][0]}: {rows[-1][2][:300]}", flush=True)
    clean(s3)
    if args.out:
        with open(args.out, "w", encoding="utf-8") as out:
            out.writelines("\t".join(row) + "\n" for row in sorted(rows))
    counts = collections.Counter(row[1] for row in rows)
    print(f"{counts['pass']} passed, {counts['fail']} failed")


if __name__ == "__main__":
    main()
