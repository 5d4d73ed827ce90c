/* SPDX-License-Identifier: MIT
 *
 * Small recordings with known times for tests: a script of events of one thread, a recording of several. What cannot
 * fail in a test ends it by an assert. Included by tests/writer, tests/reader, tests/cli and the fuzzer's seeds.
 */
#ifndef TESTS_WRITER_SYNTHETIC_H
#define TESTS_WRITER_SYNTHETIC_H

#include <assert.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wire/event.h>
#include <writer/writer.h>

#define SCRIPT_MAX 100000

/* What one thread's ring would hold. Times are 64-bit ticks; clock records come by themselves. */
struct script {
    uint64_t *events;
    size_t count;
    uint64_t high;
};

static inline void script_put(struct script *script, uint64_t time, unsigned kind, uint32_t value)
{
    if (!script->events)
        script->events = malloc(SCRIPT_MAX * sizeof *script->events);
    assert(script->events && script->count + 2 <= SCRIPT_MAX);
    if (script->count == 0 || time >> 32 != script->high)
        script->events[script->count++] = TL_EVENT(time, TL_EVENT_CLOCK, time >> 32);
    script->high = time >> 32;
    script->events[script->count++] = TL_EVENT(time, kind, value);
}

static inline void enter(struct script *script, uint64_t time, uint32_t function)
{
    script_put(script, time, TL_EVENT_ENTRY, function);
}

static inline void leave(struct script *script, uint64_t time, uint32_t function)
{
    script_put(script, time, TL_EVENT_EXIT, function);
}

static inline void lose(struct script *script, uint64_t time, uint32_t count)
{
    script_put(script, time, TL_EVENT_LOST, count);
}

/* A recording of a program "prog" at 1 GHz, so that ticks are ns, begun at tick 0 on 2023-11-14 22:13:20 UTC. */
struct synthetic {
    char parent[64], directory[80];
    struct tl_recording_info info;
    struct tl_writer *writer;
};

static inline void synthetic_folder(struct synthetic *synthetic)
{
    const char *temporary = getenv("TMPDIR");
    memset(synthetic, 0, sizeof *synthetic);
    int length = snprintf(synthetic->parent, sizeof synthetic->parent, "%s/trapline-test-XXXXXX",
                          temporary && strlen(temporary) < 40 ? temporary : "/tmp");
    assert(length > 0 && (size_t)length < sizeof synthetic->parent && mkdtemp(synthetic->parent));
    snprintf(synthetic->directory, sizeof synthetic->directory, "%s/data", synthetic->parent);
    synthetic->info = (struct tl_recording_info){.command = "prog -x",
                                                 .pid = 28118,
                                                 .tsc_hz = 1000000000u,
                                                 .realtime_start_ns = 1700000000000000000u,
                                                 .functions_found = 5,
                                                 .functions_traced = 4,
                                                 .entry_jump = 3,
                                                 .entry_trap = 1,
                                                 .sites_jump = 7,
                                                 .sites_trap = 2,
                                                 .batches = 2,
                                                 .membarriers = 6,
                                                 .poke_ns = 1234567,
                                                 .held_ns = 812345,
                                                 .by_attach = 1};
}

/* Functions 1, 2, ... have these names, "" meaning none; addresses 0x1000, 0x1040, ... */
static inline int synthetic_open(struct synthetic *synthetic, const char *const *names, size_t count)
{
    int error = 0;
    static const uint8_t build_id[] = {0xde, 0xad, 0xbe, 0xef};
    const struct tl_recording_module module = {
        .name = "prog", .path = "/usr/bin/prog", .build_id = build_id, .build_id_bytes = 4, .bias = 0x555500000000};
    synthetic->writer = tl_writer_ctf.open(synthetic->directory, &synthetic->info, &error);
    if (!synthetic->writer)
        return error;
    error = tl_writer_ctf.module(synthetic->writer, &module);
    for (size_t i = 0; i < count && error == 0; i++) {
        const struct tl_recording_function function = {
            .id = (uint32_t)i + 1, .name = *names[i] ? names[i] : NULL, .address = 0x1000 + i * 0x40, .size = 0x40};
        error = tl_writer_ctf.function(synthetic->writer, &function);
    }
    return error != 0 ? error : tl_writer_ctf.flush_names(synthetic->writer);
}

/* Hands the script over and empties it. */
static inline int synthetic_packet(struct synthetic *synthetic, int tid, struct script *script, uint64_t lost_before)
{
    const struct tl_recording_packet packet = {
        .tid = tid, .comm = "prog", .events = script->events, .count = script->count, .lost_before = lost_before};
    int error = tl_writer_ctf.packet(synthetic->writer, &packet);
    free(script->events);
    memset(script, 0, sizeof *script);
    return error;
}

static inline int synthetic_close(struct synthetic *synthetic)
{
    int error = tl_writer_ctf.close(synthetic->writer, &synthetic->info, NULL);
    synthetic->writer = NULL;
    return error;
}

static inline int synthetic_remove_one(const char *path, const struct stat *st, int type, struct FTW *place)
{
    (void)st;
    (void)type;
    (void)place;
    return remove(path);
}

static inline void synthetic_remove_in(const char *path)
{
    nftw(path, synthetic_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void synthetic_remove(struct synthetic *synthetic)
{
    synthetic_remove_in(synthetic->parent);
}

/* The whole file with a zero behind it; free it. */
static inline char *synthetic_read(const char *path, size_t *bytes)
{
    FILE *from = fopen(path, "rb");
    size_t room = 1 << 20, got = 0;
    char *text = malloc(room);
    assert(from && text);
    for (size_t more; (more = fread(text + got, 1, room - got - 1, from)) > 0;) {
        got += more;
        if (room - got < 2) {
            room *= 2;
            text = realloc(text, room);
            assert(text);
        }
    }
    fclose(from);
    text[got] = '\0';
    if (bytes)
        *bytes = got;
    return text;
}

#endif
