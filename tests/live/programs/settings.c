/* SPDX-License-Identifier: MIT
 *
 * Programs that change what a tracer inside them would rely on, then work on: settings HOW [serve]. With "serve" it
 * works until standard input ends, so that a tracer can attach.
 */
#include "traced.h"
#include <asm/prctl.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned long own_base[64];

static TRACED unsigned long f_work(unsigned long x)
{
    return x * 9 + 1;
}

static void work(void)
{
    for (unsigned long i = 0; i < 20000; i++)
        CHECK(f_work(i) == i * 9 + 1);
}

static void limit(int what, rlim_t value)
{
    struct rlimit both = {value, value};
    CHECK(setrlimit(what, &both) == 0);
}

/* What is mapped now, and a little: a new mapping of a page still works, a larger one does not. */
static void no_memory(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file && fscanf(file, "%lu", &pages) == 1);
    fclose(file);
    limit(RLIMIT_AS, pages * 4096 + 65536);
}

static void own_gs(int set)
{
#ifdef __x86_64__
    unsigned long value;
    if (set) {
        for (unsigned long i = 0; i < 64; i++)
            own_base[i] = 1000 + i;
        CHECK(syscall(SYS_arch_prctl, ARCH_SET_GS, own_base) == 0);
    }
    for (unsigned long i = 0; i < 1000; i++) {
        __asm__ volatile("movq %%gs:(%1), %0" : "=r"(value) : "r"(i % 64 * 8) : "memory");
        CHECK(value == 1000 + i % 64);
        CHECK(f_work(i) == i * 9 + 1);
    }
#else
    (void)set, (void)own_base;
#endif
}

static void change(const char *how)
{
    if (strcmp(how, "undumpable") == 0)
        CHECK(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0);
    if (strcmp(how, "close") == 0)
        CHECK(syscall(SYS_close_range, 3, ~0u, 0) == 0);
    if (strcmp(how, "files") == 0)
        limit(RLIMIT_NOFILE, 3);
    if (strcmp(how, "filesize") == 0)
        limit(RLIMIT_FSIZE, 65536);
    if (strcmp(how, "memory") == 0)
        no_memory();
    if (strcmp(how, "lock") == 0)
        CHECK(mlockall(MCL_CURRENT) == 0 || errno == ENOMEM || errno == EPERM);
    if (strcmp(how, "gs") == 0)
        own_gs(1);
    if (strcmp(how, "chdir") == 0)
        CHECK(chdir("/") == 0);
    if (strcmp(how, "user") == 0 && getuid() == 0)
        CHECK(setregid(65534, 65534) == 0 && setreuid(65534, 65534) == 0);
    if (strcmp(how, "root") == 0 && getuid() == 0)
        CHECK(chroot("/proc/self/fdinfo") == 0 && chdir("/") == 0);
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "none";
    struct stat status;
    char byte;

    let_anyone_trace();
    for (int fd = 3; fd < 64; fd++) /* a tracer leaves no descriptor of its own in here */
        if (fstat(fd, &status) == 0)
            printf("descriptor %d is open\n", fd);
    work();
    change(how);
    work();
    if (argc > 2) {
        puts("ready");
        fflush(stdout);
        while (read(0, &byte, 1) > 0)
            work();
        work();
    }
    if (strcmp(how, "gs") == 0)
        own_gs(0);
    printf("worked\n");
    return 0;
}
