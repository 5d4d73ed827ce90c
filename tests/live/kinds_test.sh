#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Kinds of programs: static, static and position-independent, at a fixed address, stripped, musl, without any libc,
# other compilers and options; and what is refused: 32-bit programs.
# shellcheck disable=SC2317  # functions are called by claim
# shellcheck source=tests/live/lib.bash
. "$(dirname "$0")/lib.bash"

kind() {
    local as=$1 built
    shift
    built=$(variant counts "$as" "$@") || exit 77
    exact "$built" 3 5000
}
# No name to ask for: traced whole, its functions are module+0xOFFSET.
stripped() {
    local built
    built=$(variant counts stripped -s -DBY_ADDRESS) || exit 77
    recorded --buffer 64M -- "$built" 3 5000 || fail "ended with $?"
    counted
}
with_compiler() {
    needs "$1"
    LIVE_CC=$1 kind "${@:2}"
}
without_libc() {
    STATUS=5 exact "$(program nolibc)"
}
without_libc_attach() {
    mkfifo "$scratch/input"
    "$(program nolibc)" wait <"$scratch/input" >"$scratch/said" &
    target=$!
    remember "$target"
    exec {control}>"$scratch/input"
    attached 300ms
    text_is_the_files "$target"
    exec {control}>&-
    wait "$target"
    [ $? = 5 ] || fail "the target ended otherwise"
    grep -q 'count f_work 50000' "$scratch/said" || fail "the target did not count: $(cat "$scratch/said")"
}
refuses_32_bit() {
    local built status
    built=$(variant counts counts32 -m32) || exit 77
    "$built" 1 1 >"$scratch/plain.out" || skip "this machine does not run 32-bit programs"
    recorded -- "$built" 1 1
    status=$?
    [ "$status" = 125 ] || fail "status $status instead of 125"
    grep -qiE '^trapline: .*(32-bit|i386)' "$scratch/traced.err" || fail "says: $(cat "$scratch/traced.err")"
    [ "$(grep -c . "$scratch/traced.err")" = 1 ] || fail "says more than one sentence: $(cat "$scratch/traced.err")"
}

claim a_static_program kind static -static
claim a_static_position_independent_program kind static_pie -static-pie
claim a_program_at_a_fixed_address kind no_pie -no-pie -fno-pie
claim a_static_program_at_a_fixed_address kind static_no_pie -static -no-pie -fno-pie
claim a_stripped_program_by_offsets stripped
claim a_musl_program with_compiler musl-gcc musl_static -static
claim a_musl_dynamic_program with_compiler musl-gcc musl_dynamic
claim a_clang_program with_compiler clang with_clang -Wno-unused-command-line-argument
claim a_program_with_endbr64 kind endbr -fcf-protection=full
claim an_unoptimised_program kind O0 -O0
claim a_program_optimised_for_size kind Os -Os
claim a_program_optimised_hard kind O3 -O3 -march=x86-64-v2
claim a_program_without_unwind_tables kind no_tables -fno-asynchronous-unwind-tables -fno-unwind-tables
claim a_program_with_sleds kind sleds -fpatchable-function-entry=5
claim a_program_with_frame_pointers kind frame_pointers -fno-omit-frame-pointer
claim a_program_with_lazy_binding kind lazy -Wl,-z,lazy
claim a_program_linked_by_sections kind sections -ffunction-sections -Wl,--gc-sections
claim a_program_without_libc_and_thread_pointer without_libc
claim a_program_without_libc_is_attached_to without_libc_attach
claim a_32_bit_program_is_refused refuses_32_bit
finish
