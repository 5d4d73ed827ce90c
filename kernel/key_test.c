/* SPDX-License-Identifier: MIT
 *
 * Tests of static keys, static calls and the notifier chain in ring 0, while other CPUs run into the changes.
 */
#include <kernel/smp.h>
#include <kernel/test.h>
#include <kernel/thread.h>
#include <regs.h>
#include <stdatomic.h>
#include <trapline/key.h>
#include <trapline/notify.h>
#include <trapline/port.h>

static TL_KEY_OFF(key_starts_off);
static TL_KEY_ON(key_starts_on);

static unsigned call_first(unsigned n)
{
    return n + 1;
}

static unsigned call_second(unsigned n)
{
    return n + 2;
}

TL_STATIC_CALL(key_test_call, call_first);

static unsigned forms(void)
{
    return (unsigned)tl_key_unlikely(key_starts_off) | (unsigned)tl_key_likely(key_starts_off) << 1 |
           (unsigned)tl_key_unlikely(key_starts_on) << 2 | (unsigned)tl_key_likely(key_starts_on) << 3;
}

static const char *keys_are_read_in_every_form(void)
{
    for (unsigned round = 0; round < 3; round++) {
        TEST_CHECK(forms() == 0xc);
        TEST_CHECK(tl_key_set(&key_starts_off.key, true) == TL_OK && forms() == 0xf);
        TEST_CHECK(tl_key_set(&key_starts_on.key, false) == TL_OK && forms() == 0x3);
        TEST_CHECK(tl_key_set(&key_starts_off.key, false) == TL_OK && forms() == 0);
        TEST_CHECK(tl_key_set(&key_starts_on.key, true) == TL_OK && forms() == 0xc);
    }
    TEST_CHECK(tl_key_get(&key_starts_off.key) == TL_OK && tl_key_get(&key_starts_off.key) == TL_OK);
    TEST_CHECK(tl_key_put(&key_starts_off.key) == TL_OK && forms() == 0xf);
    TEST_CHECK(tl_key_put(&key_starts_off.key) == TL_OK && forms() == 0xc);
    TEST_CHECK(tl_key_put(&key_starts_off.key) == TL_BAD_ARGUMENT);
    return NULL;
}
KERNEL_TEST(keys_are_read_in_every_form);

static const char *static_calls_go_where_they_are_set(void)
{
    for (unsigned round = 0; round < 3; round++) {
        TEST_CHECK(key_test_call(1) == 2);
        TEST_CHECK(tl_static_call_set(key_test_call, call_second) == TL_OK && key_test_call(1) == 3);
        TEST_CHECK(tl_static_call_set(key_test_call, NULL) == TL_OK && key_test_call(1) == 0);
        TEST_CHECK(tl_static_call_set(key_test_call, call_first) == TL_OK);
    }
    return NULL;
}
KERNEL_TEST(static_calls_go_where_they_are_set);

/* ---- while other CPUs read and call ---- */

static _Atomic bool ended;
static _Atomic unsigned reads, wrong;

static void reads_and_calls(void *unused)
{
    (void)unused;
    while (!atomic_load(&ended)) {
        unsigned got = key_test_call(1);
        if ((got != 2 && got != 3) || (forms() & 0xc) != 0xc)
            atomic_fetch_add(&wrong, 1);
        atomic_fetch_add(&reads, 1);
    }
}

static const char *all_cpus_read_one_or_the_other(void)
{
    struct thread *threads[CPU_MAX];
    unsigned count = 0;
    unsigned long switches = test_option("switches", 200);
    bool good = true;
    atomic_store(&ended, false);
    atomic_store(&reads, 0);
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
        if (cpu != cpu_id() || cpu_count() == 1)
            threads[count++] = thread_start_on(cpu, "key reader", reads_and_calls, NULL);
    for (unsigned long round = 0; round < switches && good; round++) {
        good = tl_static_call_set(key_test_call, round & 1 ? call_first : call_second) == TL_OK &&
               tl_key_set(&key_starts_off.key, !(round & 1)) == TL_OK;
        if (cpu_count() == 1)
            thread_yield();
    }
    while (atomic_load(&reads) == 0)
        thread_yield();
    atomic_store(&ended, true);
    for (unsigned i = 0; i < count; i++)
        thread_wait(threads[i]);
    console_print("  %u reads, %u switches\n", atomic_load(&reads), (unsigned)switches);
    TEST_CHECK(good);
    TEST_CHECK(atomic_load(&wrong) == 0);
    return NULL;
}
KERNEL_TEST(all_cpus_read_one_or_the_other);

/* ---- a notifier that emulates a call, for an int3 that is nobody's ---- */

extern const uint8_t key_test_int3[];
__asm__(".pushsection .text\n"
        ".globl key_test_int3, key_test_target\n"
        "key_test_int3: .byte 0xcc, 0x90, 0x90, 0x90, 0x90\n"
        "    ret\n"
        "key_test_target:\n"
        "    add $1, %eax\n"
        "    ret\n"
        ".popsection");
extern const uint8_t key_test_target[];

static bool calls_instead(struct tl_notifier *self, const struct tl_notification *what)
{
    (void)self;
    if (what->event != TL_NOTIFY_INT3 || (*what->regs)->ip != (uintptr_t)key_test_int3 + 1)
        return false;
    tl_port_push(what->regs, (uintptr_t)key_test_int3 + 5);
    (*what->regs)->ip = (uintptr_t)key_test_target;
    return true;
}

static const char *a_notifier_can_emulate_a_call(void)
{
    struct tl_notifier notifier = {calls_instead, INT32_MAX - 1};
    unsigned long reached = 0;
    TEST_CHECK(tl_notifier_register(&notifier) == TL_OK);
    for (unsigned i = 0; i < 100; i++)
        __asm__ volatile("call *%1" : "+a"(reached) : "r"(key_test_int3) : "memory", "cc");
    TEST_CHECK(tl_notifier_unregister(&notifier) == TL_OK);
    TEST_CHECK(reached == 100);
    return NULL;
}
KERNEL_TEST(a_notifier_can_emulate_a_call);
