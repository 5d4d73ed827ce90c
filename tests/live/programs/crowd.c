/* SPDX-License-Identifier: MIT
 *
 * More functions than one batch takes, and more than it takes sites: 280,000, crowd_0 and so on. Calls the first one
 * once, each 1,000th after it, and the last one twice.
 */
#include "traced.h"

enum { FUNCTIONS = 280000, STEP = 1000 };

/* Each has room for the jump of an entry and for that of an exit, with a stub anywhere. */
__asm__(".pushsection .text\n"
        "        .altmacro\n"
        "        .macro crowd n\n"
        "        .p2align 4\n"
        "        .type crowd_\\n, @function\n"
        "crowd_\\n: lea 0x12345(%rdi),%eax\n"
        "        sub $0x12345 - 1,%eax\n"
        "        ret\n"
        "        .size crowd_\\n, . - crowd_\\n\n"
        "        .endm\n"
        "        .p2align 4\n"
        "first_of_crowd:\n"
        "        .set i, 0\n"
        "        .rept 280000\n"
        "        crowd %i\n"
        "        .set i, i + 1\n"
        "        .endr\n"
        "        .noaltmacro\n"
        "        .popsection\n");

typedef int function(int x);
extern char first_of_crowd[] __attribute__((visibility("hidden")));

static void call(int number)
{
    function *called = (function *)(void *)(first_of_crowd + 16L * number);
    CHECK(called(number) == number + 1);
}

int main(void)
{
    for (int i = 0; i < FUNCTIONS; i += STEP) {
        call(i);
        printf("count crowd_%d 1\n", i);
    }
    for (int i = 0; i < 2; i++)
        call(FUNCTIONS - 1);
    printf("count crowd_%d 2\n", FUNCTIONS - 1);
    return 0;
}
