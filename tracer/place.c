/* SPDX-License-Identifier: MIT
 *
 * Placing the agent. See place.h. All memory and descriptors are made by system calls in the held thread; their
 * contents are written from here, through /proc/PID/mem and /proc/PID/fd.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <tracer/hand.h>
#include <tracer/place.h>
#include <tracer/process.h>
#include <tracer/resident.h>
#include <tracer/script.h>
#include <tracer/seccomp.h>
#include <trapline/status.h>
#include <unistd.h>
#include <wire/image.h>

/* Where our mappings go in the target, if they can: what lies within 2 GB of its text is for stubs. An address that is
 * taken is no hint at all, so each has its own. */
#define IMAGE_FAR_AWAY 0x200000000000
#define RINGS_FAR_AWAY 0x300000000000

extern const uint8_t tl_agent_image[], tl_agent_image_end[];

/* Offsets in the scratch memory, which is the upper half of the image's boot stack; the calls' results come first. */
#define SCRATCH_BYTES 2048u
#define SCRATCH_PIPES (8u * TL_SCRIPT_CALLS)

/* What has been made in the target so far: what a failure must take out again. */
struct placing {
    struct tl_hold *hold;
    struct tl_image image;
    struct tl_boot boot;
    struct tl_script script;
    bool resident;   /* the image was there */
    bool made;       /* image mapped by us */
    uint64_t shared; /* mapped by us */
    uint64_t mapped_bytes;
    bool handing; /* the agent may not open its own memory */
    int fd[8];    /* open in the target: image, shared, command r w, answer r w, a pair of sockets */
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
        [TL_NO_START] = "not the start of an instruction",
        [TL_TRAP_PATH] = "part of what breakpoints run through",
        [TL_TOO_FAR] = "out of reach",
    };
    return status < TL_STATUS_COUNT ? text[status] : "?";
}

