#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sampled.py REPORT OUTPUT N [SLACK [DEEP...]]: the report (of "trapline report --json") has one in N of the calls that the program
counted itself in its lines "count NAME N", for each function: within eight standard deviations of what chance would give,
and SLACK calls, which does not happen by chance; of the recursions DEEP at most so many. Nothing lost, every call returned. Called by the tests of this folder."""
import json
import sys

report = json.load(open(sys.argv[1]))
part, slack = int(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else 10
made, bad = {}, []
for line in open(sys.argv[2], errors="replace"):
    word = line.split()
    if len(word) == 3 and word[0] == "count":
        made[word[1]] = made.get(word[1], 0) + int(word[2])
rows = {row["name"].split("(")[0]: row for row in report["functions"]}
if report["one_in"] != part or report["lost"] != 0 or not made:
    bad.append(f"one in {report['one_in']}, {report['lost']} lost, {len(made)} functions counted")
for name, calls in made.items():
    got, wanted = rows.get(name, {"calls": 0})["calls"], calls / part
    print(f"{name}: {got} of {calls}, {wanted:.0f} expected")
    if (got - wanted if name in sys.argv[5:] else abs(got - wanted)) > 8 * wanted**0.5 + slack:
        bad.append(f"{name}: {got} calls instead of {wanted:.0f}")
for name, row in rows.items():
    if row["not_returned"] and name in made:
        bad.append(f"{name}: {row['not_returned']} of {row['calls']} calls did not return")
print("\n".join(bad))
sys.exit(1 if bad else 0)
