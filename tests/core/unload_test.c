/* SPDX-License-Identifier: MIT
 *
 * A library that is unloaded while its sites are poked, and loaded again at the same place: what is new is not written
 * by halves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

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
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_loaded_anew_is_left_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