static bool refuse(struct placing *placing, const char *what, long error)
{
    snprintf(placing->reason, placing->size, "cannot attach to %d: %s in it failed (%s)", (int)placing->hold->pid, what,
             strerror(error < 0 ? (int)-error : EIO));
    return false;
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

/* What the script's calls are, by their indices. */
struct steps {
    unsigned image_fd, shared_fd, shared, sockets, count;
    const char *name[TL_SCRIPT_CALLS];
};

#define VALUE(v)                                                                                                       \
    (struct tl_argument)                                                                                               \
    {                                                                                                                  \
        TL_ARGUMENT_VALUE, 0, (uint64_t)(v)                                                                            \
    }
#define RESULT(call, v)                                                                                                \
    (struct tl_argument)                                                                                               \
    {                                                                                                                  \
        TL_ARGUMENT_RESULT, (call), (uint64_t)(v)                                                                      \
    }
#define SCRATCH(v)                                                                                                     \
    (struct tl_argument)                                                                                               \
    {                                                                                                                  \
        TL_ARGUMENT_SCRATCH, 0, (uint64_t)(v)                                                                          \
    }

static unsigned step(struct placing *placing, struct steps *steps, const char *name, bool must, long number,
                     const struct tl_argument arguments[6])
{
    unsigned call = tl_script_call(&placing->script, must, number, arguments);
    steps->name[call] = name;
    steps->count = call + 1;
    return call;
}

/* Text and data privately from a memfd, the rest of the data zeroed. The file is filled when the script has run. */
static void script_image(struct placing *placing, struct steps *steps)
{
    const struct tl_image *image = &placing->image;
    uint64_t base = placing->boot.image;
    step(placing, steps, "mmap", true, SYS_mmap,
         (struct tl_argument[6]){VALUE(base), VALUE(image->memory_bytes), VALUE(PROT_READ | PROT_WRITE),
                                 VALUE(MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED), VALUE(-1), VALUE(0)});
    steps->image_fd =
        step(placing, steps, "memfd_create", true, SYS_memfd_create,
             (struct tl_argument[6]){VALUE(tl_script_text(&placing->script, TL_IMAGE_NAME)), VALUE(MFD_CLOEXEC)});
    step(placing, steps, "mmap of executable memory", true, SYS_mmap,
         (struct tl_argument[6]){VALUE(base), VALUE(image->text_bytes), VALUE(PROT_READ | PROT_EXEC),
                                 VALUE(MAP_PRIVATE | MAP_FIXED), RESULT(steps->image_fd, 0), VALUE(0)});
    step(placing, steps, "mmap", true, SYS_mmap,
         (struct tl_argument[6]){VALUE(base + image->text_bytes), VALUE(image->data_bytes),
                                 VALUE(PROT_READ | PROT_WRITE), VALUE(MAP_PRIVATE | MAP_FIXED),
                                 RESULT(steps->image_fd, 0), VALUE(image->text_bytes)});
}

static void script_shared(struct placing *placing, struct steps *steps, uint64_t bytes)
{
    /* Where the session before had its own, the agent puts it itself, ring by ring. */
    bool before = placing->boot.shared != 0 && placing->boot.shared_bytes == bytes;
    uint64_t hint = placing->boot.shared ? placing->boot.shared + placing->boot.shared_bytes : RINGS_FAR_AWAY;
    placing->boot.shared_before = before ? placing->boot.shared : 0;
    placing->mapped_bytes = before ? TL_CHUNKS_OFFSET : bytes;
    steps->shared_fd =
        step(placing, steps, "memfd_create", true, SYS_memfd_create,
             (struct tl_argument[6]){VALUE(tl_script_text(&placing->script, TL_SHARED_NAME)), VALUE(MFD_CLOEXEC)});
    steps->shared =
        step(placing, steps, "mmap of the rings", true, SYS_mmap,
             (struct tl_argument[6]){VALUE(hint), VALUE(placing->mapped_bytes), VALUE(PROT_NONE),
                                     VALUE(MAP_SHARED | MAP_NORESERVE), RESULT(steps->shared_fd, 0), VALUE(0)});
    step(placing, steps, "madvise", false, SYS_madvise,
         (struct tl_argument[6]){RESULT(steps->shared, 0), VALUE(placing->mapped_bytes), VALUE(MADV_DONTDUMP)});
    /* The rings are opened one by one, by their threads (core/ring.c): mlockall(2) would make all that is accessible
     * real memory. Not MADV_DONTFORK: a child may be forked by a signal handler that interrupted a stub just before its
     * store. */
    step(placing, steps, "mprotect", true, SYS_mprotect,
         (struct tl_argument[6]){RESULT(steps->shared, 0), VALUE(TL_CHUNKS_OFFSET), VALUE(PROT_READ | PROT_WRITE)});
    if (placing->handing)
        steps->sockets = step(placing, steps, "socketpair", true, SYS_socketpair,
                              (struct tl_argument[6]){VALUE(AF_UNIX), VALUE(SOCK_DGRAM | SOCK_CLOEXEC), VALUE(0),
                                                      SCRATCH(SCRATCH_PIPES + 16)});
    for (unsigned i = 0; i < 2; i++)
        step(placing, steps, "pipe2", true, SYS_pipe2,
             (struct tl_argument[6]){SCRATCH(SCRATCH_PIPES + 8 * i), VALUE(O_CLOEXEC)});
}

/* Learns from the scratch memory what has been made, whether or not all went well. */
static bool take_results(struct placing *placing, const struct steps *steps, unsigned made)
{
    struct {
        uint64_t result[TL_SCRIPT_CALLS];
        int32_t pipe[4], socket[2];
    } scratch;
    if (made == 0 && !placing->resident)
        return true;
    uint64_t where = placing->boot.image + placing->image.stack_offset - SCRATCH_BYTES;
    if (!tl_memory_read(placing->hold->memory, where, &scratch, sizeof(scratch)))
        return false;
    if (!placing->resident && made > steps->image_fd)
        placing->fd[0] = (int)scratch.result[steps->image_fd];
    if (made > steps->shared_fd)
        placing->fd[1] = (int)scratch.result[steps->shared_fd];
    if (made > steps->shared)
        placing->shared = scratch.result[steps->shared];
    for (unsigned i = 0; i < 2 && placing->handing && made > steps->sockets; i++)
        placing->fd[6 + i] = scratch.socket[i];
    for (unsigned i = 0; i < 2; i++)
        if (made >= steps->count - 1 + i) {
            placing->fd[2 + 2 * i] = scratch.pipe[2 * i];
            placing->fd[3 + 2 * i] = scratch.pipe[2 * i + 1];
        }
    return true;
}

/* All the memory and descriptors, in one go. */
static bool make(struct placing *placing, uint64_t shared_bytes)
{
    struct steps steps = {0};
    long failure = 0;
    tl_script_begin(&placing->script, placing->boot.image + placing->image.memory_bytes,
                    placing->boot.image + placing->image.stack_offset - SCRATCH_BYTES);
    if (!placing->resident)
        script_image(placing, &steps);
    script_shared(placing, &steps, shared_bytes);
    int made = tl_script_run(&placing->script, placing->hold, &failure);
    if (made < 0)
        return refuse(placing, "running code", -ESRCH);
    if (!take_results(placing, &steps, (unsigned)made))
        return refuse(placing, "reading memory", -errno);
    return (unsigned)made == steps.count || refuse(placing, steps.name[made], failure);
}

static bool fill_image(const struct placing *placing)
{
    ssize_t bytes = tl_agent_image_end - tl_agent_image;
    int here = open_remote(placing, placing->fd[0], O_RDWR);
    bool written = here >= 0 && write(here, tl_agent_image, (size_t)bytes) == bytes;
    if (here >= 0)
        close(here);
    return written;
}

/* The limit on the size of files is not meant for memory. */
static bool set_size(int fd, uint64_t bytes)
{
    struct rlimit limit, most;
    bool limited = getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < limit.rlim_max;
    most = (struct rlimit){limit.rlim_max, limit.rlim_max};
    if (limited)
        setrlimit(RLIMIT_FSIZE, &most);
    bool set = ftruncate(fd, (off_t)bytes) == 0;
    if (limited)
        setrlimit(RLIMIT_FSIZE, &limit);
    return set;
}

/* Our ends of what has been made. */
static bool open_ends(struct placing *placing, struct tl_agent *agent)
{
    if (!placing->resident && !fill_image(placing))
        return refuse(placing, "writing the agent", -errno);
    agent->shared_fd = open_remote(placing, placing->fd[1], O_RDWR);
    if (agent->shared_fd < 0 || !set_size(agent->shared_fd, agent->shared_bytes))
        return refuse(placing, "making shared memory", -errno);
    void *here =
        mmap(NULL, agent->shared_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, agent->shared_fd, 0);
    if (here == MAP_FAILED)
        return refuse(placing, "mapping shared memory", -errno);
    agent->control = here;
    agent->command_fd = open_remote(placing, placing->fd[3], O_WRONLY);
    agent->answer_fd = open_remote(placing, placing->fd[4], O_RDONLY);
    if (agent->command_fd < 0 || agent->answer_fd < 0)
        return refuse(placing, "opening a pipe", -errno);
    if (placing->handing && !tl_hand_over(placing->hold->pid, placing->fd[6], placing->hold->memory))
        return refuse(placing, "handing over its memory", -errno);
    placing->boot = (struct tl_boot){
        .image = placing->boot.image,
        .shared = placing->shared,
        .shared_bytes = agent->shared_bytes,
        .shared_before = placing->boot.shared_before,
        .shared_fd = placing->fd[1],
        .text_socket = placing->fd[7],
        .command_fd = placing->fd[2],
        .answer_fd = placing->fd[5],
        .resident = placing->boot.resident,
    };
    return true;
}

static void fill_control(struct tl_agent *agent, const struct tl_rings *rings)
{
    struct tl_control *control = agent->control;
    control->magic = TL_CONTROL_MAGIC;
    control->version = TL_AGENT_VERSION;
    control->ring_bytes = rings->ring_bytes;
    control->mode = rings->mode;
    control->one_in = rings->one_in;
    control->tracer_pid = (uint32_t)getpid();
}

/* A process registers for membarrier at once while it has one thread; later the kernel waits until every core has been
 * through its scheduler, 10 ms and more. So it is done before the agent's thread is there, which asks again, and says
 * it if it is refused. With other threads there the agent waits, and nobody is held so long. */
static void register_early(const struct placing *placing)
{
    size_t threads = 0;
    free(tl_process_threads(placing->hold->pid, &threads));
    if (threads == 1)
        tl_hold_syscall(placing->hold, SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0, 0, 0,
                        0);
}

static bool start(struct placing *placing)
{
    register_early(placing);
    uint64_t params = placing->boot.image + placing->image.params_offset;
    if (!tl_memory_write(placing->hold->memory, params, &placing->boot, sizeof(placing->boot)))
        return refuse(placing, "writing the agent's data", -errno);
    long tid = tl_hold_call(placing->hold, placing->boot.image + placing->image.boot_offset, params,
                            placing->boot.image + placing->image.stack_offset);
    return tid > 0 || refuse(placing, "clone", tid);
}

/* One reservation: the image, and behind it the page of the scripts, executable and never writable from within. */
static bool reserve(struct placing *placing)
{
    memcpy(&placing->image, tl_agent_image, sizeof(placing->image));
    long base = tl_hold_syscall(placing->hold, SYS_mmap, IMAGE_FAR_AWAY, placing->image.memory_bytes + TL_SCRIPT_BYTES,
                                PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (failed(base))
        return refuse(placing, "mmap of executable memory", base);
    placing->boot = (struct tl_boot){.image = (uint64_t)base};
    placing->made = true;
    return true;
}

/* True if the program uses the segment base that ours hangs on: it leads somewhere, and not to a block of ours. */
static bool gs_taken(const struct placing *placing)
{
    uint64_t base = placing->hold->registers.gs_base, first = placing->boot.blocks;
    bool ours = placing->resident && base >= first && base < first + placing->boot.blocks_bytes;
    /* A thread may still lead to the blocks of an image that is not ours any more; those lie where nobody else's memory
     * does. */
    bool older = base >= TL_IMAGE_MEMORY && base < TL_IMAGE_MEMORY + TL_IMAGE_MEMORY_BYTES;
    return base != 0 && !ours && !older;
}

static bool place(struct placing *placing, struct tl_agent *agent, const struct tl_rings *rings)
{
    if (gs_taken(placing)) {
        snprintf(placing->reason, placing->size,
                 "cannot attach to %d: it uses the GS base (0x%llx), which trapline needs", (int)placing->hold->pid,
                 placing->hold->registers.gs_base);
        return false;
    }
    placing->handing = tl_hand_needed(placing->hold);
    if (!tl_seccomp_check(placing->hold, placing->handing, placing->reason, placing->size))
        return false;
    if (!placing->resident && !reserve(placing))
        return false;
    if (!make(placing, agent->shared_bytes) || !open_ends(placing, agent))
        return false;
    fill_control(agent, rings);
    return start(placing);
}

/* Takes out of the target what it does not need any more; if nothing was placed, all. */
static void clean(struct placing *placing, bool placed)
{
    long failure;
    if (!placing->boot.image)
        return;
    tl_script_begin(&placing->script, placing->boot.image + placing->image.memory_bytes,
                    placing->boot.image + placing->image.stack_offset - SCRATCH_BYTES);
    for (int i = 0; i < 8; i++)
        if (placing->fd[i] >= 0)
            tl_script_call(&placing->script, false, SYS_close, (struct tl_argument[6]){VALUE(placing->fd[i])});
    if (!placed && placing->shared)
        tl_script_call(&placing->script, false, SYS_munmap,
                       (struct tl_argument[6]){VALUE(placing->shared), VALUE(placing->mapped_bytes)});
    if (placing->script.count)
        tl_script_run(&placing->script, placing->hold, &failure);
    if (!placed && placing->made)
        tl_hold_syscall(placing->hold, SYS_munmap, (long)placing->boot.image,
                        placing->image.memory_bytes + TL_SCRIPT_BYTES, 0, 0, 0, 0);
}

bool tl_agent_place(struct tl_agent *agent, struct tl_hold *hold, const struct tl_resident *resident,
                    const struct tl_rings *rings, char *reason, size_t size)
{
    struct placing placing = {.hold = hold, .fd = {-1, -1, -1, -1, -1, -1, -1, -1}, .reason = reason, .size = size};
    *agent = (struct tl_agent){.pid = hold->pid, .shared_fd = -1, .command_fd = -1, .answer_fd = -1};
    agent->shared_bytes = TL_CHUNKS_OFFSET + (uint64_t)TL_THREADS_MAX * rings->ring_bytes;
    placing.resident = resident->found;
    placing.image = resident->image;
    placing.boot = resident->boot;
    pid_t other = tl_resident_tracer(resident, hold->pid, hold->memory);
    if (other) { /* it came between the first look and now */
        snprintf(reason, size, "cannot attach to %d: it is being traced by %d", (int)hold->pid, (int)other);
        return false;
    }
    bool placed = place(&placing, agent, rings);
    clean(&placing, placed);
    if (!placed)
        tl_agent_close(agent);
    return placed;
}

/* Waits until the agent has said something; false when it is gone. A stopped process answers when it runs again. */
static bool wait_answer(const struct tl_agent *agent)
{
    bool told = false;
    for (;;) {
        struct pollfd poll_fd = {.fd = agent->answer_fd, .events = POLLIN};
        int ready = poll(&poll_fd, 1, 500);
        if (ready > 0)
            return (poll_fd.revents & POLLIN) != 0;
        if (ready == 0 && !told && tl_process_state(agent->pid, 0) == 'T') {
            fprintf(stderr, "trapline: process %d is stopped; waiting until it runs again (kill -CONT %d)\n",
                    (int)agent->pid, (int)agent->pid);
            told = true;
        }
    }
}

/* One byte from the agent; false when it is gone. */
static bool read_answer(struct tl_agent *agent)
{
    char byte;
    return wait_answer(agent) && read(agent->answer_fd, &byte, 1) == 1;
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
    int64_t debugger = tl_process_number(agent->pid, 0, "TracerPid", 10);
    agent->control->alone = !agent->others_write && (debugger == 0 || debugger == getpid());
    agent->control->command = command;
    return write(agent->command_fd, &byte, 1) == 1 && read_answer(agent);
}

bool tl_agent_quit(struct tl_agent *agent)
{
    bool answered = tl_agent_command(agent, TL_COMMAND_QUIT);
    /* Its thread holds the only other end: when that closes it runs no code of the image any more, and a later
     * session may use its stack. */
    if (answered)
        wait_answer(agent);
    return answered;
}

bool tl_agent_gone(const struct tl_agent *agent)
{
    struct pollfd poll_fd = {.fd = agent->answer_fd, .events = POLLIN};
    return poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLHUP | POLLERR)) && !(poll_fd.revents & POLLIN);
}

void tl_agent_close(struct tl_agent *agent)
{
    /* The target keeps the mapping (a thread may be asleep in a stub), not the memory. */
    if (agent->shared_fd >= 0)
        fallocate(agent->shared_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)agent->shared_bytes);
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
