/* SPDX-License-Identifier: MIT
 *
 * No libc, no loader, no thread pointer: prints its count, ends with 5. With any argument it goes on until standard
 * input ends, so that a tracer can attach.
 */
/* build: -nostdlib -static -ffreestanding -fno-stack-protector */
#define TRACED __attribute__((noinline))

static long system_call(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

static TRACED unsigned long f_work(unsigned long x)
{
    __asm__ volatile("");
    return x * 3 + 1;
}

static TRACED void f_say(const char *text, long length)
{
    system_call(1, 1, (long)text, length);
}

__attribute__((used)) static void begin(const long *stack)
{
    static const char wrong[] = "wrong result\n", said[] = "count f_work 50000\ncount f_say 1\nunreturned 0\n";
    char byte;
    if (stack[0] > 1)
        while (system_call(0, 0, (long)&byte, 1) > 0)
            ;
    for (unsigned long i = 0; i < 50000; i++)
        if (f_work(i) != i * 3 + 1) {
            f_say(wrong, sizeof wrong - 1);
            system_call(231, 99, 0, 0);
        }
    f_say(said, sizeof said - 1);
    system_call(231, 5, 0, 0);
}

__asm__(".globl _start\n_start: xor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall begin\n\thlt\n");
