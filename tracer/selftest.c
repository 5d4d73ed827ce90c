/* SPDX-License-Identifier: MIT
 *
 * The self-test. See selftest.h. Each requirement is tried on this very process, not read from a version number.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <tracer/process.h>
#include <tracer/selftest.h>
#include <unistd.h>

static bool fsgsbase(void)
{
    return (getauxval(AT_HWCAP2) & 2) != 0; /* HWCAP2_FSGSBASE */
}

static bool sync_core(void)
{
    long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    return commands > 0 && (commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE) &&
           syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0) == 0 &&
           syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0) == 0;
}

/* Text that is not writable can be written through /proc/PID/mem, and runs. */
static bool text_write(void)
{
    static const uint8_t code[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov $42, %eax; ret */
    uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int memory = tl_process_memory(getpid()), (*function)(void);
    if (page == MAP_FAILED || memory < 0)
        return false;
    bool written = tl_memory_write(memory, (uintptr_t)page, code, sizeof(code));
    memcpy(&function, &page, sizeof(function));
    bool works = written && function() == 42;
    close(memory);
    munmap(page, 4096);
    return works;
}

static bool executable_memfd(void)
{
    int fd = memfd_create("trapline-selftest", MFD_CLOEXEC);
    bool works = fd >= 0 && ftruncate(fd, 4096) == 0;
    void *page = works ? mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    if (page != MAP_FAILED)
        munmap(page, 4096);
    if (fd >= 0)
        close(fd);
    return page != MAP_FAILED;
}

static bool wipe_on_fork(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool works = page != MAP_FAILED && madvise(page, 4096, MADV_WIPEONFORK) == 0;
    if (page != MAP_FAILED)
        munmap(page, 4096);
    return works;
}

int tl_selftest(bool json)
{
    static const struct {
        const char *name, *what;
        bool (*met)(void);
    } needs[] = {
        {"fsgsbase", "RDGSBASE for programs (Linux 5.9, processors since 2013)", fsgsbase},
        {"membarrier", "membarrier SYNC_CORE (Linux 4.16)", sync_core},
        {"text_write", "writing text through /proc/PID/mem", text_write},
        {"executable_memfd", "executable mappings of a memfd", executable_memfd},
        {"wipe_on_fork", "MADV_WIPEONFORK (Linux 4.14)", wipe_on_fork},
    };
    const size_t count = sizeof(needs) / sizeof(needs[0]);
    int missing = 0;
    for (size_t i = 0; i < count; i++) {
        bool met = needs[i].met();
        missing += !met;
        if (json)
            printf("%s\"%s\": %s%s", i ? ", " : "{", needs[i].name, met ? "true" : "false",
                   i + 1 == count ? "}\n" : "");
        else
            printf("%-8s %s\n", met ? "ok" : "MISSING", needs[i].what);
    }
    return missing != 0;
}
