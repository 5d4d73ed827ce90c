/* SPDX-License-Identifier: MIT
 *
 * A recording session. See session.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <tracer/counts.h>
#include <tracer/drain.h>
#include <tracer/dump.h>
#include <tracer/hurry.h>
#include <tracer/launch.h>
#include <tracer/modules.h>
#include <tracer/progress.h>
#include <tracer/resident.h>
#include <tracer/running.h>
#include <tracer/session.h>
#include <unistd.h>

#define POLL_NS 1000000u
#define WATCH_NS 50000000u /* how often new libraries and ended threads are looked for */
#define END_MS 100         /* between the end of the agent's thread and of the last one */
#define KEEP_PART 20       /* of the time at most this part is spent on writing what chunks hold so far */

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

static void estimate_tsc(struct tl_session *session)
{
    uint64_t ns = clock_ns(CLOCK_MONOTONIC_RAW) - session->raw_start_ns;
    while (ns < 10000000) { /* a short session: at least 10 ms for a figure worth having */
        usleep(1000);
        ns = clock_ns(CLOCK_MONOTONIC_RAW) - session->raw_start_ns;
    }
    session->info.tsc_hz = (uint64_t)((double)(tsc() - session->info.tsc_start) * 1e9 / (double)ns);
}

static void describe(struct tl_session *session)
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
    session->info.counted = session->options->mode == TL_RING_COUNT || session->options->mode == TL_RING_COVER;
    session->info.covered = session->options->mode == TL_RING_COVER;
    session->info.tsc_start = tsc();
    session->raw_start_ns = clock_ns(CLOCK_MONOTONIC_RAW);
    session->info.realtime_start_ns = clock_ns(CLOCK_REALTIME);
}

static uint32_t ring_bytes(const struct tl_session_options *options)
{
    if (options->mode == TL_RING_COVER)
        return 2 * TL_CHUNK_BYTES; /* not used */
    return options->mode == TL_RING_COUNT ? TL_COUNTERS_BYTES : options->buffer_bytes;
}

/* Holds a thread, places the agent, lets the thread go. */
static int place(void *argument)
{
    struct tl_session *session = argument;
    const struct tl_session_options *options = session->options;
    bool held =
        options->pid
            ? tl_hold_begin(&session->hold, session->pid, session->memory, session->reason, sizeof(session->reason))
            : tl_hold_adopt(&session->hold, session->pid, session->memory, session->reason, sizeof(session->reason));
    if (!held)
        return 0;
    session->placed = tl_agent_place(&session->agent, &session->hold, &session->resident, ring_bytes(options),
                                     options->mode, session->reason, sizeof(session->reason));
    tl_hold_end(&session->hold);
    return 0;
}

/* Runs work in a process that shares our memory and files: when we are killed in the middle, it goes on and leaves the
 * held thread as it found it. (The agent then sees that nobody is there, and leaves, too.) */
