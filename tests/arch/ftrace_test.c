/* SPDX-License-Identifier: MIT
 *
 * ftrace over real sites, in this process: the table, who is called for what, what a batch costs. Registers and returns
 * are in ftrace_return_test.c, calls under change in ftrace_race_test.c. Built at both widths (ftrace32.sh), so without
 * cmocka, which has one.
 */
#include "ftrace_told.h"
#include <core/exit.h>
#include <core/ftrace.h>
#include <regs.h>
#include <stdlib.h>
#include <string.h>
#include <trapline/port.h>

static uintptr_t target(uintptr_t at)
{
    size_t record = tli_ftrace_find(at);
    return record == TLI_NO_RECORD ? (uintptr_t)-1 : tli_ftrace_records.record[record].target;
}

static bool between(uintptr_t address, const uint8_t *begin, const uint8_t *end)
{
    return address >= (uintptr_t)begin && address < (uintptr_t)end;
}

/* ---- the table ---- */

static void only_places_for_a_call_are_sites(void)
{
    static uintptr_t own[12];
    const uintptr_t in_table[] = {
        (uintptr_t)code_five_nops, (uintptr_t)code_nop,         (uintptr_t)code_other_nop,
        (uintptr_t)code_fentry,    (uintptr_t)code_nop,         (uintptr_t)code_endbr_site,
        (uintptr_t)code_none,      (uintptr_t)code_tail,        0,
        (uintptr_t)code_nop + 1,   (uintptr_t)code_tail_target,
    };
    memcpy(own, in_table, sizeof(in_table));
    struct tl_ftrace_table tables[] = {
        {__start___patchable_function_entries, __stop___patchable_function_entries}, {own, own + 11}, {own, own}};
    size_t in_c = (size_t)(tables[0].end - tables[0].begin);
    port_trap_path = (uintptr_t)code_other_nop;
    EXPECT(tl_ftrace_open(tables, 3, name_of) == TL_OK);
    EXPECT(tl_ftrace_open(tables, 3, name_of) == TL_BUSY);
    EXPECT(tl_ftrace_count() == in_c + 6);
    struct tl_ftrace_counts counts;
    tl_ftrace_count_all(&counts);
    EXPECT(counts.left_out == 5);
    for (size_t i = 1; i < tl_ftrace_count(); i++)
        EXPECT(tl_ftrace_site(i - 1) < tl_ftrace_site(i));
    EXPECT(memcmp((void *)(uintptr_t)code_five_nops, (void *)(uintptr_t)code_nop, 6) == 0);
    EXPECT(memcmp((void *)(uintptr_t)code_fentry, (void *)(uintptr_t)code_nop, 6) == 0);
    EXPECT(tl_ftrace_site_of((uintptr_t)code_endbr) == (uintptr_t)code_endbr_site);
    EXPECT(tl_ftrace_site_of((uintptr_t)code_none) == 0);
    EXPECT(tl_ftrace_site_of((uintptr_t)code_other_nop) == 0);
    EXPECT(tl_ftrace_site_of((uintptr_t)code_nop - 4) == 0);
}

/* ---- who is called ---- */

static void globs_choose_by_name(void)
{
    static const struct {
        const char *globs, *chosen;
    } cases[] = {
        {"add", "add"},
        {"a*", "add"},
        {"*", "add sub mul outer down jumps_out code_nop"},
        {"*u*", "sub mul outer jumps_out"},
        {"?u?", "sub mul"},
        {"[a-d]* !code*", "add down"},
        {"[!a-o]*", "sub"},
        {" add\tsub\n", "add sub"},
        {"* !*o* !mul", "add sub"},
        {"code_no[p]", "code_nop"},
        {"\\add", "add"},
        {"*_out", "jumps_out"},
        {"*d*d*", "add"},
    };
    static const char *const refused[] = {"nothing", "add nothing", "[a", "ad", "addd", "a?", "\\*", "*x"};
    OPS(ops, on_entry, 0, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        choose(&ops, cases[i].globs);
        for (size_t c = 0; c < 7; c++) {
            char word[32], chosen[80];
            snprintf(word, sizeof(word), " %s ", codes[c].name);
            snprintf(chosen, sizeof(chosen), " %s ", cases[i].chosen);
            size_t record = tli_ftrace_find(tl_ftrace_site_of(codes[c].address));
            if (tli_ftrace_set_has(ops.list[0], record) != (strstr(chosen, word) != 0)) {
                printf("not ok: '%s' and %s\n", cases[i].globs, codes[c].name);
                bad = 1;
            }
        }
    }
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        EXPECT(tl_ftrace_choose(&ops, TL_FTRACE_FILTER, refused[i], TL_FTRACE_REPLACE) == TL_BAD_ARGUMENT);
    EXPECT(tli_ftrace_set_has(ops.list[0], tli_ftrace_find(site(add)))); /* a refusal has changed nothing */
    choose(&ops, "");
    EXPECT(ops.list[0] == 0);
    EXPECT(tl_ftrace_choose_address(&ops, TL_FTRACE_FILTER, (uintptr_t)code_none, TL_FTRACE_ADD) == TL_NO_TEXT);
    EXPECT(tl_ftrace_choose_address(&ops, TL_FTRACE_FILTER, (uintptr_t)code_endbr, TL_FTRACE_ADD) == TL_OK);
    EXPECT(tli_ftrace_set_has(ops.list[0], tli_ftrace_find((uintptr_t)code_endbr_site)));
    EXPECT(tl_ftrace_forget(&ops) == TL_OK && ops.list[0] == 0);
}

