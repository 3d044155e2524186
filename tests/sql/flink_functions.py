"""flink_functions.py - how many of the functions that Flink's documentation lists are built.

    python tests/sql/flink_functions.py PAGE [NAMES]

PAGE is "System (Built-in) Functions" as markdown; nothing of it is kept here. NAMES are the functions of the version
that is meant, one a line, as SHOW FUNCTIONS of its SQL client has them: a page may be of a later one, and what only that
one has is counted apart. What is built is read from src/sql/functions.def; what the parser knows as a form of its own
is in FORMS.
"""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Signatures that are no call NAME(...): the words in them that tell which operator they are.
FORMS = ["NOT BETWEEN", "BETWEEN", "NOT LIKE", "LIKE", "NOT SIMILAR TO", "SIMILAR TO", "NOT IN", "IN (", "IN(", "EXISTS",
         "IS NOT NULL", "IS NULL", "IS NOT DISTINCT FROM", "IS DISTINCT FROM", "IS NOT FALSE", "IS FALSE", "IS NOT TRUE",
         "IS TRUE", "IS NOT UNKNOWN", "IS UNKNOWN", " OR ", " AND ", "NOT ", "CASE ", "DATE ", "TIME ", "TIMESTAMP ",
         "INTERVAL ", "||", "<=", ">=", "<>", "<", ">", "=", "+", "-", "*", "/", "%", "compositeType", "array '[' ", "map '[' ",
         "(value1, [", "OVERLAPS", "IS JSON"]
CALLS = ["CAST", "TRY_CAST", "EXISTS"]  # that are nodes of the tree, and no lines of functions.def


def names_of(signature):
    """UPPER(string): {"UPPER"}; two spellings of one function are one."""
    call = re.match(r"\s*([A-Z_][A-Z0-9_]*)\s*(\(|$)", signature)
    return call.group(1) if call else None


def rows(page):
    page = page.split("## Time Interval and Point Unit")[0]  # behind it are words, not functions
    for line in page.replace("\u2018", "'").replace("\u2019", "'").splitlines():
        cells = re.split(r"(?<!\\)\|", line)
        if line.startswith("|") and len(cells) > 3 and "---" not in cells[1] and "SQL Function" not in cells[1]:
            if cells[1].strip().startswith("CASE"):
                cells[1] = cells[1].replace("<br>", " ")
            cell = re.sub(r"\\([_\[\]*|`<>-])", r"\1", cells[1])
            for signature in re.split(r"<br>", cell):
                signature = signature.strip(" `\\")
                if signature and signature != "N/A":
                    yield signature


def main():
    with open(os.path.join(ROOT, "src/sql/functions.def"), encoding="utf-8") as table:
        text = table.read()
    built = set(re.findall(r'^FUNCTION\("([^"]+)"', text, re.M))
    known = None
    if len(sys.argv) > 2:
        with open(sys.argv[2], encoding="utf-8") as names:
            known = {line.split()[0].upper() for line in names if line.strip()}
    with open(sys.argv[1], encoding="utf-8") as page:
        listed = list(dict.fromkeys(rows(page.read())))
    done, not_done, later = [], [], []
    for signature in listed:
        name = names_of(signature)
        if name in built or name in CALLS or (name is None and any(f in signature + " " for f in FORMS)):
            done.append(signature)
        elif known is not None and name and name not in known:
            later.append(signature)
        else:
            not_done.append(signature)
    asked = len(done) + len(not_done)
    print(f"{asked} signatures are listed, {len(done)} are built ({100 * len(done) / max(asked, 1):.1f} %)")
    for title, some in (("not built", not_done), ("of a later version", later)):
        print(f"\n{title}: {len(some)}" + "".join(f"\n    {s}" for s in some))


if __name__ == "__main__":
    main()