static void in_a_process_of_its_own(int (*work)(void *), struct tl_session *session)
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
static bool enter(struct tl_session *session)
{
    const struct tl_session_options *options = session->options;
    session->memory = tl_process_memory(session->pid);
    if (session->memory < 0) {
        tl_process_refusal(session->pid, session->pid, errno, session->reason, sizeof(session->reason));
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
static void no_match(struct tl_session *session)
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

static bool plan(struct tl_session *session)
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

static bool cannot_write(struct tl_session *session, int error)
{
    snprintf(session->reason, sizeof(session->reason), "cannot write to '%s': %s", session->options->directory,
             error == -EEXIST ? "it exists and is no recording" : strerror(-error));
    return false;
}

static bool open_writer(struct tl_session *session)
{
    int error = 0;
    session->writer = tl_writer_ctf.open(session->options->directory, &session->info, &error);
    if (!session->writer)
        return cannot_write(session, error);
    session->limits = (struct tl_filter_limits){
        .min_ticks = (uint64_t)((double)session->options->min_ns * (double)session->info.tsc_hz / 1e9),
        .depth = session->options->depth,
    };
    /* Half a second is enough: what takes that long is worth the tracer's look. */
    uint64_t min_ticks = session->limits.min_ticks;
    session->agent.control->min_ticks = min_ticks < INT32_MAX ? (uint32_t)min_ticks : INT32_MAX;
    session->drain = tl_drain_new(&session->agent, &tl_writer_ctf, session->writer, &session->limits);
    return session->drain != NULL;
}

/* After entering: a process forked while its parent was traced has the parent's sites until then. */
static bool settle(struct tl_session *session)
{
    return tl_modules_settle(&session->modules, 0, session->memory, session->reason, sizeof(session->reason));
}

/* New libraries, ended threads, an ended program. False: the recording cannot go on. */
static bool watch(struct tl_session *session)
{
    int error = tl_drain_reap(session->drain);
    uint64_t now = clock_ns(CLOCK_MONOTONIC);
    if (!error && now >= session->keep_ns) {
        error = tl_drain_started(session->drain);
        uint64_t took = clock_ns(CLOCK_MONOTONIC) - now;
        session->keep_ns = now + (took > WATCH_NS / KEEP_PART ? KEEP_PART * took : WATCH_NS);
    }
    if (error) {
        snprintf(session->reason, sizeof(session->reason), "cannot write the recording: %s", strerror(-error));
        return false;
    }
    if (session->options->libraries && !session->ended) {
        size_t before = session->modules.count;
        if (tl_modules_scan(&session->modules, session->reason, sizeof(session->reason)) > 0 &&
            tl_modules_settle(&session->modules, before, session->memory, session->reason, sizeof(session->reason)) &&
            !tl_modules_arm(&session->modules, before, &session->agent, &session->armed, &tl_writer_ctf,
                            session->writer, session->reason, sizeof(session->reason)) &&
            !tl_agent_gone(&session->agent))
            tl_session_say(session, "%s", session->reason);
    }
    return true;
}

static bool time_is_up(const struct tl_session *session, uint64_t start_ns)
{
    return session->options->for_ns && clock_ns(CLOCK_MONOTONIC) - start_ns >= session->options->for_ns;
}

/* Whether a signal asks us to stop. A launched program has the terminal's signals already, and gets the others from us:
 * we stay with it. */
static bool told_to_stop(const struct tl_session *session)
{
    if (session->options->pid || !stop_signal)
        return stop_signal != 0;
    if (stop_signal != SIGINT && stop_signal != SIGQUIT)
        kill(session->pid, stop_signal);
    stop_signal = 0;
    return false;
}

/* Waits for an end that may be under way: true if the process has ended, with the last of its threads: until then they
 * may record. */
static bool has_ended(const struct tl_session *session)
{
    struct pollfd poll_fd = {.fd = (int)syscall(SYS_pidfd_open, session->pid, 0), .events = POLLIN};
    int ready;
    if (poll_fd.fd < 0)
        return errno == ESRCH;
    do
        ready = poll(&poll_fd, 1, END_MS);
    while (ready < 0 && errno == EINTR);
    close(poll_fd.fd);
    return ready > 0;
}

/* The agent is gone: the process has ended, runs another program, or confines itself. */
static void note_end(struct tl_session *session)
{
    char link[64], program[512];
    session->ended = true;
    if (session->agent.control->confined) {
        fprintf(stderr,
                "trapline: process %d puts a seccomp filter on all its threads, trapline's among them; the recording "
                "ended there\n",
                (int)session->pid);
    } else if (has_ended(session)) {
        if (session->options->pid)
            tl_session_say(session, "process %d has ended", (int)session->pid);
    } else {
        snprintf(link, sizeof(link), "/proc/%d/exe", (int)session->pid);
        ssize_t length = readlink(link, program, sizeof(program) - 1);
        program[length > 0 ? length : 0] = 0;
        fprintf(stderr, "trapline: process %d has executed '%s'; the recording ended there\n", (int)session->pid,
                length > 0 ? program : "?");
    }
}

/* Has the sites of functions taken out that have been called since the last time. */
static void retire(struct tl_session *session)
{
    uint64_t began = clock_ns(CLOCK_MONOTONIC), called = tl_called_take(&session->agent, NULL);
    if (called == session->retired || session->ended)
        return;
    if (tl_agent_command(&session->agent, TL_COMMAND_RETIRE))
        session->retired = called;
    uint64_t now = clock_ns(CLOCK_MONOTONIC);
    session->retire_ns = now + KEEP_PART * (now - began);
}

static void fill_info(struct tl_session *session)
{
    const struct tl_armed *armed = &session->armed;
    const struct tl_control *control = session->agent.control;
    struct tl_recording_info *info = &session->info;
    struct tl_drain_count count = tl_drain_count(session->drain);
    info->functions_found = armed->functions;
    info->functions_traced = armed->traced;
    info->entry_jump = armed->entry_jump;
    info->entry_trap = armed->entry_trap;
    info->sites_jump = armed->sites_jump;
    info->sites_trap = armed->sites_trap;
    info->lost = count.lost;
    info->overwritten = count.overwritten;
    info->threads = count.threads;
    info->batches = control->batches;
    info->membarriers = control->membarriers;
    info->traps = control->traps;
    info->poke_ns = (uint64_t)((double)armed->poke_tsc * 1e9 / (double)info->tsc_hz);
}

/* Drains until there is a reason to stop. False: the recording failed. */
static bool record(struct tl_session *session)
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
        if (tl_dump_asked()) {
            estimate_tsc(session);
            fill_info(session);
            tl_dump(session);
        }
        if (told_to_stop(session) || time_is_up(session, start))
            return true;
        uint64_t now = clock_ns(CLOCK_MONOTONIC);
        if (session->options->mode == TL_RING_COVER && now >= session->retire_ns)
            retire(session);
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
static void leave(struct tl_session *session)
{
    if (!session->ended && !tl_agent_quit(&session->agent))
        session->ended = true;
    session->info.tsc_end = tsc();
}

static void check_text(struct tl_session *session)
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
        tl_session_say(session, "the text of all %zu modules is the files' again", session->modules.count);
}

/* Waits for a launched program; signals meant for us go to it. */
static int wait_for_end(struct tl_session *session)
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

/* What is known by now goes to disk: we may be killed. */
static bool note(struct tl_session *session)
{
    fill_info(session);
    int error = tl_writer_ctf.info(session->writer, &session->info);
    if (error)
        snprintf(session->reason, sizeof(session->reason), "cannot write the recording: %s", strerror(-error));
    return error == 0;
}

/* Everything from the armed process to the closed recording. Returns whether the recording went well. */
static bool trace(struct tl_session *session)
{
    tl_progress("patching %s", session->command);
    bool well = tl_modules_arm(&session->modules, 0, &session->agent, &session->armed, &tl_writer_ctf, session->writer,
                               session->reason, sizeof(session->reason));
    if (well)
        well = note(session);
    if (!session->options->pid)
        tl_launch_release(session->pid);
    tl_progress_end();
    if (well)
        tl_session_say_steps(session);
    if (well) {
        if (session->options->pid) {
            char comm[64];
            tl_process_comm(session->pid, 0, comm, sizeof(comm));
            tl_session_say(session, "attached to %d (%s)", (int)session->pid, comm);
        }
        session->nice_before = tl_hurry_drain_begin();
        well = record(session);
        tl_hurry_drain_end(session->nice_before);
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
    tl_dump_listen();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a write over the limit fails, then, like one to a full disk */
}

static bool begin(struct tl_session *session, int *status)
{
    const struct tl_session_options *options = session->options;
    *status = TL_EXIT_TRAPLINE;
    int error = tl_writer_ctf.check(options->directory);
    if (error)
        return cannot_write(session, error);
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

static void give_up_child(struct tl_session *session)
{
    if (!session->options->pid && session->pid && !session->reaped) {
        kill(session->pid, SIGKILL);
        waitpid(session->pid, &session->wait_status, __WALL);
    }
}

int tl_session_run(const struct tl_session_options *options, bool *recorded)
{
    static struct tl_session session; /* one at a time */
    int status, error;
    session = (struct tl_session){.options = options, .memory = -1};
    *recorded = false;
    if (!begin(&session, &status)) {
        tl_session_fail(&session);
        return status;
    }
    handle_signals(options->pid == 0);
    describe(&session);
    if (!plan(&session) || (estimate_tsc(&session), !enter(&session)) || !settle(&session) || !open_writer(&session)) {
        give_up_child(&session);
        if (session.agent.control)
            tl_agent_quit(&session.agent);
        return tl_session_fail(&session);
    }
    bool well = trace(&session);
    if (!well)
        tl_session_fail(&session);
    check_text(&session);
    if (options->pid && !session.ended)
        tl_session_say(&session, "detached from %d", (int)session.pid);
    if (!options->pid)
        status = wait_for_end(&session);
    session.info.exit_status = options->pid ? -1 : status;
    error = tl_writer_ctf.close(session.writer, &session.info, &session.bytes);
    if (error && well)
        fprintf(stderr, "trapline: cannot write the recording: %s\n", strerror(-error));
    tl_session_sum_up(&session);
    *recorded = true;
    tl_drain_free(session.drain);
    tl_agent_close(&session.agent);
    tl_modules_free(&session.modules);
    close(session.memory);
    if (!well || error)
        return TL_EXIT_TRAPLINE;
    return options->pid ? 0 : status;
}
