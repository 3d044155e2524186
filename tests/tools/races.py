"""races.py - what the thread sanitizer reported of a tarn under client tests, without what is not ours.

    python tests/tools/races.py PREFIX     the files PREFIX.PID that TSAN_OPTIONS=log_path=PREFIX wrote

DuckDB and librdkafka are not built for the sanitizer: what orders their threads it does not see. A report
of which one access is made by such a library itself says nothing; one whose accesses are both ours, called by
whomever, is a race. Each is printed once, with how often it was seen. Closing line: "N passed, N failed".
"""

import collections
import glob
import re
import sys

FOREIGN = ("libduckdb", "librdkafka", "libstdc++")


def accesses(report):
    """The first frame behind the sanitizer's own of each of the two stacks."""
    for stack in report.split("\n\n")[:2]:
        frames = [frame for frame in re.findall(r"^    #\d+ (.*)$", stack, re.M) if "libtsan" not in frame]
        yield frames[0] if frames else "?"


def main(prefix):
    foreign, races = 0, collections.defaultdict(list)
    for path in glob.glob(glob.escape(prefix) + ".*"):
        with open(path) as text:
            for report in text.read().split("=" * 18):
                places = list(accesses(report)) if "WARNING: ThreadSanitizer" in report else []
                if any(name in place for place in places for name in FOREIGN):
                    foreign += 1
                elif places:
                    races[tuple(places)].append(report)
    for reports in races.values():
        print(f"seen {len(reports)} times:\n{reports[0]}")
    print(f"{foreign} reports within DuckDB or librdkafka, {len(races)} races of ours")
    print(f"{int(not races)} passed, {len(races)} failed")
    return 1 if races else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
