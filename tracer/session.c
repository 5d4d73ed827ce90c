/* SPDX-License-Identifier: MIT
 *
 * A recording session. See session.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <tracer/drain.h>
#include <tracer/launch.h>
#include <tracer/modules.h>
#include <tracer/resident.h>
#include <tracer/session.h>
#include <unistd.h>

#define POLL_NS 1000000u
#define WATCH_NS 50000000u /* how often new libraries and ended threads are looked for */

struct session {
    const struct tl_session_options *options;
    pid_t pid;
    int memory;
    bool ended;      /* the program has ended, or executed another one */
    int wait_status; /* of a launched program that has ended */
    bool reaped;
    struct tl_hold hold;
    struct tl_resident resident;
    bool placed;
    struct tl_agent agent;
    struct tl_modules modules;
    struct tl_armed armed;
    struct tl_writer *writer;
    struct tl_drain *drain;
    struct tl_recording_info info;
    uint64_t raw_start_ns;
    uint64_t bytes;
    char command[512];
    char reason[1024];
};

static volatile sig_atomic_t stop_signal;

static void on_stop(int signal)
{
    stop_signal = signal;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t tsc(void)
{
    return __builtin_ia32_rdtsc();
}

__attribute__((format(printf, 2, 3))) static void say(const struct session *session, const char *format, ...)
{
    va_list arguments;
    if (session->options->verbose < 0)
        return;
    va_start(arguments, format);
    fputs("trapline: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

static int fail(const struct session *session)
{
    fprintf(stderr, "trapline: %s\n", session->reason);
    return TL_EXIT_TRAPLINE;
}

/* 1,234,567 */
static const char *grouped(uint64_t value, char *text, size_t size)
{
    char digits[32];
    int length = snprintf(digits, sizeof(digits), "%" PRIu64, value), n = 0;
    for (int i = 0; i < length && (size_t)n + 2 < size; i++) {
        text[n++] = digits[i];
        if (i + 1 < length && (length - i - 1) % 3 == 0)
            text[n++] = ',';
    }
    text[n] = 0;
    return text;
}

static const char *size_text(uint64_t bytes, char *text, size_t size)
{
    static const char *const unit[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    unsigned i = 0;
    for (; value >= 1000 && i < 4; i++)
        value /= 1000;
    snprintf(text, size, i ? "%.1f %s" : "%.0f %s", value, unit[i]);
    return text;
}

static void estimate_tsc(struct session *session)
{
    uint64_t ns = clock_ns(CLOCK_MONOTONIC_RAW) - session->raw_start_ns;
    while (ns < 10000000) { /* a short session: at least 10 ms for a figure worth having */
        usleep(1000);
        ns = clock_ns(CLOCK_MONOTONIC_RAW) - session->raw_start_ns;
    }
    session->info.tsc_hz = (uint64_t)((double)(tsc() - session->info.tsc_start) * 1e9 / (double)ns);
}

static void describe(struct session *session)
{
    size_t used = 0;
    session->command[0] = 0;
    if (session->options->pid) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)session->pid);
        FILE *file = fopen(path, "re");
        used = file ? fread(session->command, 1, sizeof(session->command) - 1, file) : 0;
        if (file)
            fclose(file);
        while (used && session->command[used - 1] == 0)
            used--;
        session->command[used] = 0;
        for (size_t i = 0; i < used; i++)
            if ((unsigned char)session->command[i] < ' ')
                session->command[i] = ' ';
    } else {
        for (char **word = session->options->argv; *word && used < sizeof(session->command) - 1; word++)
            used += (size_t)snprintf(session->command + used, sizeof(session->command) - used, "%s%s", used ? " " : "",
                                     *word);
    }
    session->info.command = session->command;
    session->info.pid = session->pid;
    session->info.by_attach = session->options->pid != 0;
    session->info.exit_status = -1;
    session->info.tsc_start = tsc();
    session->raw_start_ns = clock_ns(CLOCK_MONOTONIC_RAW);
    session->info.realtime_start_ns = clock_ns(CLOCK_REALTIME);
}

/* Holds a thread, places the agent, lets the thread go. */
static int place(void *argument)
{
    struct session *session = argument;
    const struct tl_session_options *options = session->options;
    bool held =
        options->pid
            ? tl_hold_begin(&session->hold, session->pid, session->memory, session->reason, sizeof(session->reason))
            : tl_hold_adopt(&session->hold, session->pid, session->memory, session->reason, sizeof(session->reason));
    if (!held)
        return 0;
    session->placed =
        tl_agent_place(&session->agent, &session->hold, &session->resident, options->buffer_bytes,
                       options->flight ? TL_RING_FLIGHT : TL_RING_STREAM, session->reason, sizeof(session->reason));
    tl_hold_end(&session->hold);
    return 0;
}

/* Runs work in a process that shares our memory and files: when we are killed in the middle, it goes on and leaves the
 * held thread as it found it. (The agent then sees that nobody is there, and leaves, too.) */
static void in_a_process_of_its_own(int (*work)(void *), struct session *session)
{
    static char stack[256 * 1024] __attribute__((aligned(16)));
    pid_t child = clone(work, stack + sizeof(stack), CLONE_VM | CLONE_FILES | CLONE_VFORK | SIGCHLD, session);
    if (child < 0) {
        snprintf(session->reason, sizeof(session->reason), "cannot start a process: %s", strerror(errno));
        return;
    }
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* Into the process: the modules are planned before the thread is held, so that it is held for as short as can be. */
static bool enter(struct session *session)
{
    const struct tl_session_options *options = session->options;
    session->memory = tl_process_memory(session->pid);
    if (session->memory < 0) {
        snprintf(session->reason, sizeof(session->reason), "cannot attach to %d: %s; run as its owner or as root",
                 (int)session->pid, strerror(errno));
        return false;
    }
    if (options->pid &&
        !tl_resident_find(&session->resident, session->pid, session->memory, session->reason, sizeof(session->reason)))
        return false;
    session->placed = false;
    if (options->pid)
        in_a_process_of_its_own(place, session);
    else
        place(session);
    bool placed = session->placed;
    if (placed)
        session->agent.control->tracer_pid = (uint32_t)getpid();
    session->info.held_ns = options->pid ? session->hold.held_ns : 0;
    return placed && tl_agent_ready(&session->agent, session->reason, sizeof(session->reason));
}

/* No function matches: says which are near. */
static void no_match(struct session *session)
{
    const char *near[3];
    size_t count = 0;
    const char *pattern = session->modules.filter.include_count ? session->modules.filter.include[0] : "*";
    const char *name = "the program";
    for (size_t i = 0; i < session->modules.count && !count; i++) {
        if (!session->modules.entry[i].module)
            continue;
        if (i == 0)
            name = session->modules.entry[i].module->name;
        count = tl_module_nearest(session->modules.entry[i].module, pattern, near, 3);
    }
    int used = snprintf(session->reason, sizeof(session->reason), "no function of '%s' matches '%s'", name, pattern);
    for (size_t i = 0; i < count && used < (int)sizeof(session->reason); i++)
        used += snprintf(session->reason + used, sizeof(session->reason) - (size_t)used, "%s'%s'",
                         i ? ", " : "; the nearest are ", near[i]);
    if (used < (int)sizeof(session->reason))
        snprintf(session->reason + used, sizeof(session->reason) - (size_t)used, " ('trapline list %s' shows all)",
                 name);
}

static bool plan(struct session *session)
{
    session->modules.pid = session->pid;
    session->modules.filter = session->options->filter;
    session->modules.libraries = session->options->libraries;
    if (tl_modules_scan(&session->modules, session->reason, sizeof(session->reason)) < 0)
        return false;
    for (size_t i = 0; i < session->modules.count; i++)
        if (session->modules.entry[i].selected)
            return true;
    no_match(session);
    return false;
}

static bool open_writer(struct session *session)
{
    int error = 0;
    session->writer = tl_writer_ctf.open(session->options->directory, &session->info, &error);
    if (!session->writer) {
        snprintf(session->reason, sizeof(session->reason), "cannot write to '%s': %s", session->options->directory,
                 error == -EEXIST ? "it exists and is no recording" : strerror(-error));
        return false;
    }
    struct tl_filter_limits limits = {
        .min_ticks = (uint64_t)((double)session->options->min_ns * (double)session->info.tsc_hz / 1e9),
        .depth = session->options->depth,
    };
    session->drain = tl_drain_new(&session->agent, &tl_writer_ctf, session->writer, &limits);
    return session->drain != NULL;
}

/* New libraries, ended threads, an ended program. False: the recording cannot go on. */
static bool watch(struct session *session)
{
    int error = tl_drain_reap(session->drain);
    if (error) {
        snprintf(session->reason, sizeof(session->reason), "cannot write the recording: %s", strerror(-error));
        return false;
    }
    if (session->options->libraries && !session->ended) {
        size_t before = session->modules.count;
        if (tl_modules_scan(&session->modules, session->reason, sizeof(session->reason)) > 0 &&
            !tl_modules_arm(&session->modules, before, &session->agent, &session->armed, &tl_writer_ctf,
                            session->writer, session->reason, sizeof(session->reason)) &&
            !tl_agent_gone(&session->agent))
            say(session, "%s", session->reason);
    }
    return true;
}

static bool time_is_up(const struct session *session, uint64_t start_ns)
{
    return session->options->for_ns && clock_ns(CLOCK_MONOTONIC) - start_ns >= session->options->for_ns;
}

/* Whether a signal asks us to stop. A launched program has the terminal's signals already, and gets the others from us:
 * we stay with it. */
static bool told_to_stop(const struct session *session)
{
    if (session->options->pid || !stop_signal)
        return stop_signal != 0;
    if (stop_signal != SIGINT && stop_signal != SIGQUIT)
        kill(session->pid, stop_signal);
    stop_signal = 0;
    return false;
}

/* The agent is gone: the process has ended, or runs another program. */
static void note_end(struct session *session)
{
    session->ended = true;
    for (int i = 0; i < 100; i++) { /* an exit may be under way */
        char state = tl_process_state(session->pid, 0);
        if (state == 0 || state == 'Z' || state == 'X') {
            if (session->options->pid)
                say(session, "process %d has ended", (int)session->pid);
            return;
        }
        struct timespec pause = {0, POLL_NS};
        nanosleep(&pause, NULL);
    }
    char comm[64];
    tl_process_comm(session->pid, 0, comm, sizeof(comm));
    fprintf(stderr, "trapline: process %d has executed another program (%s), which is not traced\n", (int)session->pid,
            comm);
}

/* Drains until there is a reason to stop. False: the recording failed. */
static bool record(struct session *session)
{
    uint64_t start = clock_ns(CLOCK_MONOTONIC), watched = start;
    for (;;) {
        long taken = tl_drain_run(session->drain);
        if (taken < 0) {
            snprintf(session->reason, sizeof(session->reason), "cannot write the recording: %s", strerror((int)-taken));
            return false;
        }
        if (tl_agent_gone(&session->agent)) {
            note_end(session);
            return true;
        }
        if (told_to_stop(session) || time_is_up(session, start))
            return true;
        uint64_t now = clock_ns(CLOCK_MONOTONIC);
        if (now - watched >= WATCH_NS || tl_drain_crowded(session->drain)) {
            watched = now;
            if (!watch(session))
                return false;
        }
        if (taken == 0) {
            struct timespec pause = {0, POLL_NS};
            nanosleep(&pause, NULL);
        }
    }
}

/* Out of the process again. */
static void leave(struct session *session)
{
    if (!session->ended && !tl_agent_quit(&session->agent))
        session->ended = true;
    session->info.tsc_end = tsc();
}

static void check_text(struct session *session)
{
    const struct tl_loaded *which = NULL;
    uint64_t where = 0;
    if (session->ended)
        return;
    uint64_t differ = tl_modules_verify(&session->modules, session->memory, &which, &where);
    if (differ)
        fprintf(stderr,
                "trapline: %" PRIu64 " bytes of the text of '%s' are not the file's, the first at 0x%" PRIx64 "\n",
                differ, which->path, where);
    else if (session->options->verbose > 0)
        say(session, "the text of all %zu modules is the files' again", session->modules.count);
}

/* Waits for a launched program; signals meant for us go to it. */
static int wait_for_end(struct session *session)
{
    int handle = (int)syscall(SYS_pidfd_open, session->pid, 0);
    while (!session->reaped) {
        struct pollfd poll_fd = {.fd = handle, .events = POLLIN};
        told_to_stop(session);
        pid_t got = waitpid(session->pid, &session->wait_status, WNOHANG);
        session->reaped = got == session->pid;
        if (got < 0 && errno != EINTR)
            return TL_EXIT_TRAPLINE;
        if (got == 0)
            poll(&poll_fd, handle >= 0, 50); /* a signal between the look and here waits so long */
    }
    if (handle >= 0)
        close(handle);
    return tl_launch_status(session->wait_status);
}

static void sum_up(struct session *session)
{
    const struct tl_armed *armed = &session->armed;
    char events[32], lost[32], bytes[32];
    struct tl_drain_count count = tl_drain_count(session->drain);
    uint64_t none = armed->functions - armed->traced;
    fprintf(stderr, "traced %" PRIu64 " of %" PRIu64 " functions (%" PRIu64 " jump, %" PRIu64 " trap", armed->traced,
            armed->functions, armed->entry_jump, armed->entry_trap);
    if (none)
        fprintf(stderr, "; %" PRIu64 " not: 'trapline list' says why", none);
    fprintf(stderr, ")\n%s events in %u thread%s, %s lost, %s in %s\n", grouped(count.events, events, sizeof(events)),
            count.threads, count.threads == 1 ? "" : "s", grouped(count.lost, lost, sizeof(lost)),
            size_text(session->bytes, bytes, sizeof(bytes)), session->options->directory);
}

static void fill_info(struct session *session)
{
    const struct tl_armed *armed = &session->armed;
    const struct tl_control *control = session->agent.control;
    struct tl_recording_info *info = &session->info;
    info->functions_found = armed->functions;
    info->functions_traced = armed->traced;
    info->entry_jump = armed->entry_jump;
    info->entry_trap = armed->entry_trap;
    info->sites_jump = armed->sites_jump;
    info->sites_trap = armed->sites_trap;
    info->lost = tl_drain_count(session->drain).lost;
    info->batches = control->batches;
    info->membarriers = control->membarriers;
    info->traps = control->traps;
    info->poke_ns = (uint64_t)((double)armed->poke_tsc * 1e9 / (double)info->tsc_hz);
}

/* Everything from the armed process to the closed recording. Returns whether the recording went well. */
static bool trace(struct session *session)
{
    bool well = tl_modules_arm(&session->modules, 0, &session->agent, &session->armed, &tl_writer_ctf, session->writer,
                               session->reason, sizeof(session->reason));
    if (!session->options->pid)
        tl_launch_release(session->pid);
    if (well) {
        if (session->options->pid) {
            char comm[64];
            tl_process_comm(session->pid, 0, comm, sizeof(comm));
            say(session, "attached to %d (%s)", (int)session->pid, comm);
        }
        well = record(session);
    }
    leave(session);
    int error = well ? tl_drain_finish(session->drain, session->info.tsc_end) : 0;
    if (error) {
        snprintf(session->reason, sizeof(session->reason), "cannot write the recording: %s", strerror(-error));
        well = false;
    }
    estimate_tsc(session);
    fill_info(session);
    return well;
}

static void handle_signals(bool launched)
{
    /* Attached: a second ^C ends us at once; the agent then leaves by itself. */
    struct sigaction action = {.sa_handler = on_stop, .sa_flags = launched ? 0 : (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    if (launched)
        sigaction(SIGQUIT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static bool begin(struct session *session, int *status)
{
    const struct tl_session_options *options = session->options;
    *status = TL_EXIT_TRAPLINE;
    if (!(getauxval(AT_HWCAP2) & 2)) {
        snprintf(session->reason, sizeof(session->reason),
                 "this machine lacks FSGSBASE (Linux 5.9 and a processor since 2013)");
        return false;
    }
    if (options->pid) {
        session->pid = options->pid;
        return tl_process_check(session->pid, session->reason, sizeof(session->reason));
    }
    session->pid = tl_launch(options->argv, status, session->reason, sizeof(session->reason));
    return session->pid != 0;
}

static void give_up_child(struct session *session)
{
    if (!session->options->pid && session->pid && !session->reaped) {
        kill(session->pid, SIGKILL);
        waitpid(session->pid, &session->wait_status, __WALL);
    }
}

int tl_session_run(const struct tl_session_options *options, bool *recorded)
{
    static struct session session; /* one at a time */
    int status, error;
    session = (struct session){.options = options, .memory = -1};
    *recorded = false;
    if (!begin(&session, &status)) {
        fail(&session);
        return status;
    }
    handle_signals(options->pid == 0);
    describe(&session);
    if (!plan(&session) || (estimate_tsc(&session), !enter(&session)) || !open_writer(&session)) {
        give_up_child(&session);
        if (session.agent.control)
            tl_agent_quit(&session.agent);
        return fail(&session);
    }
    bool well = trace(&session);
    if (!well)
        fail(&session);
    check_text(&session);
    if (options->pid && !session.ended)
        say(&session, "detached from %d", (int)session.pid);
    if (!options->pid)
        status = wait_for_end(&session);
    session.info.exit_status = options->pid ? -1 : status;
    error = tl_writer_ctf.close(session.writer, &session.info, &session.bytes);
    if (error && well)
        fprintf(stderr, "trapline: cannot write the recording: %s\n", strerror(-error));
    sum_up(&session);
    *recorded = true;
    tl_drain_free(session.drain);
    tl_agent_close(&session.agent);
    tl_modules_free(&session.modules);
    close(session.memory);
    if (!well || error)
        return TL_EXIT_TRAPLINE;
    return options->pid ? 0 : status;
}
