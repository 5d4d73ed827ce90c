#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pairs.py DIR OUTPUT [loose]: babeltrace2 reads the recording; in each thread times never go back, each exit belongs
to a function that was entered and not left; and the entries without an exit are as many as the program says in its line
"unreturned N". With "loose" (coroutines that wander) entries and exits are only added up over all threads. Called by
the tests of this folder."""
import re
import subprocess
import sys

EVENT = re.compile(r"^(\d+)\D.*?\b(entry|exit): .*?\btid = (\d+).*?\bfunction = \( \"(.*?)\"")


def events(directory):
    command = ["babeltrace2", "--clock-cycles", "--no-delta", directory]
    reader = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace")
    for line in reader.stdout:
        found = EVENT.match(line.lstrip("["))
        if found:
            yield int(found[1]), found[2], int(found[3]), found[4]
        elif "entry:" in line or "exit:" in line:
            sys.exit(f"babeltrace2 prints a line that pairs.py does not know: {line}")
    said = reader.stderr.read()
    if reader.wait() != 0 or "discarded" in said:
        sys.exit(f"babeltrace2: {said}")


def unreturned_wanted(path):
    for line in open(path, errors="replace"):
        if line.startswith("unreturned "):
            return int(line.split()[1])
    return None


def main():
    directory, output, loose = sys.argv[1], sys.argv[2], len(sys.argv) > 3
    stacks, last, bad = {}, {}, []
    entries = exits = 0
    for time, kind, tid, function in events(directory):
        if time < last.get(tid, 0):
            bad.append(f"thread {tid}: time goes back at {kind} of {function}")
        last[tid] = time
        stack = stacks.setdefault(tid, [])
        if kind == "entry":
            entries += 1
            stack.append(function)
        else:
            exits += 1
            if loose:
                continue
            if function not in stack:
                bad.append(f"thread {tid}: exit of {function}, which was not entered; inside are {stack[-5:]}")
            else:
                while stack.pop() != function:
                    pass
    wanted = unreturned_wanted(output)
    if wanted is not None and entries - exits != wanted:
        bad.append(f"{entries} entries, {exits} exits: {entries - exits} unreturned, the program says {wanted}")
    if entries == 0:
        bad.append("no event at all")
    print("\n".join(bad[:20]))
    sys.exit(1 if bad else 0)


main()