static void each_is_called_for_its_functions_and_no_others(void)
{
    OPS(one, on_entry, 0, 0);
    OPS(two, on_entry, 0, 0);
    OPS(both, on_entry, 0, 0);
    OPS(all, on_entry, 0, 0);
#define COUNTS(a, b, c, d)                                                                                             \
    EXPECT(one_told.calls == (a) && two_told.calls == (b) && both_told.calls == (c) && all_told.calls == (d))
    choose(&one, "add");
    choose(&two, "sub");
    choose(&both, "add sub");
    EXPECT(tl_ftrace_register(&one) == TL_OK && tl_ftrace_register(&two) == TL_OK);
    EXPECT(tl_ftrace_register(&both) == TL_OK && tl_ftrace_register(&both) == TL_BUSY);
    EXPECT(add(2, 1) == 3);
    COUNTS(1, 0, 1, 0);
    EXPECT(sub(2, 1) == 1 && mul(3, 3) == 9);
    COUNTS(1, 1, 2, 0);
    EXPECT(one_told.site == site(add) && two_told.site == site(sub) && two_told.ip == 0);
    EXPECT(between(one_told.parent, (uint8_t *)(uintptr_t)each_is_called_for_its_functions_and_no_others,
                   (uint8_t *)(uintptr_t)each_is_called_for_its_functions_and_no_others + 4096));
    EXPECT(tl_ftrace_choose(&all, TL_FTRACE_NOTRACE, "mul", TL_FTRACE_ADD) == TL_OK);
    EXPECT(tl_ftrace_register(&all) == TL_OK);
    unsigned before = all_told.calls;
    EXPECT(add(5, 1) == 6 && sub(5, 1) == 4 && mul(5, 1) == 5);
    EXPECT(all_told.calls == before + 2);
    COUNTS(2, 2, 4, all_told.calls);
    EXPECT(tl_ftrace_choose(&both, TL_FTRACE_FILTER, "!add", TL_FTRACE_ADD) == TL_OK); /* live */
    EXPECT(add(5, 1) == 6 && sub(5, 1) == 4);
    COUNTS(3, 3, 5, before + 4);
    EXPECT(tl_ftrace_unregister(&one) == TL_OK && tl_ftrace_unregister(&one) == TL_BAD_ARGUMENT);
    EXPECT(add(5, 1) == 6 && sub(5, 1) == 4);
    COUNTS(3, 4, 6, before + 6);
    EXPECT(tl_ftrace_forget(&two) == TL_BUSY);
    EXPECT(tl_ftrace_unregister(&two) == TL_OK && tl_ftrace_unregister(&both) == TL_OK);
    EXPECT(tl_ftrace_unregister(&all) == TL_OK);
    EXPECT(add(5, 1) == 6 && sub(5, 1) == 4);
    COUNTS(3, 4, 6, before + 6);
}

