/* SPDX-License-Identifier: MIT
 *
 * Functions to trace, and callbacks that note what they are told. See ftrace_told.h.
 */
#include "ftrace_told.h"
#include <regs.h>

int bad;
jmp_buf jump;
unsigned returns_told;
struct tl_ftrace_call returned[16];

int add(int a, int b)
{
    OPAQUE;
    return a + b;
}

int sub(int a, int b)
{
    OPAQUE;
    return a - b;
}

int mul(int a, int b)
{
    OPAQUE;
    return a * b;
}

int outer(int n)
{
    int sum = add(n, 1) + sub(n, 1);
    OPAQUE;
    return sum;
}

int down(int n)
{
    int deeper = n == 0 ? 0 : down(n - 1) + 1;
    OPAQUE;
    return deeper;
}

void jumps_out(void)
{
    longjmp(jump, 1);
}

#define CODE(name)                                                                                                     \
    {                                                                                                                  \
#name, (uintptr_t)name                                                                                         \
    }
const struct code codes[] = {
    CODE(add),
    CODE(sub),
    CODE(mul),
    CODE(outer),
    CODE(down),
    CODE(jumps_out),
    CODE(code_nop),
    CODE(code_five_nops),
    CODE(code_fentry),
    CODE(code_endbr),
    CODE(code_none),
    CODE(code_tail),
    CODE(code_tail_target),
    CODE(code_other_nop),
    {0, 0},
};

const char *name_of(uintptr_t at)
{
    const struct code *code = codes;
    while (code->name && at != code->address && at != code->address + 4)
        code++;
    return code->name;
}

uintptr_t site(int (*function)(int, int))
{
    return tl_ftrace_site_of((uintptr_t)function);
}

void on_entry(uintptr_t at, uintptr_t parent, struct tl_ftrace_ops *ops, struct tl_regs *regs)
{
    struct told *told = ops->data;
    told->calls++;
    told->site = at;
    told->parent = parent;
    told->ip = regs ? (uintptr_t)regs->ip : 0;
}

void on_return(const struct tl_ftrace_call *call, uintptr_t *value)
{
    struct told *told = call->ops->data;
    told->returns++;
    told->value = value[0];
    EXPECT(call->entered != 0);
    if (returns_told < 16)
        returned[returns_told++] = *call;
}

void choose(struct tl_ftrace_ops *ops, const char *globs)
{
    EXPECT(tl_ftrace_choose(ops, TL_FTRACE_FILTER, globs, TL_FTRACE_REPLACE) == TL_OK);
}

struct tl_ftrace_counts counts_now(void)
{
    struct tl_ftrace_counts counts;
    tl_ftrace_count_all(&counts);
    return counts;
}
