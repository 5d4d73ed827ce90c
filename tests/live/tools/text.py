#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""text.py PID [quiet]: every byte of text that PID has mapped from a file equals the file's. Prints how much was
compared, or where it differs. Reads /proc/PID/mem, so it may what ptrace may. Called by the tests of this folder and the
demo."""
import os
import re
import sys

MAPPING = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S+) ([0-9a-f]+) \S+ (\d+) *(.*)$")


def mappings(pid):
    """Executable parts of files: (start, end, offset, path)."""
    for line in open(f"/proc/{pid}/maps"):
        start, end, rights, offset, inode, path = MAPPING.match(line.rstrip("\n")).groups()
        if "x" in rights and inode != "0" and path.startswith("/") and not path.startswith("/memfd:"):
            yield int(start, 16), int(end, 16), int(offset, 16), path


def file_of(pid, start, end, path):
    for name in (f"/proc/{pid}/map_files/{start:x}-{end:x}", f"/proc/{pid}/root{path}", path):
        try:
            return open(name, "rb")
        except OSError:
            continue
    return None


def compare(pid, memory):
    """What differs, a line each; how many bytes of how many files were compared. OSError: a library was unloaded between
    its line of maps and its bytes."""
    compared = files = 0
    bad = []
    for start, end, offset, path in mappings(pid):
        source = file_of(pid, start, end, path)
        if source is None:
            bad.append(f"{path}: cannot be opened to compare")
            continue
        source.seek(offset)
        wanted = source.read(end - start)
        found = os.pread(memory, len(wanted), start)
        files += 1
        compared += len(wanted)
        if found != wanted:
            where = [i for i in range(min(len(found), len(wanted))) if found[i] != wanted[i]]
            shown = ", ".join(f"+0x{offset + i:x}: {found[i]:02x} is {wanted[i]:02x} in the file" for i in where[:5])
            bad.append(f"{path}: {len(where)} bytes differ: {shown}")
    return bad, compared, files


def main():
    pid = int(sys.argv[1])
    memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    for _ in range(100):
        try:
            bad, compared, files = compare(pid, memory)
            break
        except OSError as error:
            bad, compared, files = [f"its text cannot be read: {error}"], 0, 1
    if bad:
        print("\n".join(bad))
    elif files == 0:
        print("no text was found to compare")
    elif len(sys.argv) < 3:
        print(f"{compared:,} bytes of text in {files} files are the same as on disk")
    sys.exit(1 if bad or files == 0 else 0)


main()
