/* SPDX-License-Identifier: MIT
 *
 * Placing the agent. See place.h. All memory and descriptors are made by system calls in the held thread; their contents are
 * written from here, through /proc/PID/mem and /proc/PID/fd.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <trapline/status.h>
#include <tracer/place.h>
#include <tracer/process.h>
#include <unistd.h>
#include <wire/image.h>

extern const uint8_t tl_agent_image[], tl_agent_image_end[];

/* What has been made in the target so far: what a failure must take out again. */
struct placing {
    struct tl_hold *hold;
    struct tl_image image;
    struct tl_boot boot;
    uint64_t name;      /* scratch page in the target: strings, pipe pairs */
    uint64_t fresh;     /* image mapped by us, 0: it was there */
    uint64_t shared;    /* mapped by us at a new address, 0: over the old one */
    int fd[6];          /* open in the target: image, shared, command r w, answer r w */
    char *reason;
    size_t size;
};

const char *tl_status_text(unsigned status)
{
    static const char *const text[TL_STATUS_COUNT] = {
        [TL_OK] = "ok",
        [TL_NOT_MINE] = "not ours",
        [TL_BAD_ARGUMENT] = "bad argument",
        [TL_NO_INSTRUCTION] = "not an instruction",
        [TL_CANNOT_MOVE] = "an instruction that cannot be moved",
        [TL_NO_ROOM] = "too little room",
        [TL_NO_MEMORY] = "no memory",
        [TL_TEXT_DIFFERS] = "the text in memory is not the file's",
        [TL_OVERLAP] = "overlaps another site",
        [TL_NO_TEXT] = "not mapped",
        [TL_NOT_SUPPORTED] = "the kernel lacks something that is needed",
        [TL_DENIED] = "the system refuses to write text or map executable memory",
        [TL_BUSY] = "a thread blocks SIGTRAP",
        [TL_GONE] = "gone",
    };
    return status < TL_STATUS_COUNT ? text[status] : "?";
}

static bool refuse(struct placing *placing, const char *what, long error)
{
    snprintf(placing->reason, placing->size, "cannot attach to %d: %s in it failed (%s)", (int)placing->hold->pid, what,
             strerror(error < 0 ? (int)-error : EIO));
    return false;
}

static long call(struct placing *placing, long number, long a, long b, long c, long d, long e, long f)
{
    return tl_hold_syscall(placing->hold, number, a, b, c, d, e, f);
}

static bool failed(long result)
{
    return result < 0 && result > -4096;
}

/* Opens here what fd is in the target. */
static int open_remote(const struct placing *placing, int fd, int flags)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)placing->hold->pid, fd);
    return open(path, flags | O_CLOEXEC);
}

static int remote_memfd(struct placing *placing, const char *name)
{
    if (!tl_memory_write(placing->hold->memory, placing->name, name, strlen(name) + 1))
        return -EFAULT;
    return (int)call(placing, SYS_memfd_create, (long)placing->name, MFD_CLOEXEC, 0, 0, 0, 0);
}

/* The image of an earlier session, left because threads may be asleep in it. */
static bool find_resident(struct placing *placing)
{
    struct tl_maps maps;
    bool found = false;
    if (!tl_maps_read(placing->hold->pid, &maps))
        return false;
    for (size_t i = 0; i < maps.count && !found; i++) {
        const struct tl_mapping *mapping = &maps.entry[i];
        struct tl_image image;
        struct tl_boot boot;
        if (!strstr(mapping->path, "memfd:" TL_IMAGE_NAME) || mapping->offset != 0)
            continue;
        found = tl_memory_read(placing->hold->memory, mapping->start, &image, sizeof(image)) &&
                memcmp(&image, tl_agent_image, sizeof(image)) == 0 &&
                tl_memory_read(placing->hold->memory, mapping->start + image.params_offset, &boot, sizeof(boot)) &&
                boot.image == mapping->start && boot.resident != 0;
        if (found) {
            placing->image = image;
            placing->boot = boot;
        }
    }
    tl_maps_free(&maps);
    return found;
}

/* True if a thread of the target is an agent at work. */
static bool agent_lives(pid_t pid)
{
    size_t count;
    pid_t *threads = tl_process_threads(pid, &count);
    bool found = false;
    for (size_t i = 0; i < count && !found; i++) {
        char comm[32];
        tl_process_comm(pid, threads[i], comm, sizeof(comm));
        found = strcmp(comm, "trapline") == 0;
    }
    free(threads);
    return found;
}

