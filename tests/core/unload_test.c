/* SPDX-License-Identifier: MIT
 *
 * A library that is unloaded while its sites are poked, and loaded again at the same place: what is new is not written
 * by halves.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <core/poke.h>
#include <port/sim/sim.h>

#define FIRST (TL_SIM_TEXT + 0x1000)
#define SECOND (TL_SIM_TEXT + 0x2000) /* in a page of its own */

static const uint8_t old_bytes[TLI_SITE_BYTES] = {0x48, 0x89, 0xf8, 0x48, 0x85};
static const uint8_t new_bytes[TLI_SITE_BYTES] = {0xe9, 0x11, 0x22, 0x33, 0xf0};

static struct tli_site sites[2];
static const uint8_t *loaded;  /* what the file holds at both places */
static uint8_t reload_at;      /* which byte of the first site changes when it happens */
static unsigned changes_first; /* after so many changes of it */
static bool torn;              /* bytes behind a head that was executed have changed */

static void reload(uintptr_t address, uint8_t before, uint8_t after)
{
    uint8_t head;
    (void)before, (void)after;
    tl_sim_text_get(SECOND, &head, 1);
    torn |= address > SECOND && address < SECOND + TLI_SITE_BYTES && head != 0xcc;
    if (address != FIRST + reload_at || changes_first-- != 0)
        return;
    tl_sim_text_set(FIRST, loaded, TLI_SITE_BYTES);
    tl_sim_text_set(SECOND, loaded, TLI_SITE_BYTES);
}

static void poke(enum tli_poke_direction direction, uint8_t at, unsigned changes)
{
    const uintptr_t address[] = {FIRST, SECOND};
    struct tli_site *batch[2];
    uint8_t found[TLI_SITE_BYTES];
    loaded = old_bytes;
    for (unsigned i = 0; i < 2; i++) {
        memset(&sites[i], 0, sizeof(sites[i]));
        sites[i].address = address[i];
        sites[i].size = TLI_SITE_BYTES;
        sites[i].starts = 1;
        memcpy(sites[i].old_bytes, old_bytes, TLI_SITE_BYTES);
        memcpy(sites[i].new_bytes, new_bytes, TLI_SITE_BYTES);
        tl_sim_text_set(address[i], direction == TLI_POKE_ARM ? old_bytes : new_bytes, TLI_SITE_BYTES);
        batch[i] = &sites[i];
    }
    reload_at = at;
    changes_first = changes;
    tl_sim_text_watch(reload);
    tli_poke_write(batch, 2, direction);
    tl_sim_text_watch(NULL);
    tl_sim_text_get(SECOND, found, sizeof(found));
    assert_false(torn);
    if (found[0] != old_bytes[0])
        assert_memory_equal(found, new_bytes, sizeof(found));
    else
        assert_memory_equal(found, old_bytes, sizeof(found));
}

/* What is held is not unmapped; who is unmapping is waited for. */
static _Atomic int unmapping;

static void *unmap(void *unused)
{
    unsigned cookie;
    (void)unused;
    assert_true(tli_site_unmap_begin(SECOND - 64, 128, &cookie));
    atomic_store(&unmapping, 1);
    usleep(30000);
    atomic_store(&unmapping, 2);
    tli_site_unmap_end(cookie);
    return NULL;
}

static void a_poke_and_an_unmapping_wait_for_each_other(void **context)
{
    static struct tli_site site = {.address = SECOND, .size = TLI_SITE_BYTES, .starts = 1};
    struct tli_site *batch[] = {&site};
    unsigned cookie, other;
    pthread_t thread;
    (void)context;
    atomic_store(&site.state, TLI_SITE_STANDING);
    assert_int_equal(tli_site_publish(batch, 1), TL_OK);
    tli_site_hold();
    assert_false(tli_site_unmap_begin(SECOND - 64, 65, &cookie));
    assert_false(tli_site_unmap_begin(SECOND + TLI_SITE_BYTES - 1, 4096, &cookie));
    assert_true(tli_site_unmap_begin(SECOND - 64, 64, &cookie));
    assert_true(tli_site_unmap_begin(SECOND + TLI_SITE_BYTES, 4096, &other));
    tli_site_unmap_end(cookie);
    tli_site_unmap_end(other);
    tli_site_unhold();
    assert_int_equal(pthread_create(&thread, NULL, unmap, NULL), 0);
    while (atomic_load(&unmapping) == 0)
        usleep(100);
    tli_site_hold();
    assert_int_equal(atomic_load(&unmapping), 2);
    tli_site_unhold();
    pthread_join(thread, NULL);
}

/* A child finds nobody inside who is not there. */
static void a_forked_child_waits_for_nobody(void **context)
{
    struct tli_readers *readers = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned cookie;
    int status;
    (void)context;
    assert_int_equal(madvise(readers, 4096, MADV_WIPEONFORK), 0);
    tli_site_readers_at(readers);
    assert_true(tli_site_unmap_begin(FIRST, 1, &cookie));
    pid_t child = fork();
    if (child == 0) {
        alarm(10);
        tli_site_hold();
        _exit(7);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    tli_site_unmap_end(cookie);
}

/* Byte 0 changes in the first step and in the last, byte 1 in the second. */
static void what_is_loaded_anew_is_left_alone(void **context)
{
    (void)context;
    poke(TLI_POKE_ARM, 0, 0);
    poke(TLI_POKE_ARM, 1, 0);
    poke(TLI_POKE_ARM, 0, 1);
    poke(TLI_POKE_DISARM, 0, 0);
    poke(TLI_POKE_DISARM, 1, 0);
    poke(TLI_POKE_DISARM, 0, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_loaded_anew_is_left_alone),
        cmocka_unit_test(a_poke_and_an_unmapping_wait_for_each_other),
        cmocka_unit_test(a_forked_child_waits_for_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
