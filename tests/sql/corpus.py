"""corpus.py - which share of public Flink SQL scripts passes `tarn check`, and why the others do not.

    python tests/sql/corpus.py FOLDER TARN [--list]

The scripts are other people's and are not kept here: corpus.txt names each one by repository, commit and path, and
what has to stand before it. FOLDER holds them under the names that its first column gives: an .sql file as it is, of
an .md file the ```sql blocks, each ended by a semicolon. --list names the files behind each line of the answer.

What is no script of Flink SQL 1.20 is left out by the rules below, which look at the text first, and at the answer
only where Flink would say the same.
"""

import collections
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
FILLED = {"TPS": "1000", "EVENTS_NUM": "1000", "PERSON_PROPORTION": "1", "AUCTION_PROPORTION": "3",
          "BID_PROPORTION": "46", "NEXMARK_TABLE": "datagen"}
# The expression for the one class that a benchmark ships; see functions in tarn.yaml.
FUNCTIONS = {"com.github.nexmark.flink.udf.CountChar": "CHAR_LENGTH($1) - CHAR_LENGTH(REPLACE($1, $2, ''))"}

# Left out by the text, comments taken away and strings emptied; in this order.
NOT_FLINK = [
    ("holes to be filled in: {{ }}, ${ }, <name>, ...", r"\{\{|\{%|\$\{|<[a-z]+[ -][a-z ]+>|\.\.\.|^\s*<[a-z ]+>"),
    ("a shell or a client's screen, not a script", r"^\s*(Flink SQL|mysql|sqlplus|postgres\S*)\s*>|^\s*(#|\$ |\./|pip |cat |docker )|[│┌]|^\+--|^\s*sqlplus"),
    ("another database's SQL", r"(?i)auto_increment|\bengine\s*=|\b(big)?int\(\d+\)|\bserial\b|\b(create|alter)\s+user\b|\bgrant\b|@@|\bexec\b|"
     r"information_schema|search_path|^\s*begin\s*;|\"|\bspool\b|\breplica identity\b|\bdbms_|varchar2"),
    ("Hive's SQL", r"(?i)stored\s+as|tblproperties|row\s+format|partitioned\s+by\s*\(\s*\w+\s+string"),
    ("Confluent Cloud or Flink 2", r"(?i)create\s+(model|connection|agent|tool)\b|ml_predict|\bor\s+alter\b|\bon\s+conflict\s+do\s+deduplicate\b|table\s*\(\s*\w+\s*\(\s*input\s*=>|\binput\s*=>"),
]
# Left out by the answer: Flink refuses these as well.
REFUSED = [
    ("no semicolon between statements", r"found '(CREATE|INSERT|DROP|SET|create|insert)', expected (;|a name of a table|INSERT or END)"),
    ("words that are no statement of Flink's", r"expected a statement|expected TABLE, VIEW, FUNCTION, CATALOG"),
    ("the same table made twice: several scripts in one", r"exists already"),
    ("PRIMARY KEY without NOT ENFORCED", r"needs NOT ENFORCED"),
    ("a reserved word as a name", r"a reserved word is a name only as"),
    ("an option's value of the wrong type", r"takes a whole number"),
]
MISSING = re.compile(r"there is no (?:table|catalog|database) ((?:`[^`]*`\.?)+)")
# Why a script of Flink SQL does not pass.
REASONS = [
    (r"the connector '([\w-]+)' is not built", "connector '{}'"), (r"unknown connector '([\w-]+)'", "connector '{}'"),
    (r"the format '([\w-]+)' is not built", "format '{}'"),
    (r"the catalog type '([\w-]+)'|unknown catalog type '([\w-]+)'", "catalog of type '{}'"),
    (r"not this tarn's catalog", "a catalog that is not this one"),
    (r"not this tarn's broker", "a broker that is not this one"),
    (r"(MATCH_RECOGNIZE|SOURCE_WATERMARK|CURRENT_WATERMARK)", "{}"),
    (r"which does not run here|unknown function", "functions of Java or Python classes"),
    (r"the table function \w+", "functions of Java or Python classes"),
]


def plain(text):
    """Without comments, strings emptied."""
    return re.sub(r"/\*(?!\+).*?\*/|--[^\n]*|('(?:[^']|'')*')", lambda m: "''" if m.group(1) else " ", text, flags=re.S)


