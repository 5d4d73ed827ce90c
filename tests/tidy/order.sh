#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Memory order is argued in the open: each acquire, release, acq_rel and seq_cst carries a numbered tag such as [P1] in
# a comment just above, each number stands at two places at least (an order has two ends), and each relaxed access says
# why it may be.
# shellcheck source=tests/tidy/tree.bash
. "$(dirname "$0")/tree.bash"

mapfile -t sources < <(files '^(core|arch|port|agent|tracer)/.*\.(c|h)$')
[ ${#sources[@]} -gt 0 ] || exit 0

# A comment counts from 8 lines above the access to its own line, or 2 below where a statement runs on.
report=$(perl -e '
    for my $file (@ARGV) {
        open my $in, "<", $file or next;
        my @lines = <$in>;
        for my $i (0 .. $#lines) {
            my $code = $lines[$i];
            next if $code =~ m{^\s*(\*|/\*|//|#)};
            $code =~ s{/\*.*?\*/}{}g;
            my $from = $i < 8 ? 0 : $i - 8;
            my $to = $i + 2 > $#lines ? $#lines : $i + 2;
            my $near = join "", @lines[$from .. $to];
            my $n = $i + 1;
            if ($code =~ /(memory_order_(acquire|release|acq_rel|seq_cst)|__ATOMIC_(ACQUIRE|RELEASE|ACQ_REL|SEQ_CST))/) {
                print "$file:$n: $1 without a numbered tag\n" unless $near =~ /\[[A-Z][0-9]+\]/;
            }
            if ($code =~ /memory_order_relaxed|__ATOMIC_RELAXED/) {
                my ($comments) = join " ", $near =~ m{(/\*.*?(?:\*/|$)|^\s*\*.*)}gms;
                print "$file:$n: a relaxed access without its reason\n" unless $comments =~ /relaxed/i;
            }
        }
    }' "${sources[@]}")
[ -z "$report" ] || complain "$report"

# Tags in the layouts of wire/ say which ends there are; the ends themselves stand in code.
while read -r count tag; do
    [ "$count" -ge 2 ] || complain "[$tag] has one end only: $(grep -lF "[$tag]" "${sources[@]}" | tr '\n' ' ')"
done < <(cat "${sources[@]}" | grep -oE '\[[A-Z][0-9]+\]' | tr -d '[]' | sort | uniq -c)
exit $bad
