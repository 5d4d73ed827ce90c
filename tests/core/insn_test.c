/* SPDX-License-Identifier: MIT
 *
 * Claims about the instruction decoder, one by one. That it agrees with Zydis and objdump on everything else is shown
 * by insn_oracle.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <trapline/insn.h>

/* Decodes bytes written in hexadecimal. */
static enum tl_status decode(struct tl_insn *out, const char *hex, enum tl_insn_mode mode)
{
    uint8_t bytes[32];
    size_t size = 0;
    unsigned byte;
    int used;
    for (; sscanf(hex, "%2x%n", &byte, &used) == 1; hex += used)
        bytes[size++] = (uint8_t)byte;
    return tl_insn_decode(out, bytes, size, mode);
}

static struct tl_insn insn64(const char *hex)
{
    struct tl_insn insn;
    assert_int_equal(decode(&insn, hex, TL_MODE_64), TL_OK);
    return insn;
}

static struct tl_insn insn32(const char *hex)
{
    struct tl_insn insn;
    assert_int_equal(decode(&insn, hex, TL_MODE_32), TL_OK);
    return insn;
}

static void refuses(const char *hex, enum tl_insn_mode mode)
{
    static const struct tl_insn zero;
    struct tl_insn insn;
    memset(&insn, 0xff, sizeof insn);
    assert_int_equal(decode(&insn, hex, mode), TL_NO_INSTRUCTION);
    assert_memory_equal(&insn, &zero, sizeof insn);
}