def project(folder, text):
    """A project whose ports are those that the script names, so that its topics and catalog are here."""
    ports = sorted({int(p) for p in re.findall(r"bootstrap\.servers'\s*=\s*'[\w.-]+:(\d+)", text)} - {9092})
    lines = ["version: 1", "name: corpus", "functions:"] + ['  %s: "%s"' % f for f in FUNCTIONS.items()]
    if ports:
        lines.append("kafka: {listeners: [%s]}" % ", ".join("{port: %d}" % p for p in ports))
    os.makedirs(os.path.join(folder, "streams"))
    for name, content in (("tarn.yaml", "\n".join(lines) + "\n"), ("streams/x.sql", text)):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as out:
            out.write(content)


def answer(tarn, text):
    with tempfile.TemporaryDirectory() as folder:
        project(folder, text)
        run = subprocess.run([tarn, "check", folder], capture_output=True, text=True, timeout=120, check=False)
    return run.returncode, [re.sub(r"^.*?x\.sql:", "", line) for line in (run.stdout + run.stderr).splitlines()]


def foreign_names(text, lines):
    """Names that were not found and that the script does not make."""
    made = {m.lower() for m in re.findall(r"(?i)\b(?:table|view|catalog|database)\s+(?:if\s+not\s+exists\s+)?([\w.`-]+)", text)
            for m in [m.replace("`", "").split(".")[-1]]}
    names = [name.group(1).replace("`", "").split(".")[-1].lower() for name in map(MISSING.search, lines) if name]
    return [name for name in names if name not in made]


def judge(text, code, lines):
    """("left out" | "passes" | "does not", why)"""
    bare = plain(text)
    for why, pattern in NOT_FLINK:
        if re.search(pattern, bare, re.M):
            return "left out", why
    if code == 0:
        return "passes", ""
    for why, pattern in REFUSED:
        if any(re.search(pattern, line) for line in lines):
            return "left out", why
    if foreign_names(re.sub(r"(?i)\b(insert\s+into|from|join)\s+table\b", " ", bare), lines):
        return "left out", "names tables or catalogs that another script makes"
    for pattern, why in REASONS:
        for line in lines:
            found = re.search(pattern, line)
            if found:
                return "does not", why.format(next((g for g in found.groups() if g), ""))
    return "does not", re.sub(r"^\d+:\d+: ", "", lines[0])


def entries():
    with open(os.path.join(HERE, "corpus.txt"), encoding="utf-8") as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                repository, path, *before = line.split()
                yield repository, path, before


def name_of(repository, path):
    return repository.split("@")[0].replace("/", "+") + "__" + path.replace("/", "_") + ".sql"


def main():
    folder, tarn = sys.argv[1:3]

    def one(entry):
        repository, path, before = entry
        parts = []
        for each in [*before, path]:
            with open(os.path.join(folder, name_of(repository, each)), encoding="utf-8") as script:
                parts.append(script.read().rstrip().rstrip(";") + ";\n" if each in before else script.read())
        text = re.sub(r"\$\{(\w+)\}", lambda m: FILLED.get(m.group(1), m.group(0)), "\n".join(parts))
        return (f"{repository.split('@')[0]} {path}", *judge(text, *answer(tarn, text)))

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        judged = list(pool.map(one, entries()))
    groups = collections.defaultdict(lambda: collections.defaultdict(list))
    for name, verdict, why in judged:
        groups[verdict][why].append(name)
    counts = {verdict: sum(map(len, whys.values())) for verdict, whys in groups.items()}
    flink = len(judged) - counts.get("left out", 0)
    print(f"{len(judged)} files, {flink} are scripts of Flink SQL 1.20: {counts.get('passes', 0)} pass "
          f"({100 * counts.get('passes', 0) / max(flink, 1):.0f} %)")
    for verdict in ("does not", "left out"):
        print(f"\n{verdict}: {counts.get(verdict, 0)}")
        for why, names in sorted(groups[verdict].items(), key=lambda item: -len(item[1])):
            print(f"{len(names):5} {why}")
            if "--list" in sys.argv:
                print("".join(f"        {name}\n" for name in names), end="")


if __name__ == "__main__":
    main()
