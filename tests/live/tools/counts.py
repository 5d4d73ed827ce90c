#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""counts.py REPORT OUTPUT [loose]: the report (of "trapline report --json") has exactly the calls that the program
counted
itself in its lines "count NAME N", nothing lost, and times that fit together. With "loose" (coroutines) times are
not looked at. Called by the tests of this folder."""
import json
import re
import sys


def wanted_counts(path):
    counts = {}
    for line in open(path, errors="replace"):
        word = line.split()
        if len(word) == 3 and word[0] == "count":
            counts[word[1]] = counts.get(word[1], 0) + int(word[2])
    return counts


def plain_name(row):
    """A C++ name without its argument list: 'f(int, int)' is 'f'."""
    return re.sub(r"\(.*\)( \[.*\])?$", "", row["name"])


def main():
    report = json.load(open(sys.argv[1]))
    wanted = wanted_counts(sys.argv[2])
    bad = []
    calls = {}
    for row in report["functions"]:
        calls[plain_name(row)] = calls.get(plain_name(row), 0) + row["calls"]
        times = [row[key] for key in ("min_ns", "p50_ns", "p99_ns", "max_ns")]
        # A percentile out of a histogram may be off by its resolution.
        if len(sys.argv) > 3:
            continue
        if any(b < a * 0.9 for a, b in zip(times, times[1:])):
            bad.append(f"{row['name']}: min, p50, p99, max are {times}")
        if row["self_ns"] > row["total_ns"] or row["min_ns"] > row["avg_ns"] + 1 or row["avg_ns"] > row["max_ns"]:
            bad.append(f"{row['name']}: times do not fit together: {row}")
    if report["lost"] != 0:
        bad.append(f"{report['lost']} events lost")
    if not wanted:
        bad.append("the program said no counts")
    for name, count in wanted.items():
        got = calls.get(name, 0)
        if got != count:
            bad.append(f"{name}: {got} calls reported, {count} made ({got - count:+d})")
    print("\n".join(bad))
    sys.exit(1 if bad else 0)


main()
