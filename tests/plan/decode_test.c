/* SPDX-License-Identifier: MIT
 *
 * The plan's look at an instruction, which keeps what it has seen of an instruction's beginning, against the engine's
 * decoder, which is asked anew: the same bytes with other numbers in them, cut short anywhere.
 */
#include <plan/decode.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <trapline/insn.h>
/* after the above, as it wants */
#include <cmocka.h>

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

/* What each class of the engine's is here; of traps the two maps differ. */
static int classes[256][2];

static void check(const uint8_t *bytes, size_t size)
{
    const uint64_t address = 0x401000;
    struct tli_insn seen;
    struct tl_insn insn;
    bool is = tl_insn_decode(&insn, bytes, size, TL_MODE_64) == TL_OK;
    assert_int_equal(tli_decode(&seen, bytes, size, address), is);
    if (!is)
        return;
    uint64_t next = address + insn.length, target = 0, named = 0;
    bool mov = insn.map == 0 && insn.imm_size >= 4 && ((insn.opcode & 0xf8) == 0xb8 || insn.opcode == 0xc7);
    bool relative = insn.flags & TL_INSN_RIP_RELATIVE;
    if (insn.rel_size)
        target = next + (uint64_t)(int64_t)insn.rel;
    else if (relative)
        named = next + (uint64_t)(int64_t)insn.disp;
    else if (mov)
        memcpy(&named, bytes + insn.imm_offset, insn.imm_size);
    assert_int_equal(seen.length, insn.length);
    assert_int_equal(seen.target, target);
    assert_int_equal(seen.named, named);
    assert_int_equal(seen.is_address, !insn.rel_size && (relative ? insn.map == 0 && insn.opcode == 0x8d : mov));
    int *class = &classes[insn.category][insn.map == 1];
    if (!*class)
        *class = seen.class + 1;
    assert_int_equal(seen.class + 1, *class);
}

static void check_beginning(const uint8_t *begin, size_t length)
{
    uint8_t bytes[16];
    for (unsigned turn = 0; turn < 4; turn++) {
        for (size_t i = 0; i < sizeof bytes; i += 8) {
            uint64_t value = next_random();
            memcpy(bytes + i, &value, 8);
        }
        memcpy(bytes, begin, length);
        check(bytes, turn == 3 ? next_random() % 12 : sizeof bytes);
    }
}

static void every_beginning_is_read_as_the_engine_reads_it(void **state)
{
    (void)state;
    for (unsigned rex = 0x3f; rex < 0x50; rex++)
        for (unsigned map = 0; map < 2; map++)
            for (unsigned rest = 0; rest < 0x10000; rest++) {
                uint8_t begin[4];
                size_t length = 0;
                if (rex >= 0x40)
                    begin[length++] = (uint8_t)rex;
                if (map)
                    begin[length++] = 0x0f;
                begin[length++] = (uint8_t)(rest >> 8);
                begin[length++] = (uint8_t)rest;
                check_beginning(begin, length);
            }
}

static void other_prefixes_are_no_part_of_what_is_kept(void **state)
{
    (void)state;
    static const uint8_t prefixes[] = {0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x3e, 0x64, 0xc4, 0xc5, 0x62, 0x8f};
    for (unsigned i = 0; i < 2000000; i++) {
        uint64_t value = next_random();
        uint8_t begin[5];
        size_t length = 0;
        if (value & 1)
            begin[length++] = (uint8_t)(0x40 | (value >> 8 & 15));
        begin[length++] = prefixes[(value >> 16) % sizeof prefixes];
        if (value & 2)
            begin[length++] = (uint8_t)(0x40 | (value >> 24 & 15));
        if (value & 4)
            begin[length++] = 0x0f;
        check_beginning(begin, length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_beginning_is_read_as_the_engine_reads_it),
        cmocka_unit_test(other_prefixes_are_no_part_of_what_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
