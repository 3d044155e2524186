"""explain.py - the failures of a run, by their reasons: the table in docs/compatibility.md.

    explain.py build/s3-suite/tarn.tsv [build/s3-suite/minio.tsv]

A second file adds how many of each line the other server fails.
"""

import collections
import re
import sys

# The first line that fits counts: (what it is, pattern of "NAME reason").
REASONS = [
    ("users made by versitygw's own admin command or IAM",
     r"\./versitygw|^\S*_iam_|^GetBucketPolicyStatus_success"),
    ("object lock: retention, legal hold, WORM",
     r"^\S*(WORM|etention|egal_?[hH]old|LegalHold|bject_?[lL]ock|retain_until|bucket_lock|_locked)"),
    ("uploads by HTML form", r"^PostObject"),
    ("access control lists: there is one owner",
     r"^\S*([aA]cl)|AccessControlListNotSupported"),
    ("static websites", r"^\S*[wW]ebsite"),
    ("a CRC64NVME of ours where the client sends no checksum, or as the ETag",
     r"crc64nvme|CRC64NVME-|default_checksum|data_integrity_etag|expected non nil|"
     r"should_calculate|no_checksum_with|no_trailer"),
    ("what the suite's server does not have and this one does, or the other way round",
     r"_not_implemented"),
    ("limits of the suite's server: folders as objects, names of 255 bytes, slashes",
     r"dir_obj|file_obj|name_too_long|with_slashes|object_names|directory_success|dir_with_range|"
     r"_same_(dir|file)_object|DirectoryObject"),
    ("any region is taken", r"incorrect_region"),
    ("tags, owner and place in the body of CreateBucket", r"^CreateBucket"),
    ("checksums of parts that came without one, their errors",
     r"^\S*[cC]hecksum|^UploadPart|^CompleteMultipart|^CopyObject_to_itself"),
    ("streamed bodies: another code for what is malformed", r"^(Uns|S)ignedStreamin"),
    ("policies: a principal, action or condition that AWS would not take is taken",
     r"^PutBucketPolicy"),
    ("wording, further elements of an error, order of checks", r""),
]


def read(path):
    with open(path, encoding="utf-8") as text:
        return [line.rstrip("\n").split("\t") for line in text]


def reason(name, why):
    return next(what for what, pattern in REASONS if re.search(pattern, f"{name} {why}"))


def main():
    runs = [read(path) for path in sys.argv[1:]]
    other = {row[0] for row in runs[1] if row[1] != "pass"} if len(runs) > 1 else set()
    failed = collections.defaultdict(list)
    for name, verdict, why in runs[0]:
        if verdict != "pass":
            failed[reason(name, why)].append(name)
    for run, path in zip(runs, sys.argv[1:]):
        print(f"{path}: {sum(row[1] == 'pass' for row in run)} passed, "
              f"{sum(row[1] != 'pass' for row in run)} failed")
    for what, _ in REASONS:
        names = failed[what]
        if names:
            also = f" | {len(other & set(names))}" if other else ""
            print(f"| {what} | {len(names)}{also} |")


if __name__ == "__main__":
    main()
