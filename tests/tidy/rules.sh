#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Each rule of this folder can say no: it is shown a small tree that breaks it and must name the file; and it passes the
# same tree before it is broken.
set -u
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
bad=0

# A tree that keeps every rule.
good_tree() {
    rm -rf "$work/tree"
    mkdir -p "$work/tree"/{core,include/trapline,wire,cli,plan,arch/x86/32,arch/x86/64,tests/core,man}
    cd "$work/tree" || exit 1
    cat >include/trapline/door.h <<'C'
/* SPDX-License-Identifier: MIT
 *
 * The door of a tree that exists to be judged.
 */
#ifndef TRAPLINE_DOOR_H
#define TRAPLINE_DOOR_H

int tl_door_open(int key);

#endif
C
    cat >core/door.c <<'C'
/* SPDX-License-Identifier: MIT
 *
 * The door's hinge. Who calls it: nobody but tests.
 */
#include <stdatomic.h>
#include <trapline/door.h>

static _Atomic int state;

int tl_door_open(int key)
{
    /* [P1] release: pairs with the acquire below. */
    atomic_store_explicit(&state, key, memory_order_release);
    /* [P1] acquire: pairs with the release above. */
    return atomic_load_explicit(&state, memory_order_acquire);
}
C
    cp "$here/../../.clang-format" . 2>/dev/null
    cat >README.md <<'MD'
# A tree

## The tour

- `include/trapline/door.h`: the door
- `core/door.c`: the hinge
- `tests/core/`: its test
MD
    cat >tests/core/door.sh <<'SH'
#!/bin/sh
# SPDX-License-Identifier: MIT
# Knocks at the door of the tree.
exit 0
SH
    chmod +x tests/core/door.sh
}

# breaks RULE FILE: what stands on standard input is added to FILE of the good tree; RULE must then fail and name FILE.
breaks() {
    local rule=$1 file=$2 said status
    good_tree
    said=$("$here/$rule.sh" "$work/tree" 2>&1)
    status=$?
    [ "$status" != 77 ] || { echo "$rule is skipped: $said"; return; }
    [ "$status" = 0 ] || { echo "$rule complains of the good tree: $said"; bad=1; }
    mkdir -p "$(dirname "$file")"
    cat >>"$file"
    said=$("$here/$rule.sh" "$work/tree" 2>&1) && {
        echo "$rule.sh passes a tree whose $file breaks it"
        bad=1
        return
    }
    grep -qF "$file" <<<"$said" || { echo "$rule.sh fails without naming $file: $said"; bad=1; }
}

breaks arrows core/door.c <<<'#include <plan/plan.h>'
breaks arrows core/door.c <<<'#include <stdio.h>'
breaks arrows cli/main.c <<<'#include <agent/agent.h>'
breaks arrows port/sim/text.c <<<'#include <port/linux/text.h>'
breaks lengths core/long.c < <(yes 'extern int x;' | head -n 601)
breaks lengths core/long.c < <(echo 'int tl_long(int x) {'; yes '    x++;' | head -n 70; echo '    return x; }')
breaks width core/door.c <<<'#ifdef __x86_64__'
breaks width arch/x86/64/lonely.c <<<'int lonely;'
breaks order core/site.c <<<'int f(_Atomic int *p) { return atomic_load_explicit(p, memory_order_acquire); }'
breaks order core/site.c <<<'int f(_Atomic int *p) { return atomic_load_explicit(p, memory_order_relaxed); }'
breaks order core/site.c <<<'/* [Q7] release: pairs with nothing. */'
breaks tour core/new.c <<<'int new;'
breaks words docs/notes.md <<<"see /wor""k/main"
breaks words core/utils.c <<<'int x;'
breaks heads core/bare.c <<<'int bare;'
breaks heads core/door.c <<<'int blank; '
breaks format core/door.c <<<'int   x  ;'
breaks scripts tests/core/new.sh <<<$'#!/bin/sh\nexit 0'
breaks scripts tests/core/door.sh <<<'cd /nowhere; rm *'
breaks calls cli/name.c <<<'void f(char *a) { sprintf(a, "x"); }'
breaks calls core/door.c <<<'void f(void) { printf("x"); }'
breaks dead core/door.h <<<'void tl_door_paint(void);'
breaks dead core/door.c <<<'/* See tl_door_vanished(). */'

# The trap path: an object whose .text.trap calls out, and one that goes by a pointer.
mkdir -p "$work/objects"
judge() {
    cat >"$work/trap.c"
    gcc -O1 -fPIE -fvisibility=hidden "$@" -c "$work/trap.c" -o "$work/objects/trap.o" || exit 1
    "$here/trap_path.sh" "$here/../.." "$work/objects" 2>&1
}
trap_section='__attribute__((section(".text.trap"), noinline))'
said=$(judge <<<"int data; $trap_section int f(void) { return data; }  $trap_section int g(void) { return f() + 1; }") ||
    { echo "trap_path complains of a clean object: $said"; bad=1; }
said=$(judge <<<"__attribute__((noinline)) void out(void) { asm(\"\"); }  $trap_section int f(void) { out(); return 1; }") &&
    { echo "trap_path passes a call out of .text.trap"; bad=1; }
said=$(judge <<<"void *memcpy(void *, const void *, unsigned long); $trap_section int f(void *a, void *b, unsigned long n) { memcpy(a, b, n); return 1; }") &&
    { echo "trap_path passes a call of memcpy"; bad=1; }
said=$(judge <<<"$trap_section int f(int (*p)(void)) { return p() + 1; }") &&
    { echo "trap_path passes a call by a pointer"; bad=1; }
said=$(judge -fpatchable-function-entry=5 <<<"$trap_section int f(void) { return 1; }") &&
    { echo "trap_path passes a site"; bad=1; }
exit $bad