static bool busy(struct placing *placing)
{
    struct tl_control control = {0};
    if (placing->boot.resident != 2 || !agent_lives(placing->hold->pid))
        return false;
    tl_memory_read(placing->hold->memory, placing->boot.shared, &control, sizeof(control));
    snprintf(placing->reason, placing->size, "cannot attach to %d: another trapline (process %u) is tracing it",
             (int)placing->hold->pid, control.tracer_pid);
    return true;
}

/* Maps the image: text and data privately from a memfd, the rest of the data zeroed. */
static bool map_image(struct placing *placing)
{
    size_t file_bytes = (size_t)(tl_agent_image_end - tl_agent_image);
    memcpy(&placing->image, tl_agent_image, sizeof(placing->image));
    const struct tl_image *image = &placing->image;
    int fd = remote_memfd(placing, TL_IMAGE_NAME);
    if (fd < 0)
        return refuse(placing, "memfd_create", fd);
    placing->fd[0] = fd;
    int here = open_remote(placing, fd, O_RDWR);
    bool written = here >= 0 && write(here, tl_agent_image, file_bytes) == (ssize_t)file_bytes;
    if (here >= 0)
        close(here);
    if (!written)
        return refuse(placing, "writing the agent", -errno);
    long base = call(placing, SYS_mmap, 0, image->memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (failed(base))
        return refuse(placing, "mmap", base);
    placing->fresh = (uint64_t)base;
    long text = call(placing, SYS_mmap, base, image->text_bytes, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0);
    if (failed(text))
        return refuse(placing, "mmap of executable memory", text);
    long data = call(placing, SYS_mmap, base + image->text_bytes, image->data_bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_FIXED, fd, image->text_bytes);
    if (failed(data))
        return refuse(placing, "mmap", data);
    placing->boot = (struct tl_boot){.image = (uint64_t)base};
    return true;
}

static bool map_shared(struct placing *placing, struct tl_agent *agent)
{
    int fd = remote_memfd(placing, TL_SHARED_NAME);
    if (fd < 0)
        return refuse(placing, "memfd_create", fd);
    placing->fd[1] = fd;
    agent->shared_fd = open_remote(placing, fd, O_RDWR);
    if (agent->shared_fd < 0 || ftruncate(agent->shared_fd, (off_t)agent->shared_bytes) != 0)
        return refuse(placing, "making shared memory", -errno);
    void *here = mmap(NULL, agent->shared_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, agent->shared_fd, 0);
    if (here == MAP_FAILED)
        return refuse(placing, "mapping shared memory", -errno);
    agent->control = here;
    bool over = placing->boot.shared != 0 && placing->boot.shared_bytes == agent->shared_bytes;
    long there = call(placing, SYS_mmap, over ? (long)placing->boot.shared : 0, (long)agent->shared_bytes,
                      PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | (over ? MAP_FIXED : 0), fd, 0);
    if (failed(there))
        return refuse(placing, "mmap of the rings", there);
    if (!over)
        placing->shared = (uint64_t)there;
    call(placing, SYS_madvise, there, (long)agent->shared_bytes, MADV_DONTDUMP, 0, 0, 0);
    placing->boot.shared = (uint64_t)there;
    placing->boot.shared_bytes = agent->shared_bytes;
    return true;
}

static bool make_pipe(struct placing *placing, int *fds)
{
    long result = call(placing, SYS_pipe2, (long)placing->name, O_CLOEXEC, 0, 0, 0, 0);
    if (result < 0)
        return refuse(placing, "pipe2", result);
    return tl_memory_read(placing->hold->memory, placing->name, fds, 2 * sizeof(int)) || refuse(placing, "pipe2", -EFAULT);
}

static bool make_pipes(struct placing *placing, struct tl_agent *agent)
{
    if (!make_pipe(placing, &placing->fd[2]) || !make_pipe(placing, &placing->fd[4]))
        return false;
    agent->command_fd = open_remote(placing, placing->fd[3], O_WRONLY);
    agent->answer_fd = open_remote(placing, placing->fd[4], O_RDONLY);
    if (agent->command_fd < 0 || agent->answer_fd < 0)
        return refuse(placing, "opening a pipe", -errno);
    placing->boot.command_fd = placing->fd[2];
    placing->boot.answer_fd = placing->fd[5];
    return true;
}

static void fill_control(struct tl_agent *agent, uint32_t ring_bytes, enum tl_ring_mode mode)
{
    struct tl_control *control = agent->control;
    control->magic = TL_CONTROL_MAGIC;
    control->version = TL_AGENT_VERSION;
    control->ring_bytes = ring_bytes;
    control->mode = mode;
    control->tracer_pid = (uint32_t)getpid();
}

static bool start(struct placing *placing)
{
    uint64_t params = placing->boot.image + placing->image.params_offset;
    if (!tl_memory_write(placing->hold->memory, params, &placing->boot, sizeof(placing->boot)))
        return refuse(placing, "writing the agent's data", -errno);
    long tid = tl_hold_call(placing->hold, placing->boot.image + placing->image.boot_offset, params,
                            placing->boot.image + placing->image.stack_offset);
    return tid > 0 || refuse(placing, "clone", tid);
}

static bool place(struct placing *placing, struct tl_agent *agent, uint32_t ring_bytes, enum tl_ring_mode mode)
{
    long scratch = call(placing, SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (failed(scratch))
        return refuse(placing, "mmap", scratch);
    placing->name = (uint64_t)scratch;
    if (find_resident(placing) ? busy(placing) : !map_image(placing))
        return false;
    if (!map_shared(placing, agent) || !make_pipes(placing, agent))
        return false;
    fill_control(agent, ring_bytes, mode);
    return start(placing);
}

static void clean(struct placing *placing, bool placed)
{
    for (int i = 0; i < 6; i++)
        if (placing->fd[i] >= 0)
            call(placing, SYS_close, placing->fd[i], 0, 0, 0, 0, 0);
    if (placing->name)
        call(placing, SYS_munmap, (long)placing->name, 4096, 0, 0, 0, 0);
    if (!placed && placing->shared)
        call(placing, SYS_munmap, (long)placing->shared, (long)placing->boot.shared_bytes, 0, 0, 0, 0);
    if (!placed && placing->fresh)
        call(placing, SYS_munmap, (long)placing->fresh, placing->image.memory_bytes, 0, 0, 0, 0);
}

bool tl_agent_place(struct tl_agent *agent, struct tl_hold *hold, uint32_t ring_bytes, enum tl_ring_mode mode, char *reason,
                    size_t size)
{
    struct placing placing = {.hold = hold, .fd = {-1, -1, -1, -1, -1, -1}, .reason = reason, .size = size};
    *agent = (struct tl_agent){.pid = hold->pid, .shared_fd = -1, .command_fd = -1, .answer_fd = -1};
    agent->shared_bytes = TL_CHUNKS_OFFSET + (uint64_t)TL_THREADS_MAX * ring_bytes;
    bool placed = place(&placing, agent, ring_bytes, mode);
    clean(&placing, placed);
    if (!placed)
        tl_agent_close(agent);
    return placed;
}

/* One byte from the agent; false when it is gone. */
static bool read_answer(struct tl_agent *agent)
{
    char byte;
    ssize_t got;
    do
        got = read(agent->answer_fd, &byte, 1);
    while (got < 0 && errno == EINTR);
    return got == 1;
}

bool tl_agent_ready(struct tl_agent *agent, char *reason, size_t size)
{
    if (!read_answer(agent)) {
        snprintf(reason, size, "cannot attach to %d: it ended", (int)agent->pid);
        return false;
    }
    if (agent->control->status != TL_OK) {
        snprintf(reason, size, "cannot attach to %d: %s", (int)agent->pid, tl_status_text(agent->control->status));
        return false;
    }
    return true;
}

bool tl_agent_command(struct tl_agent *agent, enum tl_command command)
{
    char byte = 1;
    agent->control->command = command;
    return write(agent->command_fd, &byte, 1) == 1 && read_answer(agent);
}

bool tl_agent_gone(const struct tl_agent *agent)
{
    struct pollfd poll_fd = {.fd = agent->answer_fd, .events = POLLIN};
    return poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLHUP | POLLERR)) && !(poll_fd.revents & POLLIN);
}

void tl_agent_close(struct tl_agent *agent)
{
    if (agent->control)
        munmap(agent->control, agent->shared_bytes);
    if (agent->shared_fd >= 0)
        close(agent->shared_fd);
    if (agent->command_fd >= 0)
        close(agent->command_fd);
    if (agent->answer_fd >= 0)
        close(agent->answer_fd);
    agent->control = NULL;
    agent->shared_fd = agent->command_fd = agent->answer_fd = -1;
}
