"""nexmark.py - what tests and recordings of Nexmark share: events, queries, and how results are compared.

The queries in queries/ are those of github.com/nexmark/nexmark (Apache License 2.0), unchanged. Only where their
results go is replaced: a sink that keeps nothing becomes one that keeps every change. What a query gave is the
multiset of rows that its changes leave behind, one JSON array per row, sorted.
"""

import collections
import datetime
import decimal
import gzip
import hashlib
import json
import os
import random
import re
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
QUERIES = [f"q{number}" for number in range(23)]
EVENTS, RATE, START = 6000, 100, "2025-01-01T00:00:00Z"
WHOLE_ROWS = 3000  # longer results are kept as their number and hash

# What a recording of Flink 1.20 cannot have.
NOT_IN_FLINK = {"q6": "refused: OVER must be ordered by a time attribute",
                "q12": "windows of processing time: no two runs are the same; and its planner fails on the view",
                "q13": "refused: a file is no lookup table"}


def query(name):
    with open(os.path.join(HERE, "queries", f"{name}.sql"), encoding="utf-8") as text:
        return text.read()


def views(table):
    with open(os.path.join(HERE, "queries", "views.sql"), encoding="utf-8") as text:
        return text.read().replace("${NEXMARK_TABLE}", table)


ROWS = {"person": "id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR, state VARCHAR, "
                  "`dateTime` TIMESTAMP(3), extra VARCHAR",
        "auction": "id BIGINT, itemName VARCHAR, description VARCHAR, initialBid BIGINT, reserve BIGINT, "
                   "`dateTime` TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT, extra VARCHAR",
        "bid": "auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, "
               "`dateTime` TIMESTAMP(3), extra VARCHAR"}


def source(options):
    """The benchmark's table over other options."""
    columns = ", ".join(f"{name} ROW<{fields}>" for name, fields in ROWS.items())
    return (f"CREATE TABLE events (event_type INT, {columns}, `dateTime` AS CASE WHEN event_type = 0 THEN "
            "person.`dateTime` WHEN event_type = 1 THEN auction.`dateTime` ELSE bid.`dateTime` END, "
            "WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND) WITH ("
            + ", ".join(f"'{key}' = '{value}'" for key, value in options.items()) + ")")


def into(text, options):
    """The query with its one sink's options replaced."""
    found = re.search(r"(CREATE TABLE nexmark_q\d+ \(.*?\n\))([^;]*?)WITH \(.*?\n\);", text, re.S)
    new = "WITH (" + ", ".join(f"'{key}' = '{value}'" for key, value in options.items()) + ");"
    return text[:found.start()] + found.group(1) + " " + new + text[found.end():]


def statements(text):
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return [each.strip() for each in "\n".join(lines).split(";") if each.strip()]


def make_events(tarn, folder, count=EVENTS, seed=1):
    os.makedirs(f"{folder}/generators", exist_ok=True)
    with open(f"{folder}/generators/nexmark.json", "w", encoding="utf-8") as out:
        json.dump({"name": "nexmark", "rate": f"{RATE}/s", "events": "nexmark"}, out)
    made = subprocess.run([tarn, "generate", "-p", folder, "--count", str(count), "--speed", "max", "--seed", str(seed),
                           "--start-time", START, "-q"], check=True, stdout=subprocess.PIPE)
    return made.stdout.decode().splitlines()


def disorder(lines, seed=1):
    """Each event may come up to 3.5 seconds late: less than the watermark waits."""
    rng = random.Random(seed)
    return [line for _, line in sorted(((at + rng.randrange(int(3.5 * RATE)), at), line)
                                       for at, line in enumerate(lines))]


def plain(value):
    """Times as texts of milliseconds, whole numbers as such: writers spell them in several ways."""
    if isinstance(value, datetime.datetime):
        value = value.isoformat(" ", "milliseconds")
    if isinstance(value, (decimal.Decimal, float)):
        return int(value) if value == int(value) else float(value)
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,3})?Z?", value):
        return (value.rstrip("Z") + ("" if "." in value else ".")).ljust(23, "0")
    return value


class Rows:
    """What is left of changes."""

    def __init__(self):
        self.counts = collections.Counter()
        self.taken_back = 0

    def add(self, row, sign=1):
        key = json.dumps([plain(value) for value in row], ensure_ascii=False, separators=(",", ":"))
        self.counts[key] += sign
        self.taken_back += sign < 0
        if not self.counts[key]:
            del self.counts[key]

    def debezium(self, text):
        change = json.loads(text)
        if change["before"]:
            self.add(list(change["before"].values()), -1)
        if change["after"]:
            self.add(list(change["after"].values()))

    def lines(self):
        assert all(count > 0 for count in self.counts.values()), "taken back more often than given"
        return sorted(key for key, count in self.counts.items() for _ in range(count))


def digest(lines):
    return {"rows": len(lines), "sha256": hashlib.sha256("\n".join(lines).encode()).hexdigest()}


def keep(name, lines):
    os.makedirs(f"{HERE}/expected", exist_ok=True)
    with gzip.GzipFile(f"{HERE}/expected/{name}.json.gz", "wb", mtime=0) as out:
        out.write(json.dumps({**digest(lines), "lines": lines if len(lines) <= WHOLE_ROWS else None}).encode())


def expected(name):
    with gzip.open(f"{HERE}/expected/{name}.json.gz") as text:
        return json.load(text)


def differences(name, lines):
    """Why these rows are not those recorded; [] when they are."""
    want = expected(name)
    if digest(lines) == {key: want[key] for key in ("rows", "sha256")}:
        return []
    if want["lines"] is None:
        return [f"{len(lines)} rows, recorded were {want['rows']}, or the same number of others"]
    have, wanted = collections.Counter(lines), collections.Counter(want["lines"])
    return [f"too many: {each}" for each in (have - wanted)][:5] + [f"missing: {each}" for each in (wanted - have)][:5]
