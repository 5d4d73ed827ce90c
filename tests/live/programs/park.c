/* SPDX-License-Identifier: MIT
 *
 * Holds threads of a traced process where it hurts: in the middle of a stub, a slot of the ring reserved, the store to
 * it not made. For a moment every store in a stub is made to spin; who spins is stopped there.
 *     park PID N               parks up to N of its threads but the first; says "parked N"
 * Standard input: a line "go MS" lets them go on, one after the other within that time; its end lets all go.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PARKED_MAX = 64, PLACES_MAX = 65536 };

/* mov %rdx,(%rax); pop %rax; add $0x7f,%al; sahf: the end of a record, in any stub. */
static const uint8_t store[] = {0x48, 0x89, 0x10, 0x58, 0x04, 0x7f, 0x9e}, spin[] = {0xeb, 0xfe};
static uint64_t places[PLACES_MAX];
static size_t place_count;
static pid_t parked[PARKED_MAX];
static int count;

static void find_places(int memory, uint64_t start, uint64_t end)
{
    uint8_t *text = malloc(end - start);
    ssize_t size = text ? pread(memory, text, end - start, (off_t)start) : 0;
    for (ssize_t i = 0; i + (ssize_t)sizeof(store) <= size && place_count < PLACES_MAX; i++)
        if (memcmp(text + i, store, sizeof(store)) == 0 && ((start + (uint64_t)i) & 63) != 63)
            places[place_count++] = start + (uint64_t)i;
    free(text);
}

/* Stubs lie in executable memory without a name. */
static void look_at_maps(pid_t pid, int memory)
{
    char path[64], line[512];
    snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "r");
    while (maps && fgets(line, sizeof(line), maps)) {
        unsigned long start, end, inode;
        char permissions[8];
        if (sscanf(line, "%lx-%lx %7s %*s %*s %lu", &start, &end, permissions, &inode) == 4 && permissions[2] == 'x' &&
            inode == 0 && !strchr(line, '['))
            find_places(memory, start, end);
    }
    if (maps)
        fclose(maps);
}

static void write_all(int memory, const uint8_t *bytes)
{
    for (size_t i = 0; i < place_count; i++)
        if (pwrite(memory, bytes, sizeof(spin), (off_t)places[i]) != (ssize_t)sizeof(spin))
            perror("park");
}

static int spins(pid_t tid)
{
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, tid, 0, &registers) != 0)
        return 0;
    for (size_t i = 0; i < place_count; i++)
        if (registers.rip == places[i])
            return 1;
    return 0;
}

static int park(pid_t tid)
{
    int status;
    if (ptrace(PTRACE_SEIZE, tid, 0, 0) != 0 || ptrace(PTRACE_INTERRUPT, tid, 0, 0) != 0)
        return 0;
    while (waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status)) {
        if (status >> 16 == PTRACE_EVENT_STOP && spins(tid))
            return 1;
        if (status >> 16 == PTRACE_EVENT_STOP)
            break;
        ptrace(PTRACE_CONT, tid, 0, WSTOPSIG(status));
    }
    ptrace(PTRACE_DETACH, tid, 0, 0);
    return 0;
}

static void let_go(long within_ms)
{
    for (int i = 0; i < count; i++) {
        struct timespec pause = {0, within_ms * 1000000 / count};
        ptrace(PTRACE_DETACH, parked[i], 0, 0);
        nanosleep(&pause, NULL);
    }
    count = 0;
}

int main(int argc, char **argv)
{
    char path[64], line[64];
    if (argc < 3)
        return 2;
    pid_t pid = atoi(argv[1]);
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    int memory = open(path, O_RDWR);
    if (memory < 0)
        return 1;
    look_at_maps(pid, memory);
    write_all(memory, spin);
    usleep(200000);
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    for (struct dirent *entry; tasks && (entry = readdir(tasks)) && count < atoi(argv[2]) && count < PARKED_MAX;) {
        pid_t tid = atoi(entry->d_name);
        if (tid > 0 && tid != pid && park(tid))
            parked[count++] = tid;
    }
    write_all(memory, store);
    printf("parked %d\n", count);
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin))
        if (strncmp(line, "go ", 3) == 0)
            let_go(atol(line + 3));
    let_go(0);
    return 0;
}
