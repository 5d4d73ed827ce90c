#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What has no place in the tree: paths of somebody's machine, numbers of a tracker, work left undone, file names that
# name nothing.
# shellcheck source=tests/tidy/tree.bash
. "$(dirname "$0")/tree.bash"

# One bracketed letter in each keeps this file from finding itself.
banned=(
    '(^|[^[:alnum:]])/wor[k]/'
    '/tmp/bas[h]_'
    '/hom[e]/[a-z]+/'
    '(^|[^[:alnum:]])[i]ssue #?[0-9]'
    '[s]hared/(design|seed|hooks)'
    '(^|[^[:alnum:]])(TOD[O]|FIXM[E]|XX[X]|HAC[K])([^[:alnum:]]|$)'
    '[w]orkplace'
)
pattern=$(printf '|%s' "${banned[@]}")
hits=$(files '' | grep -v '\.seeds/' | xargs -r -d '\n' grep -nHIE "${pattern#|}")
[ -z "$hits" ] || complain "words that have no place here:
$hits"

for file in $(files '(^|/)[^/]*(util|utils|common|misc|helper|helpers|stuff)\.[a-z]+$' '(^|/)(utils|common|misc|helpers)/'); do
    complain "$file: a file is named by what lives in it"
done
exit $bad