static void every_class_is_told_by_its_bytes(void **state)
{
    static const struct {
        const char *hex;
        uint8_t class, length;
    } cases[] = {
        {"4889e5", TL_INSN_OTHER, 3},
        {"f390", TL_INSN_OTHER, 2},
        {"4190", TL_INSN_OTHER, 2},
        {"0f0d09", TL_INSN_OTHER, 3},
        {"f30f1ec8", TL_INSN_OTHER, 4},
        {"c6f800", TL_INSN_OTHER, 3},
        {"0f01d5", TL_INSN_OTHER, 3},
        {"90", TL_INSN_NOP, 1},
        {"6690", TL_INSN_NOP, 2},
        {"0f1f00", TL_INSN_NOP, 3},
        {"66662e0f1f840000000000", TL_INSN_NOP, 11},
        {"f30f1efa", TL_INSN_ENDBR, 4},
        {"f30f1efb", TL_INSN_ENDBR, 4},
        {"e800000000", TL_INSN_CALL_REL, 5},
        {"ffd0", TL_INSN_CALL_IND, 2},
        {"ff1500000000", TL_INSN_CALL_IND, 6},
        {"eb00", TL_INSN_JMP_REL, 2},
        {"e900000000", TL_INSN_JMP_REL, 5},
        {"41ffe3", TL_INSN_JMP_IND, 3},
        {"7400", TL_INSN_JCC, 2},
        {"0f8500000000", TL_INSN_JCC, 6},
        {"e000", TL_INSN_LOOP, 2},
        {"e100", TL_INSN_LOOP, 2},
        {"e200", TL_INSN_LOOP, 2},
        {"e300", TL_INSN_LOOP, 2},
        {"67e300", TL_INSN_LOOP, 3},
        {"c7f800000000", TL_INSN_XBEGIN, 6},
        {"c3", TL_INSN_RET, 1},
        {"c20800", TL_INSN_RET, 3},
        {"f3c3", TL_INSN_RET, 2},
        {"cb", TL_INSN_FAR, 1},
        {"ca0000", TL_INSN_FAR, 3},
        {"48cf", TL_INSN_FAR, 2},
        {"ff18", TL_INSN_FAR, 2},
        {"ff28", TL_INSN_FAR, 2},
        {"480f07", TL_INSN_FAR, 3},
        {"0f35", TL_INSN_FAR, 2},
        {"0f05", TL_INSN_SYSCALL, 2},
        {"0f34", TL_INSN_SYSCALL, 2},
        {"cd80", TL_INSN_SYSCALL, 2},
        {"cc", TL_INSN_INT3, 1},
        {"cd03", TL_INSN_TRAP, 2},
        {"f1", TL_INSN_TRAP, 1},
        {"0f0b", TL_INSN_TRAP, 2},
        {"0fb9c0", TL_INSN_TRAP, 3},
        {"0fff00", TL_INSN_TRAP, 3},
        {"f4", TL_INSN_HLT, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tl_insn insn = insn64(cases[i].hex);
        if (insn.category != cases[i].class || insn.length != cases[i].length)
            fail_msg("%s: class %u, length %u", cases[i].hex, insn.category, insn.length);
    }
    assert_int_equal(insn32("ce").category, TL_INSN_TRAP);
    assert_int_equal(insn32("9a000000000000").category, TL_INSN_FAR);
    assert_int_equal(insn32("ea000000000000").category, TL_INSN_FAR);
}

static void a_jcc_carries_its_condition(void **state)
{
    (void)state;
    assert_int_equal(insn64("7e10").cc, 14);
    assert_int_equal(insn64("0f8f10000000").cc, 15);
    assert_int_equal(insn64("90").cc, 0);
}

static void a_relative_operand_is_no_immediate(void **state)
{
    struct tl_insn call = insn64("e8fbffffff"), jump = insn64("f2ebfe");
    (void)state;
    assert_int_equal(call.rel_offset, 1);
    assert_int_equal(call.rel_size, 4);
    assert_int_equal(call.rel, -5);
    assert_int_equal(call.imm_size, 0);
    assert_int_equal(jump.rel_offset, 2);
    assert_int_equal(jump.rel_size, 1);
    assert_int_equal(jump.rel, -2);
}

static void a_66_shortens_a_branch_only_in_32_bit_mode(void **state)
{
    struct tl_insn narrow = insn32("66e9feff"), wide = insn64("66e900000080");
    (void)state;
    assert_int_equal(narrow.rel_size, 2);
    assert_int_equal(narrow.rel, -2);
    assert_int_equal(wide.rel_size, 4);
    assert_int_equal(wide.rel, INT32_MIN);
}

static void a_displacement_is_found_and_signed(void **state)
{
    struct tl_insn byte = insn64("488b45f8"), word = insn32("678b86feff"), dword = insn64("488b8424f0ffffff");
    (void)state;
    assert_int_equal(byte.disp_offset, 3);
    assert_int_equal(byte.disp_size, 1);
    assert_int_equal(byte.disp, -8);
    assert_int_equal(word.disp_size, 2);
    assert_int_equal(word.disp, -2);
    assert_int_equal(dword.disp_offset, 4);
    assert_int_equal(dword.disp, -16);
    assert_int_equal(insn64("8b00").disp_size, 0);
    assert_int_equal(insn64("8b042500000000").disp_size, 4);
}

static void mod_0_rm_5_is_rip_relative_only_in_64_bit_mode(void **state)
{
    struct tl_insn insn = insn64("488d0578563412");
    (void)state;
    assert_true(insn.flags & TL_INSN_RIP_RELATIVE);
    assert_int_equal(insn.disp_offset, 3);
    assert_int_equal(insn.disp, 0x12345678);
    assert_false(insn32("8d0578563412").flags & TL_INSN_RIP_RELATIVE);
    assert_true(insn64("678d0578563412").flags & TL_INSN_RIP_RELATIVE);
    assert_false(insn64("8d8578563412").flags & TL_INSN_RIP_RELATIVE);
    assert_false(insn64("8d042578563412").flags & TL_INSN_RIP_RELATIVE);
}

static void an_immediate_follows_the_displacement(void **state)
{
    struct tl_insn insn = insn64("c7051122334455667788");
    (void)state;
    assert_int_equal(insn.disp_offset, 2);
    assert_int_equal(insn.disp, 0x44332211);
    assert_int_equal(insn.imm_offset, 6);
    assert_int_equal(insn.imm_size, 4);
    assert_int_equal(insn64("66c7051122334455 66").imm_size, 2);
    assert_int_equal(insn64("f60001").imm_size, 1);
    assert_int_equal(insn64("f610").imm_size, 0);
}

static void immediates_are_as_wide_as_prefixes_make_them(void **state)
{
    (void)state;
    assert_int_equal(insn64("48b80000000000000000").imm_size, 8);
    assert_int_equal(insn64("b800000000").imm_size, 4);
    assert_int_equal(insn64("66b80000").imm_size, 2);
    assert_int_equal(insn64("4881c000000000").imm_size, 4);
    assert_int_equal(insn64("6648c7c000000000").imm_size, 4);
    assert_int_equal(insn64("c8000001").imm_size, 3);
    assert_int_equal(insn32("66ea00000000").imm_size, 4);
    assert_int_equal(insn64("a10000000000000000").imm_size, 8);
    assert_int_equal(insn64("67a100000000").imm_size, 4);
    assert_int_equal(insn32("67a10000").imm_size, 2);
}

static void prefixes_show_in_the_flags(void **state)
{
    (void)state;
    assert_int_equal(insn64("f00fb10f").flags, TL_INSN_LOCK);
    assert_int_equal(insn64("f3a4").flags, TL_INSN_REP);
    assert_int_equal(insn64("f2c3").flags, TL_INSN_REPNE);
    assert_int_equal(insn64("6689c0").flags, TL_INSN_OPSIZE);
    assert_int_equal(insn64("678b00").flags, TL_INSN_ADDRSIZE);
    assert_int_equal(insn64("64488b042528000000").flags, TL_INSN_SEGMENT);
    assert_int_equal(insn64("642e8b00").flags, TL_INSN_SEGMENT);
    assert_int_equal(insn32("642e8b00").flags, 0);
    assert_int_equal(insn64("3effe0").flags, TL_INSN_NOTRACK);
    assert_int_equal(insn64("3e8b00").flags, 0);
}

static void rex_counts_only_right_before_the_opcode(void **state)
{
    (void)state;
    assert_int_equal(insn64("4889c0").rex, 0x48);
    assert_int_equal(insn64("486689c0").rex, 0);
    assert_int_equal(insn64("4f4189c0").rex, 0x41);
    assert_int_equal(insn32("48").length, 1);
}

static void opcode_maps_are_told_apart(void **state)
{
    struct tl_insn insn = insn64("660f3a0fc108");
    (void)state;
    assert_int_equal(insn.map, 3);
    assert_int_equal(insn.opcode, 0x0f);
    assert_int_equal(insn.opcode_offset, 3);
    assert_int_equal(insn.modrm_offset, 4);
    assert_int_equal(insn.imm_offset, 5);
    assert_int_equal(insn64("0f38f000").map, 2);
    assert_int_equal(insn64("c5f877").opcode_offset, 2);
    assert_int_equal(insn64("c4e37d18c101").map, 3);
    assert_int_equal(insn64("62f17c4828c1").opcode_offset, 4);
    assert_int_equal(insn64("8fe878c2c1c200").map, 8);
}

static void a_3dnow_opcode_is_the_last_byte(void **state)
{
    struct tl_insn insn = insn64("0f0f4808b4");
    (void)state;
    assert_int_equal(insn.length, 5);
    assert_int_equal(insn.opcode, 0xb4);
    assert_int_equal(insn.opcode_offset, 4);
    assert_int_equal(insn.disp_offset, 3);
    refuses("0f0f480800", TL_MODE_64);
}

static void vector_escapes_keep_their_old_meaning_in_32_bit_mode(void **state)
{
    (void)state;
    assert_int_equal(insn32("c500").length, 2);
    assert_int_equal(insn32("c400").length, 2);
    assert_int_equal(insn32("6200").length, 2);
    assert_int_equal(insn32("8f00").length, 2);
    assert_int_equal(insn32("c5f877").map, 1);
    refuses("c500", TL_MODE_64);
}

static void bad_combinations_are_refused(void **state)
{
    (void)state;
    refuses("f089c0", TL_MODE_64);       /* LOCK without memory */
    refuses("f08b00", TL_MODE_64);       /* LOCK on a load */
    refuses("06", TL_MODE_64);           /* push es */
    refuses("66c5f877", TL_MODE_64);     /* 66 before VEX */
    refuses("48c5f877", TL_MODE_64);     /* REX before VEX */
    refuses("c5e85bc1", TL_MODE_64);     /* vcvtdq2ps takes no vvvv */
    refuses("c4e27992c1", TL_MODE_64);   /* a gather from a register */
    refuses("c4e2719004c9", TL_MODE_64); /* a gather whose index is its mask */
    refuses("8ec8", TL_MODE_64);         /* mov to cs */
    refuses("0f20c8", TL_MODE_64);       /* cr1 */
    refuses("0f04", TL_MODE_64);
    refuses("fff8", TL_MODE_32);
}

static void more_than_15_bytes_are_refused(void **state)
{
    (void)state;
    assert_int_equal(insn64("6666666666666666666666666666 90").length, 15);
    refuses("66666666666666666666666666666690", TL_MODE_64);
    refuses("2e2e2e2e2e2e2e2e2e2e 48b80000000000000000", TL_MODE_64);
}

static void it_never_reads_behind_the_buffer(void **state)
{
    static const char *const samples[] = {"48b80011223344556677", "62f17c48288424f0ffffff",
                                          "0f0f842411223344b4",   "c8000001",
                                          "66e900000000",         "c4e37d188424f0ffffff01"};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *room = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)state;
    assert_true(room != MAP_FAILED);
    assert_int_equal(mprotect(room + page, page, PROT_NONE), 0);
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        size_t whole = strlen(samples[i]) / 2;
        for (size_t size = 0; size <= whole; size++) {
            struct tl_insn insn;
            uint8_t *bytes = room + page - size;
            unsigned byte;
            for (size_t j = 0; j < size; j++) {
                assert_int_equal(sscanf(samples[i] + 2 * j, "%2x", &byte), 1);
                bytes[j] = (uint8_t)byte;
            }
            enum tl_status status = tl_insn_decode(&insn, bytes, size, TL_MODE_64);
            assert_int_equal(status, size == whole ? TL_OK : TL_NO_INSTRUCTION);
        }
    }
    munmap(room, 2 * page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_class_is_told_by_its_bytes),
        cmocka_unit_test(a_jcc_carries_its_condition),
        cmocka_unit_test(a_relative_operand_is_no_immediate),
        cmocka_unit_test(a_66_shortens_a_branch_only_in_32_bit_mode),
        cmocka_unit_test(a_displacement_is_found_and_signed),
        cmocka_unit_test(mod_0_rm_5_is_rip_relative_only_in_64_bit_mode),
        cmocka_unit_test(an_immediate_follows_the_displacement),
        cmocka_unit_test(immediates_are_as_wide_as_prefixes_make_them),
        cmocka_unit_test(prefixes_show_in_the_flags),
        cmocka_unit_test(rex_counts_only_right_before_the_opcode),
        cmocka_unit_test(opcode_maps_are_told_apart),
        cmocka_unit_test(a_3dnow_opcode_is_the_last_byte),
        cmocka_unit_test(vector_escapes_keep_their_old_meaning_in_32_bit_mode),
        cmocka_unit_test(bad_combinations_are_refused),
        cmocka_unit_test(more_than_15_bytes_are_refused),
        cmocka_unit_test(it_never_reads_behind_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
