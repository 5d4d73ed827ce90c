#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The examples do what their heads say.
set -u
O=${O:-build}
bad=0
[ -x "$O/examples/hook" ] || { echo "$O/examples/hook has not been built"; exit 77; }

said=$("$O/examples/hook") || { echo "examples/hook fails: $said"; bad=1; }
grep -qE '^[1-9][0-9]* calls, [1-9][0-9]* on sale, 0 lost$' <<<"$said" || { echo "examples/hook says: $said"; bad=1; }
said=$("$O/examples/key") || { echo "examples/key fails: $said"; bad=1; }
[ "$said" = 'the sum is 6' ] || { echo "examples/key says: $said"; bad=1; }
exit $bad
