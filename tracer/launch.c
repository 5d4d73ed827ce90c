/* SPDX-License-Identifier: MIT
 *
 * Launching. See launch.h.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <tracer/launch.h>
#include <tracer/process.h>
#include <unistd.h>

/* The child: waits until it is seized, then becomes the program. */
static _Noreturn void become(char *const *argv, const int *go, int failed)
{
    char byte;
    close(go[1]);
    while (read(go[0], &byte, 1) < 0 && errno == EINTR)
        ;
    execvp(argv[0], argv);
    int error = errno;
    if (write(failed, &error, sizeof(error)) != (ssize_t)sizeof(error))
        _exit(125);
    _exit(error == ENOENT ? 127 : 126);
}

static bool wait_for(pid_t child, int *status)
{
    pid_t got;
    do
        got = waitpid(child, status, __WALL);
    while (got < 0 && errno == EINTR);
    return got == child && WIFSTOPPED(*status);
}

/* Runs the child on until its exec stop; signals meanwhile are passed on. */
static bool run_to_exec(pid_t child, int *status)
{
    while (wait_for(child, status)) {
        if (*status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8))
            return true;
        bool group_stop = *status >> 16 != 0;
        ptrace(PTRACE_CONT, child, 0, group_stop ? 0 : WSTOPSIG(*status));
    }
    return false;
}

static uint64_t entry_point(pid_t child)
{
    char path[64];
    Elf64_auxv_t pair;
    uint64_t entry = 0;
    snprintf(path, sizeof(path), "/proc/%d/auxv", (int)child);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && read(fd, &pair, sizeof(pair)) == sizeof(pair) && pair.a_type != AT_NULL)
        if (pair.a_type == AT_ENTRY)
            entry = pair.a_un.a_val;
    if (fd >= 0)
        close(fd);
    return entry;
}

/* Past the dynamic loader, to the program's first instruction, by an int3 that nobody else can run into yet. */
static bool run_to_entry(pid_t child, int *status)
{
    uint64_t entry = entry_point(child);
    int memory = tl_process_memory(child);
    uint8_t saved, int3 = 0xcc;
    struct user_regs_struct registers;
    bool there =
        memory >= 0 && entry && tl_memory_read(memory, entry, &saved, 1) && tl_memory_write(memory, entry, &int3, 1);
    int signal = 0;
    while (there) {
        ptrace(PTRACE_CONT, child, 0, signal);
        there = wait_for(child, status);
        signal = *status >> 16 ? 0 : WSTOPSIG(*status);
        if (there && signal == SIGTRAP && ptrace(PTRACE_GETREGS, child, 0, &registers) == 0 &&
            registers.rip == entry + 1)
            break;
    }
    if (there) {
        registers.rip = entry;
        there = tl_memory_write(memory, entry, &saved, 1) && ptrace(PTRACE_SETREGS, child, 0, &registers) == 0;
    }
    if (memory >= 0)
        close(memory);
    return there;
}

int tl_launch_status(int wait_status)
{
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

static pid_t refuse(pid_t child, int *status, int error, const char *program, char *reason, size_t size)
{
    if (error) {
        *status = error == ENOENT ? 127 : 126;
        snprintf(reason, size, "cannot run '%s': %s", program, strerror(error));
    } else {
        *status = 125;
        if (!reason[0])
            snprintf(reason, size, "cannot trace '%s': it ended before its first instruction", program);
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, __WALL);
    return 0;
}

pid_t tl_launch(char *const *argv, int *status, char *reason, size_t size)
{
    int go[2], failed[2], wait_status = 0, error = 0;
    reason[0] = 0;
    if (pipe2(go, O_CLOEXEC) != 0 || pipe2(failed, O_CLOEXEC) != 0) {
        *status = 125;
        snprintf(reason, size, "cannot start '%s': %s", argv[0], strerror(errno));
        return 0;
    }
    pid_t child = fork();
    if (child == 0)
        become(argv, go, failed[1]);
    close(go[0]);
    close(failed[1]);
    if (child < 0 || ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_TRACEEXEC) != 0) {
        snprintf(reason, size, "cannot start '%s': %s", argv[0], strerror(errno));
        close(go[1]);
        close(failed[0]);
        *status = 125;
        return child < 0 ? 0 : refuse(child, status, 0, argv[0], reason, size);
    }
    close(go[1]);
    bool executed = run_to_exec(child, &wait_status);
    if (!executed && read(failed[0], &error, sizeof(error)) != (ssize_t)sizeof(error))
        error = 0;
    close(failed[0]);
    if (!executed)
        return refuse(child, status, error, argv[0], reason, size);
    char why[256];
    if (!tl_process_check_program(child, why, sizeof(why))) {
        snprintf(reason, size, "cannot trace '%s': %s", argv[0], why);
        return refuse(child, status, 0, argv[0], reason, size);
    }
    if (!run_to_entry(child, &wait_status))
        return refuse(child, status, 0, argv[0], reason, size);
    return child;
}

void tl_launch_release(pid_t child)
{
    ptrace(PTRACE_DETACH, child, 0, 0);
}
