"""flink_docs.py - which of the examples of Flink's SQL documentation pass `tarn check`, and why the others do not.

    python tests/sql/flink_docs.py FOLDER TARN [--list]

FOLDER holds the pages as markdown (docs/content/docs/dev/table/sql of Flink's sources); nothing of them is kept here.
Each ```sql block is an example. Of a client's screen the statements are taken; options that a page leaves out, as in
WITH (...), are filled in; tables that no example makes are those of flink_docs.sql, or of an earlier example of the
page. A query is checked as a stream's: as the source of a table (CREATE TABLE ... AS). Left out are lines of grammar,
parts of statements, what Flink 1.20 does not have, and what it refuses itself.
"""

import collections
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
KAFKA = {"connector": "kafka", "topic": "t", "properties.bootstrap.servers": "localhost:9092", "format": "json"}
FILES = {"connector": "filesystem", "path": "files", "format": "csv"}

LEFT_OUT = [
    ("grammar", r"\[\s*,?\s*[A-Za-z<'(]+[^\]']*\]|\{\s*<?[A-Z]|^\s*<\w+>:?|\b\w+_definition\b|^\w+:$|\[ ?[A-Z]|<\w+>|\(key1=|\(expression"),
    ("a part of a statement", r"SELECT select_list|\A\s*(--[^\n]*\n\s*)*(RANGE|ROWS|LOOKUP|ON|\d\.|hintName|SELECT select_list|\w+:|NTILE)|\bSELECT\s+\.\.\.|select \.\.\.|\A\s*\.\.\."),
    ("rows, not statements", r"\A\s*(\(changelog kind\)|update_time|=====|\d\d:\d\d>)"),
    ("Flink 2", r"(?i)\bMODEL\b|ML_PREDICT|VECTOR_SEARCH|\bVARIANT\b|\bCONNECTION\b|AS SELECT id, price, quantity, order_time FROM source_table|"
     r"DISTRIBUTED BY \(id\) INTO 4 buckets\s+AS|MATERIALIZED|FROM_CHANGELOG|TO_CHANGELOG"),
    ("Flink refuses it as well", r"DROP PARTITION \(`id` = 1\), PARTITION|ADD DISTRIBUTION BY \(uid\);|PRODUCT EXISTS|product EXISTS|SELECT \*\s+FROM \(VALUES\('order_1'\)\), UNNEST|AS OF T\.proctime AS D ON|'connector' = 'values'|"
     r"SELECT user,|\(user STRING, cnt|\buser\s+(STRING|BIGINT)|,\s*\n\s*\) WITH|FROM `values|^\) PARTITIONED BY[^\n]*\n\) |WHERE \.\.\.;|\(date='2019"),
]
# The answers of the machine to what a page calls something other.
REASONS = [
    (r"the connector '([\w.-]+)' is not built", "connector '{}'"), (r"the format '([\w-]+)' is not built", "format '{}'"),
    (r"the catalog type '([\w-]+)'|unknown catalog type '([\w-]+)'", "catalog of type '{}'"),
    (r"which does not run here|unknown function|the table function \w+", "functions of Java classes"),
    (r"(\S+(?: \S+)?) is not for a script of jobs", "{} is for `tarn sql`, not for a script of jobs"),
]


def bare(text):
    """Without comments, strings emptied."""
    return re.sub(r"/\*(?!\+).*?\*/|--[^\n]*|('(?:[^']|'')*')", lambda m: "''" if m.group(1) else " ", text, flags=re.S)


def blocks(page):
    for block in re.findall(r"(?ms)^[ \t]*```(?:sql|SQL|Sql)\s*\n(.*?)^[ \t]*```", page):
        yield typed(block) if "SQL>" in block else untyped(block)


