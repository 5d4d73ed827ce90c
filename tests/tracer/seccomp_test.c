/* SPDX-License-Identifier: MIT
 *
 * Running seccomp filters: tracer/seccomp.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <sys/syscall.h>
#include <tracer/seccomp.h>

#define RUN(filter, data) tl_seccomp_run(filter, sizeof(filter) / sizeof((filter)[0]), data)

static void a_call_is_told_from_another(void **state)
{
    (void)state;
    const struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct seccomp_data data = {.nr = SYS_clone};
    assert_int_equal(RUN(filter, &data), SECCOMP_RET_ERRNO | 1);
    data.nr = SYS_read;
    assert_int_equal(RUN(filter, &data), SECCOMP_RET_ALLOW);
}

static void arguments_memory_and_arithmetic_work(void **state)
{
    (void)state;
    const struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 4),
        BPF_STMT(BPF_ST, 3),
        BPF_STMT(BPF_LDX | BPF_W | BPF_MEM, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_IMM, 3),
        BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    struct seccomp_data data = {.args = {0, 0, 7}};
    assert_int_equal(RUN(filter, &data), 7);
    data.args[2] = 3;
    assert_int_equal(RUN(filter, &data), 3);
}

static void a_program_that_is_none_forbids(void **state)
{
    (void)state;
    const struct sock_filter no_end[] = {BPF_STMT(BPF_LD | BPF_W | BPF_IMM, 3)};
    const struct sock_filter far[] = {BPF_STMT(BPF_JMP | BPF_JA, 0xffffffff),
                                      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const struct sock_filter wild[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4096),
                                       BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const struct sock_filter zero[] = {BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0),
                                       BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct seccomp_data data = {0};
    assert_int_equal(RUN(no_end, &data), SECCOMP_RET_KILL_PROCESS);
    assert_int_equal(RUN(far, &data), SECCOMP_RET_KILL_PROCESS);
    assert_int_equal(RUN(wild, &data), SECCOMP_RET_KILL_PROCESS);
    assert_int_equal(RUN(zero, &data), SECCOMP_RET_KILL_PROCESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_told_from_another),
        cmocka_unit_test(arguments_memory_and_arithmetic_work),
        cmocka_unit_test(a_program_that_is_none_forbids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
