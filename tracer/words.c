/* SPDX-License-Identifier: MIT
 *
 * What a session says of itself. See running.h.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <tracer/running.h>

void tl_session_say(const struct tl_session *session, const char *format, ...)
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

int tl_session_fail(const struct tl_session *session)
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

void tl_session_say_steps(const struct tl_session *session)
{
    const struct tl_armed *armed = &session->armed;
    const struct tl_control *control = session->agent.control;
    char stubs[32];
    size_t modules = 0;
    if (session->options->verbose <= 0)
        return;
    for (size_t i = 0; i < session->modules.count; i++)
        modules += session->modules.entry[i].selected;
    tl_session_say(session, "planned %" PRIu64 " functions of %zu module%s", armed->functions, modules,
                   modules == 1 ? "" : "s");
    if (session->info.by_attach)
        tl_session_say(session, "placed the agent, thread %u of the process; thread %d was held for %.3f ms",
                       control->agent_tid, (int)session->hold.tid, (double)session->info.held_ns / 1e6);
    else
        tl_session_say(session, "placed the agent, thread %u of the process, before its first instruction",
                       control->agent_tid);
    tl_session_say(session,
                   "armed %" PRIu64 " sites by jump, %" PRIu64 " by trap; %" PRIu64 " refused, %" PRIu64
                   " guards; %" PRIu64 " batches, %" PRIu64 " membarriers, %.3f ms of poking, %s of stubs",
                   armed->sites_jump, armed->sites_trap, armed->refused, armed->guards, control->batches,
                   control->membarriers, (double)armed->poke_tsc * 1e3 / (double)session->info.tsc_hz,
                   size_text(control->stub_bytes, stubs, sizeof(stubs)));
}

/* 12 events in 3 threads, 0 lost, at most 7 overwritten; 12 calls in 3 threads, 0 lost; 12 functions called */
static const char *count_text(const struct tl_drain_count *count, enum tl_ring_mode mode, char *text, size_t size)
{
    char events[32], lost[32], overwritten[32];
    const char *what = mode == TL_RING_COUNT ? "calls" : "events";
    if (mode == TL_RING_COVER) {
        snprintf(text, size, "%s functions called", grouped(count->events, events, sizeof(events)));
        return text;
    }
    int used = snprintf(text, size, "%s %s in %u thread%s, %s lost", grouped(count->events, events, sizeof(events)),
                        what, count->threads, count->threads == 1 ? "" : "s", grouped(count->lost, lost, sizeof(lost)));
    if (count->overwritten && used > 0 && (size_t)used < size)
        snprintf(text + used, size - (size_t)used, ", at most %s overwritten",
                 grouped(count->overwritten, overwritten, sizeof(overwritten)));
    return text;
}

void tl_session_say_dump(const struct tl_session *session, const struct tl_drain_count *count, const char *path)
{
    char text[192];
    tl_session_say(session, "dumped %s, into %s", count_text(count, TL_RING_FLIGHT, text, sizeof(text)), path);
}

void tl_session_sum_up(const struct tl_session *session)
{
    const struct tl_armed *armed = &session->armed;
    char counted[192], bytes[32];
    struct tl_drain_count count = tl_drain_count(session->drain);
    uint64_t none = armed->functions - armed->traced;
    fprintf(stderr, "traced %" PRIu64 " of %" PRIu64 " functions (%" PRIu64 " jump, %" PRIu64 " trap", armed->traced,
            armed->functions, armed->entry_jump, armed->entry_trap);
    if (none)
        fprintf(stderr, "; %" PRIu64 " not: 'trapline list' says why", none);
    fprintf(stderr, ")\n%s, %s in %s\n", count_text(&count, session->options->mode, counted, sizeof(counted)),
            size_text(session->bytes, bytes, sizeof(bytes)), session->options->directory);
}