def untyped(block):
    """Without results: boxes, and rows under a line of =; and with the semicolons that were left out."""
    block = re.sub(r"(?ms)^\+-[-+]+\+\s*$.*?(?=^\s*$|^\d+ rows? in set;?\s*$|\Z)", "", block)
    block = re.sub(r"(?m)^(\d+ rows? in set;?|OK|ok)\s*$", "", block)
    block = re.sub(r"(?ms)^[^\n;]*\n=+ [= ]*\n.*?(?=^\s*$|\Z)", "", block)
    block = re.sub(r"(?m)^> ", "", block)
    block = re.sub(r"\)\.\s*$", ")", block)
    block = re.sub(r"(?ms)^(\s*CREATE[^;]*?\(\n)\s*\.\.\.\n", r"\1", block)
    return re.sub(r"(?m)(?<!\bAS)([^;\s])(?<!\bAS)\s*\n((?:\s*--[^\n]*\n|\s*\n)+)(?=(?:SELECT|CREATE|INSERT|EXECUTE|WITH \w+ AS)\b)", r"\1;\n\2", block)


def typed(screen):
    """The statements of a client's screen."""
    lines, statement = [], False
    for line in screen.splitlines():
        if re.match(r"Flink SQL>", line):
            statement, line = True, re.sub(r"^Flink SQL> ?", "", line)
        if statement:
            lines.append(re.sub(r"^> ?", "", line))
            statement = not line.rstrip().endswith(";")
    return "\n".join(lines) + "\n"


