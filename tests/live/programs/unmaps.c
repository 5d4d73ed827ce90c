/* SPDX-License-Identifier: MIT
 *
 * Unmaps memory in all the ways that are easy to get wrong: unmaps [ROUNDS]. Threads that unmap the stack they stand
 * on, as musl's do at their end; signal handlers that unmap, and jump out, while the thread they interrupt unmaps;
 * children forked meanwhile.
 */
#include "traced.h"
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STACK = 65536 };

/* The thread's end: munmap(stack), exit(0), with nothing under its feet in between. */
__asm__(".text\n.globl f_unmap_self\n.type f_unmap_self, @function\n"
        "f_unmap_self:\n mov $11, %eax\n syscall\n xor %edi, %edi\n mov $60, %eax\n syscall\n ud2\n"
        ".size f_unmap_self, . - f_unmap_self\n");
_Noreturn void f_unmap_self(void *stack, size_t size);

static volatile unsigned started, interrupted;
static volatile bool jumps;
static sigjmp_buf out;

static TRACED void *f_map(size_t size)
{
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    memory[0] = 1;
    return memory;
}

static TRACED void f_unmap(void *memory, size_t size)
{
    CHECK(munmap(memory, size) == 0);
}

static int thread(void *stack)
{
    started++;
    f_unmap_self(stack, STACK);
}

static void on_alarm(int signal)
{
    (void)signal;
    f_unmap(f_map(STACK), STACK);
    interrupted++;
    if (jumps) {
        jumps = false;
        siglongjmp(out, 1);
    }
}

static void *unmap_all_the_time(void *stop)
{
    while (!*(volatile bool *)stop)
        f_unmap(f_map(STACK), STACK);
    return NULL;
}

int main(int argc, char **argv)
{
    volatile unsigned long rounds = argument(argc, argv, 1, 200);
    struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
    volatile bool stop = false;
    pthread_t other;
    sigset_t alarm;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    CHECK(sigprocmask(SIG_BLOCK, &alarm, NULL) == 0); /* only this thread has handlers */
    CHECK(pthread_create(&other, NULL, unmap_all_the_time, (void *)&stop) == 0);
    for (unsigned long i = 0; i < rounds; i++) {
        char *stack = f_map(STACK), *thread_pointer = stack + STACK - 1024; /* both in one mapping, as musl has them */
        unsigned before = started;
        *(char **)(uintptr_t)thread_pointer = thread_pointer;
        CHECK(clone(thread, thread_pointer - 1024,
                    CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS,
                    stack, NULL, thread_pointer) > 0);
        while (started == before)
            sched_yield();
        if (i % 16 == 0) {
            pid_t child = fork();
            if (child == 0) {
                f_unmap(f_map(STACK), STACK);
                _exit(7);
            }
            int status;
            CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
        }
    }
    signal(SIGALRM, on_alarm);
    CHECK(sigprocmask(SIG_UNBLOCK, &alarm, NULL) == 0);
    setitimer(ITIMER_REAL, &often, NULL);
    for (volatile unsigned long i = 0; i < rounds; i++) {
        if (sigsetjmp(out, 1) == 0) {
            jumps = true;
            while (jumps)
                f_unmap(f_map(STACK), STACK);
        }
    }
    setitimer(ITIMER_REAL, &never, NULL);
    stop = true;
    CHECK(pthread_join(other, NULL) == 0);
    printf("%u threads, %s\n", started, interrupted >= rounds ? "interrupted" : "not interrupted");
    return 0;
}
