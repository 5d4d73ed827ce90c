/* SPDX-License-Identifier: MIT
 *
 * Dumps of a flight recorder. See dump.h; the copying is snapshot.c's.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <tracer/dump.h>
#include <tracer/hurry.h>
#include <tracer/snapshot.h>
#include <unistd.h>

static volatile sig_atomic_t asked;

static void on_ask(int signal)
{
    (void)signal;
    asked = 1;
}

void tl_dump_listen(void)
{
    struct sigaction action = {.sa_handler = on_ask};
    sigaction(SIGUSR2, &action, NULL);
}

bool tl_dump_asked(void)
{
    bool was = asked;
    if (was)
        asked = 0;
    return was;
}

/* Makes DIR.N of the first N that is free, after those of this session: what is there is never touched. A new string,
 * or NULL with errno. */
static char *make_place(struct tl_session *session)
{
    const char *directory = session->options->directory;
    int length = (int)strlen(directory);
    char *path;
    while (length > 1 && directory[length - 1] == '/')
        length--;
    while (asprintf(&path, "%.*s.%u", length, directory, ++session->dumps) >= 0) {
        if (mkdir(path, 0777) == 0)
            return path;
        int error = errno;
        free(path);
        errno = error;
        if (error != EEXIST)
            return NULL;
    }
    return NULL;
}

/* The copy as a recording in the empty directory path. 0 or a negative errno. */
static int write_copy(struct tl_session *session, struct tl_agent *copy, const char *path,
                      struct tl_recording_info *info, struct tl_drain_count *count)
{
    const struct tl_writer_ops *ops = &tl_writer_ctf;
    int error = 0;
    uint64_t bytes;
    struct tl_writer *writer = ops->open(path, info, &error);
    if (!writer) {
        rmdir(path);
        return error;
    }
    error = tl_modules_tell(&session->modules, ops, writer);
    struct tl_drain *drain = tl_drain_new(copy, ops, writer, &session->limits);
    if (!error)
        error = drain ? tl_drain_finish(drain, info->tsc_end) : -ENOMEM;
    if (drain)
        *count = tl_drain_count(drain);
    info->lost = count->lost;
    info->overwritten = count->overwritten;
    info->threads = count->threads;
    tl_drain_free(drain);
    int close_error = ops->close(writer, info, &bytes);
    return error ? error : close_error;
}

static void no_dump(const char *why)
{
    fprintf(stderr, "trapline: nothing is dumped: %s; the recording goes on\n", why);
}

void tl_dump(struct tl_session *session)
{
    struct tl_recording_info info = session->info;
    struct tl_drain_count count = {0};
    struct tl_agent copy;
    if (session->options->mode != TL_RING_FLIGHT) {
        no_dump("SIGUSR2 asks for what the rings hold, and they keep it with --flight only");
        return;
    }
    if (!tl_snapshot_take(&session->agent, &copy)) {
        no_dump("there is not enough memory for a copy of the rings");
        return;
    }
    info.tsc_end = __builtin_ia32_rdtsc();
    tl_hurry_drain_end(
        session->nice_before); /* the copy had to be quick; what follows is not the target's to wait for */
    char *path = make_place(session);
    int error = path ? write_copy(session, &copy, path, &info, &count) : -errno;
    tl_hurry_drain_begin();
    tl_snapshot_free(&copy);
    if (error)
        fprintf(stderr, "trapline: cannot write the dump '%s': %s; the recording goes on\n",
                path ? path : session->options->directory, strerror(-error));
    else
        tl_session_say_dump(session, &count, path);
    free(path);
}