def statements(text):
    out, start = [], 0
    for end in re.finditer(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/|(;)|(?i:\bBEGIN\b.*?\bEND\b)", text, re.S):
        if end.group(1):
            out.append(text[start:end.start()])
            start = end.end()
    return [s.strip() for s in [*out, text[start:]] if bare(s).strip()]


def options_of(text):
    given = {key: value for key, value in re.findall(r"'([^']+)'\s*=\s*'([^']*)'", text) if value != "..."}
    base = {"kafka": KAFKA, "filesystem": FILES}.get(given.get("connector", "kafka"), {})
    if "value.format" in given:
        base = {k: v for k, v in base.items() if k != "format"}
    return ", ".join(f"'{key}' = '{value}'" for key, value in {**base, **given}.items())


def filled(statement):
    """CREATE TABLE with the options that a page leaves out."""
    statement = re.sub(r"(?i)(CREATE\s+CATALOG\s+\w+\s+WITH\s*)\(\.\.\.\)", r"\1('type' = 'generic_in_memory')", statement)
    statement = re.sub(r"(?i)(CREATE\s+DATABASE\s+\w+)\s+WITH\s*\(\.\.\.\)", r"\1", statement)
    statement = re.sub(r"(?i)(CREATE\s+FUNCTION\s+\w+\s+AS\s+)\.\.\.", r"\1'com.example.Function'", statement)
    statement = re.sub(r"(?i)(CREATE\s+TABLE\s+\w+\s*)\(\.\.\.\)", r"\1(id INT, f1 INT)", statement)
    if not re.match(r"(?i)\s*(CREATE\s+(TEMPORARY\s+)?TABLE|REPLACE\s+TABLE)\b", bare(statement)):
        return statement
    statement = re.sub(r"/\* \.\.\. \*/", "...", statement)
    found = re.search(r"(?is)\bWITH\s*\(((?:'[^']*'|--[^\n]*|[^)'])*)\)", statement)
    if found:
        return statement[:found.start()] + "WITH (" + options_of(re.sub(r"--[^\n]*", "", found.group(1))) + ")" + statement[found.end():]
    if re.search(r"(?i)\bLIKE\b", bare(statement)):
        return statement
    query = re.search(r"(?is)\bAS\s+SELECT\b", statement)
    at = query.start() if query else len(statement)
    return statement[:at] + " WITH (" + options_of("") + ") " + statement[at:]


def names_made(text):
    return {n.replace("`", "").split(".")[-1] for n in
            re.findall(r"(?i)\b(?:CREATE|REPLACE)\s+(?:TEMPORARY\s+)?(?:TABLE|VIEW|CATALOG)\s+(?:IF\s+NOT\s+EXISTS\s+)?([\w.`]+)", bare(text))}


def presupposed():
    """[{name: statement}]: the first of each name, then one such world for every other statement of a name."""
    first, others = {}, []
    with open(os.path.join(HERE, "flink_docs.sql"), encoding="utf-8") as script:
        for statement in statements(script.read()):
            for name in names_made(statement):
                if name in first:
                    others.append({name: filled(statement)})
                else:
                    first[name] = filled(statement)
    return [first, *others]


def script_of(block, tables):
    """The example behind the tables that it names and does not make."""
    own, parts = names_made(block), []
    for number, statement in enumerate(statements(block)):
        if re.match(r"(?is)\s*\(*\s*(SELECT|WITH|VALUES)\b", bare(statement)):
            statement = f"CREATE TABLE `result_{number}` WITH ('connector' = 'print') AS {statement}"
        parts.append(filled(statement))
    text = bare(block)
    dropped = set(re.findall(r"(?i)\A\s*DROP\s+TABLE\s+(\w+)", text))
    before, wanted = [], [n for n in tables if (n not in own or n in dropped) and re.search(rf"\b{re.escape(n)}\b", text)]
    for name in wanted:
        for base in [n for n in tables if n != name and n not in wanted and re.search(rf"\b{re.escape(n)}\b", bare(tables[name]))]:
            before.append(tables[base])
        before.append(tables[name])
    return ";\n".join(dict.fromkeys(before + parts)) + ";\n"


def answer(tarn, text):
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(os.path.join(folder, "streams"))
        for name, content in (("tarn.yaml", "version: 1\nname: docs\n"), ("streams/x.sql", text)):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as out:
                out.write(content)
        run = subprocess.run([tarn, "check", folder], capture_output=True, text=True, timeout=120, check=False)
    return run.returncode, [re.sub(r"^.*?x\.sql:", "", line) for line in (run.stdout + run.stderr).splitlines()]


def judge_in_worlds(tarn, block, tables):
    """As the page has it so far; an example of a table that was told otherwise before may need another one."""
    first, *others = presupposed()
    verdict = judge(tarn, block, tables)
    for other in others:
        (name, statement), = other.items()
        if verdict[0] == "does not" and re.search(rf"\b{name}\b", bare(block)) and tables.get(name) == first[name]:
            verdict = judge(tarn, block, {**tables, name: statement})
    return verdict


def judge(tarn, block, tables):
    for why, pattern in LEFT_OUT:
        if re.search(pattern, bare(block) if why == "grammar" else block, re.M):
            return "left out", why, ""
    made = [n for s in statements(block) for n in names_made(s)]
    parts = [block] if len(set(made)) == len(made) or re.search(r"(?i)\bDROP TABLE\b", block) else statements(block)
    for script in [script_of(part, tables) for part in parts]:
        code, lines = answer(tarn, script)
        if code:
            break
    if code == 0:
        return "passes", "", script
    for pattern, why in REASONS:
        for line in lines:
            found = re.search(pattern, line)
            if found:
                return "does not", why.format(next((g for g in found.groups() if g), "")), script + "\n".join(lines)
    return "does not", re.sub(r"^\d+:\d+: ", "", (lines or [f"status {code}"])[0]), script + "\n".join(lines)


def main():
    folder, tarn = sys.argv[1:3]
    examples = []
    for page in sorted(os.listdir(folder)):
        tables = dict(presupposed()[0])
        with open(os.path.join(folder, page), encoding="utf-8") as text:
            for block in blocks(text.read()):
                examples.append((page, block, dict(tables)))
                tables.update({n: filled(s) for s in statements(block) for n in names_made(s)
                               if not any(re.search(p, bare(block) if w == "grammar" else block, re.M) for w, p in LEFT_OUT)})
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        judged = list(pool.map(lambda e: (e[0], *judge_in_worlds(tarn, e[1], e[2])), examples))
    groups = collections.defaultdict(lambda: collections.defaultdict(list))
    for page, verdict, why, text in judged:
        groups[verdict][why].append((page, text))
    counts = {verdict: sum(map(len, whys.values())) for verdict, whys in groups.items()}
    asked = len(judged) - counts.get("left out", 0)
    print(f"{len(judged)} examples, {asked} are statements of Flink SQL 1.20: {counts.get('passes', 0)} pass "
          f"({100 * counts.get('passes', 0) / max(asked, 1):.0f} %)")
    for verdict in ("does not", "left out"):
        print(f"\n{verdict}: {counts.get(verdict, 0)}")
        for why, found in sorted(groups[verdict].items(), key=lambda item: -len(item[1])):
            print(f"{len(found):5} {why}")
            if "--list" in sys.argv:
                print("".join(f"        {page}\n{text}\n" for page, text in found), end="")


if __name__ == "__main__":
    main()
