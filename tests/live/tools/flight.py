#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What babeltrace2 reads in the recordings of programs/flight.c.
    flight.py end DIR OUTPUT LEAST      of each thread that OUTPUT names exactly its last events, LEAST or more of them
    flight.py cycle THREADS DIR...      each thread of each recording goes through its cycle without a gap, and a later
                                        recording begins later and ends later than the one before
Times never go back. Called by the tests of this folder."""
import re
import subprocess
import sys

EVENT = re.compile(r"^(\d+)\D.*?\b(entry|exit): .*?\btid = (\d+).*?\bfunction = \( \"(.*?)\"")
STEP = [("entry", "f_step"), ("entry", "f_leaf"), ("exit", "f_leaf"), ("exit", "f_step")]
CYCLE = [("entry", "f_round"), ("entry", "f_leaf"), ("exit", "f_leaf")] + 2 * STEP + [("exit", "f_round")]


def threads_of(directory):
    """By thread, the list of (kind, function); and the time of the first and the last event."""
    command = ["babeltrace2", "--clock-cycles", "--no-delta", directory]
    reader = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if reader.returncode != 0 or reader.stderr:
        sys.exit(f"babeltrace2 {directory}: {reader.stderr}")
    threads, last, times = {}, {}, []
    for line in reader.stdout.splitlines():
        found = EVENT.match(line.lstrip("["))
        if not found:
            sys.exit(f"{directory}: a line that is not known: {line}")
        time, tid = int(found[1]), int(found[3])
        if time < last.get(tid, 0):
            sys.exit(f"{directory}: thread {tid}: time goes back at {line}")
        last[tid] = time
        times.append(time)
        threads.setdefault(tid, []).append((found[2], found[4]))
    return threads, min(times, default=0), max(times, default=0)


def drawn(seed, calls):
    events = []
    for _ in range(calls):
        seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
        name = "f_odd" if seed >> 31 else "f_even"
        events += [("entry", name), ("exit", name)]
    return events


def check_end(directory, output, least):
    threads, _, _ = threads_of(directory)
    ends = {False: [("entry", "f_park")],
            True: [("entry", "f_outer"), ("entry", "f_even"), ("exit", "f_even"), ("entry", "f_inner")]}
    said = dict(map(int, line.split()[1:]) for line in open(output) if line.startswith("thread "))
    if set(said) != set(threads):
        sys.exit(f"threads {sorted(threads)} instead of {sorted(said)}")
    for tid, seed in said.items():
        wanted = drawn(seed, 20000) + ends[seed == 77]
        got = threads[tid]
        if len(got) < least or got != wanted[-len(got):]:
            sys.exit(f"thread {tid}: {len(got)} events, the last are {got[-8:]} instead of {wanted[-8:]}")
    print({tid: len(events) for tid, events in threads.items()})


def check_cycle(count, directories):
    before = (0, 0)
    for directory in directories:
        threads, first, last = threads_of(directory)
        if len(threads) != count:
            sys.exit(f"{directory}: {len(threads)} threads instead of {count}")
        if first < before[0] or last <= before[1]:
            sys.exit(f"{directory}: from {first} to {last}, the one before it from {before[0]} to {before[1]}")
        before = (first, last)
        for tid, events in threads.items():
            # Where in the cycle it begins: a few events tell.
            fits = [at for at in range(len(CYCLE))
                    if all(event == CYCLE[(at + i) % len(CYCLE)] for i, event in enumerate(events))]
            if not fits:
                sys.exit(f"{directory}: thread {tid}: the calls of {len(events)} events are not the cycle")
        print(directory, {tid: len(events) for tid, events in threads.items()})


if sys.argv[1] == "end":
    check_end(sys.argv[2], sys.argv[3], int(sys.argv[4]))
else:
    check_cycle(int(sys.argv[2]), sys.argv[3:])
