#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Every form of function that assembly can have: tiny, with one to five instructions in the first five bytes, looping
# to its head, entered in the middle, with data behind it; and no register, flag or word below the stack changes.
# shellcheck disable=SC2317  # functions are called by claim
# shellcheck source=tests/live/lib.bash
. "$(dirname "$0")/lib.bash"

without_pairs() {
    PAIRS=none exact "$@"
}
# Each form has an entry site: the report could not be exact else, but 'list' must say so, too.
list_covers() {
    bounded "$TRAPLINE" list --json "$(program forms)" 'f_*' >"$scratch/list.json" || fail "list fails"
    "$python" - "$scratch/list.json" <<'PYTHON' || fail "list does not cover all forms"
import json, sys
rows = json.load(open(sys.argv[1]))["functions"]
bad = [row["name"] for row in rows if row["entry"] == "none" and not row["name"].endswith(".cold")]
print(len(rows), "functions, without an entry site:", bad)
sys.exit(1 if bad or len(rows) < 60 else 0)
PYTHON
}
claim every_form_runs_and_is_counted without_pairs "$(program forms)"
claim every_form_has_an_entry_site list_covers
claim registers_flags_and_red_zone_are_kept without_pairs "$(program registers)"
claim registers_are_kept_with_all_libraries_traced same --libs -- "$(program registers)"
claim backtraces_are_the_same same -- "$(program backtraces)"
claim backtraces_are_the_same_through_traced_libraries same --libs -- "$(program backtraces)"
finish