static void the_only_one_has_a_trampoline_of_its_own(void)
{
    OPS(a, on_entry, 0, 0);
    OPS(b, on_entry, 0, TL_FTRACE_REGS);
    choose(&a, "add sub");
    choose(&b, "add");
    EXPECT(tl_ftrace_register(&a) == TL_OK);
    EXPECT(between(target(site(add)), tl_ftrace_direct, tl_ftrace_direct_regs) && target(site(mul)) == 0);
    EXPECT(tl_ftrace_register(&b) == TL_OK);
    EXPECT(target(site(add)) == (uintptr_t)tl_ftrace_list_regs);
    EXPECT(between(target(site(sub)), tl_ftrace_direct, tl_ftrace_direct_regs));
    EXPECT(add(1, 1) == 2 && a_told.calls == 1 && b_told.calls == 1 && a_told.ip == 0);
    EXPECT(tl_ftrace_unregister(&a) == TL_OK);
    EXPECT(between(target(site(add)), tl_ftrace_direct_regs, tl_ftrace_direct_end) && target(site(sub)) == 0);
    EXPECT(add(1, 1) == 2 && a_told.calls == 1 && b_told.calls == 2 && b_told.ip == site(add) + 5);
    EXPECT(tl_ftrace_unregister(&b) == TL_OK);
    EXPECT(target(site(add)) == 0 && add(1, 1) == 2 && b_told.calls == 2);
}

/* More ops than there are trampolines: the list serves the rest. */
static void there_may_be_any_number(void)
{
    static struct told told[20];
    static struct tl_ftrace_ops ops[20];
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 20; i++) {
            ops[i].entered = on_entry;
            ops[i].data = &told[i];
            choose(&ops[i], i % 2 ? "add" : "sub");
            EXPECT(tl_ftrace_register(&ops[i]) == TL_OK);
        }
        EXPECT(add(1, 1) == 2 && mul(1, 1) == 1);
        for (unsigned i = 0; i < 19; i++)
            EXPECT(tl_ftrace_unregister(&ops[i]) == TL_OK);
        EXPECT(target(site(add)) == (uintptr_t)tl_ftrace_list);
        EXPECT(add(1, 1) == 2 && tl_ftrace_unregister(&ops[19]) == TL_OK);
        for (unsigned i = 0; i < 20; i++)
            EXPECT(told[i].calls == (i == 19 ? 2 : i % 2) * (round + 1));
    }
}

static void each_slot_has_a_trampoline(void)
{
    static struct told told[TL_FTRACE_SLOTS];
    static struct tl_ftrace_ops ops[TL_FTRACE_SLOTS];
    static const char *const functions[TL_FTRACE_SLOTS] = {
        "add", "sub", "mul", "outer", "code_nop", "code_five_nops", "code_fentry", "code_endbr"};
    for (unsigned regs = 0; regs < 2; regs++) {
        for (unsigned i = 0; i < TL_FTRACE_SLOTS; i++) {
            ops[i] = (struct tl_ftrace_ops){.entered = on_entry, .flags = regs ? TL_FTRACE_REGS : 0, .data = &told[i]};
            choose(&ops[i], functions[i]);
            EXPECT(tl_ftrace_register(&ops[i]) == TL_OK && ops[i].slot == i + 1);
        }
        code_nop(), code_five_nops(), code_fentry(), code_endbr();
        EXPECT(outer(5) == 10 && mul(1, 1) == 1);
        for (unsigned i = 0; i < TL_FTRACE_SLOTS; i++)
            EXPECT(told[i].calls == regs + 1 && tl_ftrace_unregister(&ops[i]) == TL_OK);
    }
}

/* A thread that was asleep in a trampoline, with all that has changed meanwhile. */
static void a_late_thread_reaches_who_is_there(void)
{
    OPS(a, on_entry, 0, 0);
    OPS(b, on_entry, 0, TL_FTRACE_REGS);
    uintptr_t parent = 42;
    choose(&a, "add");
    choose(&b, "add");
    EXPECT(tl_ftrace_register(&a) == TL_OK);
    struct tli_ftrace_slot *slot = &tli_ftrace_slots[a.slot - 1];
    EXPECT(tl_ftrace_register(&b) == TL_OK && tl_ftrace_unregister(&a) == TL_OK);
    EXPECT(tli_ftrace_call(site(add), &parent, 0, slot) && a_told.calls == 0 && b_told.calls == 0);
    struct tl_regs regs = {.ip = 1};
    EXPECT(!tli_ftrace_call(site(add), &parent, &regs, slot) && a_told.calls == 0 && b_told.calls == 1);
    EXPECT(!tli_ftrace_call(site(sub), &parent, 0, slot) && b_told.calls == 1);
    EXPECT(tl_ftrace_unregister(&b) == TL_OK);
}

/* ---- recursion ---- */

