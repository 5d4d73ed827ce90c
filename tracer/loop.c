/* SPDX-License-Identifier: MIT
 *
 * The part of a session in which the program runs traced: the sites go in, the rings are drained until there is a
 * reason to stop, the sites go out. See running.h. What takes long meanwhile is done beside the draining (beside.h).
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <tracer/counts.h>
#include <tracer/dump.h>
#include <tracer/hurry.h>
#include <tracer/running.h>
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

/* Work beside the draining: see beside.h. Each leaves whether it went well. */
static int announce(void *argument)
{
    struct tl_session *session = argument;
    return tl_modules_announce(&session->modules, &session->agent, &session->armed, &tl_writer_ctf, session->writer,
                               session->beside_reason, sizeof(session->beside_reason));
}

static void arm(void *argument)
{
    struct tl_session *session = argument;
    session->beside_well = tl_beside_ask(&session->beside, announce, session) &&
                           tl_modules_arm(&session->modules, &session->agent, &session->armed, session->beside_reason,
                                          sizeof(session->beside_reason));
}

static void look_for_libraries(void *argument)
{
    struct tl_session *session = argument;
    char *reason = session->beside_reason;
    size_t size = sizeof(session->beside_reason);
    tl_hurry_drain_end(session->nice_before); /* that is for who drains */
    if (tl_modules_scan(&session->modules, &session->agent, session->memory, reason, size) <= 0)
        return;
    (void)tl_modules_settle(&session->modules, session->memory, reason, size); /* guards are wanted in any case */
    arm(session);
    if (!session->beside_well && !tl_agent_gone(&session->agent))
        tl_session_say(session, "%s", reason);
}

static void quit(void *argument)
{
    struct tl_session *session = argument;
    session->beside_well = tl_agent_quit(&session->agent);
}

/* Until there may be something to drain again. */
static void take_a_rest(void)
{
    struct timespec pause = {0, POLL_NS};
    nanosleep(&pause, NULL);
}

/* Does work, and drains until it is done. 0 or a negative errno of the writer. */
static int drain_beside(struct tl_session *session, void (*work)(void *argument))
{
    long taken = 0;
    tl_beside_start(&session->beside, work, session);
    while (tl_beside_busy(&session->beside) && taken >= 0) {
        taken = tl_drain_run(session->drain);
        if (taken == 0)
            take_a_rest();
    }
    tl_beside_end(&session->beside);
    return taken < 0 ? (int)taken : 0;
}

int tl_loop_arm(struct tl_session *session)
{
    int error = 0;
    if (session->options->pid)
        error = drain_beside(session, arm);
    else
        arm(session); /* nobody runs yet */
    if (!session->beside_well)
        snprintf(session->reason, sizeof(session->reason), "%s", session->beside_reason);
    return error;
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
    if (session->options->libraries && !session->ended && !tl_beside_busy(&session->beside))
        tl_beside_start(&session->beside, look_for_libraries, session);
    return true;
}

static bool time_is_up(const struct tl_session *session, uint64_t start_ns)
{
    return session->options->for_ns && clock_ns(CLOCK_MONOTONIC) - start_ns >= session->options->for_ns;
}

/* Whether a signal asks us to stop. A launched program has the terminal's signals already, and gets the others from us:
 * we stay with it. */
bool tl_loop_told_to_stop(const struct tl_session *session)
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

/* Drains until there is a reason to stop. False: the recording failed. */
bool tl_loop_run(struct tl_session *session)
{
    uint64_t start = clock_ns(CLOCK_MONOTONIC), watched = start;
    for (;;) {
        long taken = tl_drain_run(session->drain);
        if (taken < 0) {
            snprintf(session->reason, sizeof(session->reason), "cannot write the recording: %s", strerror((int)-taken));
            return false;
        }
        if (tl_agent_gone(&session->agent)) {
            tl_beside_end(&session->beside);
            note_end(session);
            return true;
        }
        bool busy = tl_beside_busy(&session->beside),
             stop = tl_loop_told_to_stop(session) || time_is_up(session, start);
        if (!busy && tl_dump_asked()) {
            tl_session_fill_info(session);
            tl_dump(session);
        }
        if (!busy && stop)
            return true;
        uint64_t now = clock_ns(CLOCK_MONOTONIC);
        if (!busy && session->options->mode == TL_RING_COVER && now >= session->retire_ns)
            retire(session);
        if (now - watched >= WATCH_NS || tl_drain_crowded(session->drain)) {
            watched = now;
            if (!watch(session))
                return false;
        }
        if (taken == 0)
            take_a_rest();
    }
}

/* Out of the process again. 0 or a negative errno of the writer. */
int tl_loop_leave(struct tl_session *session)
{
    int error = 0;
    tl_beside_end(&session->beside);
    if (!session->ended) {
        error = drain_beside(session, quit);
        session->ended = !session->beside_well;
    }
    return error;
}

void tl_loop_signals(bool launched)
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
