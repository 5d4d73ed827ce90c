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
#include <tracer/hurry.h>
#include <tracer/launch.h>
#include <tracer/modules.h>
#include <tracer/progress.h>
#include <tracer/resident.h>
#include <tracer/running.h>
#include <tracer/session.h>
#include <unistd.h>

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
    session->info.one_in = session->options->one_in;
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
    const struct tl_rings rings = {ring_bytes(options), options->mode, options->one_in};
    session->placed = tl_agent_place(&session->agent, &session->hold, &session->resident, &rings, session->reason,
                                     sizeof(session->reason));
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
    if (tl_modules_scan(&session->modules, NULL, session->memory, session->reason, sizeof(session->reason)) < 0)
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
    return tl_modules_settle(&session->modules, session->memory, session->reason, sizeof(session->reason));
}

void tl_session_fill_info(struct tl_session *session)
{
    estimate_tsc(session);
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
        tl_loop_told_to_stop(session);
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
    tl_session_fill_info(session);
    int error = tl_writer_ctf.info(session->writer, &session->info);
    if (error)
        snprintf(session->reason, sizeof(session->reason), "cannot write the recording: %s", strerror(-error));
    return error == 0;
}

/* Everything from the armed process to the closed recording. Returns whether the recording went well. */
static bool trace(struct tl_session *session)
{
    tl_progress("patching %s", session->command);
    session->nice_before = tl_hurry_drain_begin();
    session->agent.control->at_rest = session->options->pid == 0;
    int error = tl_loop_arm(session);
    session->agent.control->at_rest = 0;
    bool well = session->beside_well && error == 0;
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
        well = tl_loop_run(session);
    }
    int leave_error = tl_loop_leave(session);
    if (session->options->verbose > 0 && !session->ended)
        tl_session_say(session, "took the sites out again in %.3f ms",
                       (double)session->agent.control->poke_tsc * 1e3 / (double)session->info.tsc_hz);
    session->info.tsc_end = tsc();
    tl_hurry_drain_end(session->nice_before);
    if (error == 0)
        error = leave_error;
    if (well && error == 0)
        error = tl_drain_finish(session->drain, session->info.tsc_end);
    if (error) {
        snprintf(session->reason, sizeof(session->reason), "cannot write the recording: %s", strerror(-error));
        well = false;
    }
    tl_session_fill_info(session);
    return well;
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
    tl_loop_signals(options->pid == 0);
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
