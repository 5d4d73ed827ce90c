/* SPDX-License-Identifier: MIT
 *
 * Tests of what ftrace refuses in ring 0: by name, and with nothing changed. Replacements against probes are in
 * probe_refusal_test.c.
 */
#include <core/trap.h>
#include <kernel/test.h>
#include <trapline/ftrace.h>
#include <trapline/port.h>

#ifdef __clang__
#define PREY __attribute__((noinline))
#else
#define PREY __attribute__((noipa))
#endif

PREY static unsigned ftrace_refused_one(unsigned n)
{
    __asm__ volatile("" : : : "memory");
    return n + 1;
}

PREY static unsigned ftrace_refused_two(unsigned n)
{
    __asm__ volatile("" : : : "memory");
    return n + 2;
}

enum { SITE_BYTES = 5 };

static unsigned told;

static void tell(uintptr_t site, uintptr_t parent, struct tl_ftrace_ops *ops, struct tl_regs *regs)
{
    (void)site, (void)parent, (void)ops, (void)regs;
    told++;
}

static enum tl_status choose(struct tl_ftrace_ops *ops, uintptr_t address)
{
    return tl_ftrace_choose_address(ops, TL_FTRACE_FILTER, address, TL_FTRACE_REPLACE);
}

static const char *what_has_no_site_is_not_traced(void)
{
    static struct tl_ftrace_ops ops = {.entered = tell};
    static uint8_t data[8];
    uintptr_t site = tl_ftrace_site_of((uintptr_t)ftrace_refused_one);
    TEST_CHECK(site != 0);
    TEST_REFUSED(choose(&ops, 0), TL_NO_TEXT);
    TEST_REFUSED(choose(&ops, (uintptr_t)data), TL_NO_TEXT);
    for (unsigned i = 1; i < SITE_BYTES; i++)
        TEST_REFUSED(choose(&ops, site + i), TL_NO_TEXT); /* the middle of it */
    TEST_REFUSED(choose(&ops, (uintptr_t)tli_trap), TL_NO_TEXT);
    TEST_REFUSED(tl_ftrace_choose(&ops, TL_FTRACE_FILTER, "tli_trap", TL_FTRACE_REPLACE), TL_BAD_ARGUMENT);
    TEST_REFUSED(tl_ftrace_choose(&ops, TL_FTRACE_FILTER, "ftrace_refused_* none_of_that_name", TL_FTRACE_REPLACE),
                 TL_BAD_ARGUMENT);
    TEST_CHECK(!ops.list[TL_FTRACE_FILTER]);
    return NULL;
}
KERNEL_TEST(what_has_no_site_is_not_traced);

static const char *registrations_are_refused_by_name(void)
{
    static struct tl_ftrace_ops ops = {.entered = tell}, other = {.entered = tell}, none;
    TEST_REFUSED(tl_ftrace_register(&none), TL_BAD_ARGUMENT); /* tells nobody */
    TEST_REFUSED(tl_ftrace_unregister(&ops), TL_BAD_ARGUMENT);
    ops.flags = other.flags = TL_FTRACE_REGS | TL_FTRACE_IP;
    TEST_REFUSED(tl_ftrace_register(&ops), TL_BAD_ARGUMENT); /* all functions */
    TEST_CHECK(choose(&ops, (uintptr_t)ftrace_refused_one) == TL_OK &&
               choose(&other, (uintptr_t)ftrace_refused_one) == TL_OK);
    TEST_CHECK(tl_ftrace_register(&ops) == TL_OK);
    TEST_REFUSED(tl_ftrace_register(&ops), TL_BUSY);
    TEST_REFUSED(tl_ftrace_register(&other), TL_BUSY); /* both replace it */
    TEST_REFUSED(tl_ftrace_forget(&ops), TL_BUSY);
    TEST_CHECK(choose(&other, (uintptr_t)ftrace_refused_two) == TL_OK && tl_ftrace_register(&other) == TL_OK);
    TEST_REFUSED(choose(&other, (uintptr_t)ftrace_refused_one), TL_BUSY);
    told = 0;
    TEST_CHECK(ftrace_refused_one(1) == 2 && ftrace_refused_two(1) == 3 && told == 2);
    TEST_CHECK(tl_ftrace_unregister(&other) == TL_OK && tl_ftrace_unregister(&ops) == TL_OK);
    TEST_CHECK(tl_ftrace_forget(&other) == TL_OK && tl_ftrace_forget(&ops) == TL_OK);
    return NULL;
}
KERNEL_TEST(registrations_are_refused_by_name);

/* One byte that is not what ftrace has left there, and the whole batch stays out, be it all functions. */
static const char *old_bytes_that_differ_refuse_the_batch(void)
{
    static struct tl_ftrace_ops ops = {.entered = tell};
    uintptr_t site = tl_ftrace_site_of((uintptr_t)ftrace_refused_two);
    uint8_t kept = *(const volatile uint8_t *)(site + 4), foreign = kept ^ 1;
    tl_port_text_lock();
    bool written = tl_port_text_write(site + 4, &foreign, 1) == TL_OK;
    tl_port_serialize();
    tl_port_text_unlock();
    uint32_t before = test_text_sum();
    enum tl_status status = tl_ftrace_register(&ops);
    bool same = test_text_sum() == before;
    struct tl_ftrace_counts counts;
    tl_ftrace_count_all(&counts);
    told = 0;
    bool silent = ftrace_refused_one(1) == 2 && told == 0;
    tl_port_text_lock();
    written = tl_port_text_write(site + 4, &kept, 1) == TL_OK && written;
    tl_port_serialize();
    tl_port_text_unlock();
    TEST_CHECK(written && status == TL_TEXT_DIFFERS && same && silent && counts.refused == site);
    TEST_CHECK(tl_ftrace_register(&ops) == TL_OK && ftrace_refused_one(1) == 2 && told > 0);
    TEST_CHECK(tl_ftrace_unregister(&ops) == TL_OK);
    return NULL;
}
KERNEL_TEST(old_bytes_that_differ_refuse_the_batch);