static void calls_what_it_traces(uintptr_t at, uintptr_t parent, struct tl_ftrace_ops *ops, struct tl_regs *regs)
{
    on_entry(at, parent, ops, regs);
    EXPECT(add(1, 2) == 3);
    if (port_context < 3) { /* as if an interrupt came here */
        port_context++;
        EXPECT(add(1, 2) == 3);
        port_context--;
    }
}

static void a_callback_is_not_told_of_itself(void)
{
    OPS(ops, calls_what_it_traces, 0, 0);
    OPS(other, on_entry, 0, 0);
    uint32_t before = counts_now().recursed;
    choose(&ops, "add");
    EXPECT(tl_ftrace_register(&ops) == TL_OK);
    EXPECT(add(1, 2) == 3);
    EXPECT(ops_told.calls == TL_FTRACE_CONTEXTS && counts_now().recursed == before + TL_FTRACE_CONTEXTS);
    EXPECT(tl_ftrace_register(&other) == TL_OK && add(1, 2) == 3);
    EXPECT(ops_told.calls == 2 * TL_FTRACE_CONTEXTS && other_told.calls == TL_FTRACE_CONTEXTS);
    EXPECT(tl_ftrace_unregister(&other) == TL_OK && tl_ftrace_unregister(&ops) == TL_OK);
    EXPECT(port_thread.inside == 0 && port_thread.depth == 0);
}

/* ---- one batch ---- */

static void all_functions_at_once_are_three_serialisations(void)
{
    OPS(ops, on_entry, 0, 0);
    OPS(other, on_entry, 0, 0);
    uint32_t batches = counts_now().batches;
    unsigned before = port_serialisations;
    EXPECT(tl_ftrace_register(&ops) == TL_OK);
    EXPECT(port_serialisations == before + 3);
    EXPECT(tl_ftrace_register(&other) == TL_OK && port_serialisations == before + 6);
    EXPECT(tl_ftrace_unregister(&ops) == TL_OK && port_serialisations == before + 9);
    EXPECT(tl_ftrace_unregister(&other) == TL_OK && port_serialisations == before + 12);
    EXPECT(counts_now().batches == batches + 4);
    choose(&ops, "add");
    EXPECT(tl_ftrace_register(&ops) == TL_OK && port_serialisations == before + 15);
    choose(&ops, "add sub");
    EXPECT(port_serialisations == before + 18);
    choose(&ops, "sub add");
    EXPECT(port_serialisations == before + 18); /* nothing to do */
    EXPECT(tl_ftrace_unregister(&ops) == TL_OK);
}

static void a_refused_batch_changes_nothing(void)
{
    OPS(ops, on_entry, 0, 0);
    uint8_t kept, foreign = 0xcc;
    struct tl_ftrace_counts counts;
    EXPECT(tl_port_text_read(site(mul), &kept, 1) == TL_OK && tl_port_text_write(site(mul), &foreign, 1) == TL_OK);
    EXPECT(tl_ftrace_register(&ops) == TL_TEXT_DIFFERS);
    tl_ftrace_count_all(&counts);
    EXPECT(counts.refused == site(mul));
    EXPECT(add(1, 2) == 3 && ops_told.calls == 0 && target(site(add)) == 0);
    choose(&ops, "add");
    EXPECT(tl_ftrace_register(&ops) == TL_OK);
    EXPECT(tl_ftrace_choose(&ops, TL_FTRACE_FILTER, "mul", TL_FTRACE_ADD) == TL_TEXT_DIFFERS);
    EXPECT(add(1, 2) == 3 && ops_told.calls == 1);
    EXPECT(tl_port_text_write(site(mul), &kept, 1) == TL_OK && mul(2, 2) == 4 && ops_told.calls == 1);
    EXPECT(tl_ftrace_unregister(&ops) == TL_OK);
}

int main(void)
{
    setvbuf(stdout, 0, _IONBF, 0);
    port_open();
    only_places_for_a_call_are_sites();
    globs_choose_by_name();
    each_is_called_for_its_functions_and_no_others();
    the_only_one_has_a_trampoline_of_its_own();
    there_may_be_any_number();
    each_slot_has_a_trampoline();
    a_late_thread_reaches_who_is_there();
    a_callback_is_not_told_of_itself();
    all_functions_at_once_are_three_serialisations();
    a_refused_batch_changes_nothing();
    printf("%s at %d bits\n", bad ? "not ok" : "ok", TL_ARCH_MODE);
    return bad;
}
