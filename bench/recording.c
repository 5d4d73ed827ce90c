/* SPDX-License-Identifier: MIT
 *
 * Makes a synthetic recording: `recording DIR EVENTS [THREADS [FUNCTIONS]]`. A walk through a tree of calls whose
 * depth, functions and times come from a small generator of numbers, the same for the same arguments. What reading and
 * writing cost is measured with it; no program is traced.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wire/event.h>
#include <writer/writer.h>

#define CHUNK_EVENTS 4096
#define DEPTH_MAX 40

struct walk {
    uint64_t time, high, state;
    uint32_t stack[DEPTH_MAX];
    unsigned depth;
};

static uint32_t number(struct walk *walk)
{
    walk->state = walk->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(walk->state >> 33);
}

/* Fills one chunk: a clock record first, and wherever the upper half changes. */
static size_t fill(struct walk *walk, uint64_t *chunk, uint32_t functions)
{
    walk->high = walk->time >> 32;
    chunk[0] = TL_EVENT(walk->time, TL_EVENT_CLOCK, walk->high);
    size_t count = 1;
    while (count < CHUNK_EVENTS - 1) {
        uint32_t random = number(walk);
        walk->time += 30 + (random & 255);
        if (walk->time >> 32 != walk->high) {
            walk->high = walk->time >> 32;
            chunk[count++] = TL_EVENT(walk->time, TL_EVENT_CLOCK, walk->high);
        }
        if (walk->depth > 0 && (walk->depth == DEPTH_MAX || (random & 0x300) < 0x180 || walk->depth > 20)) {
            chunk[count++] = TL_EVENT(walk->time, TL_EVENT_EXIT, walk->stack[--walk->depth]);
        } else {
            uint32_t function = 1 + (random >> 10) % functions;
            walk->stack[walk->depth++] = function;
            chunk[count++] = TL_EVENT(walk->time, TL_EVENT_ENTRY, function);
        }
    }
    return count;
}

static int write_events(struct tl_writer *writer, uint64_t events, unsigned threads, uint32_t functions)
{
    static uint64_t chunk[CHUNK_EVENTS];
    struct walk *walks = calloc(threads, sizeof *walks);
    int error = walks ? 0 : -1;
    for (unsigned i = 0; walks && i < threads; i++)
        walks[i] = (struct walk){.time = 1000000000000u + i, .state = i + 1};
    for (uint64_t done = 0, turn = 0; done < events && error == 0; turn++) {
        unsigned thread = (unsigned)(turn % threads);
        struct tl_recording_packet packet = {.tid = 1000 + (int)thread, .comm = "synthetic", .events = chunk};
        packet.count = fill(&walks[thread], chunk, functions);
        done += packet.count - 1;
        error = tl_writer_ctf.packet(writer, &packet);
    }
    free(walks);
    return error;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: recording DIR EVENTS [THREADS [FUNCTIONS]]\n");
        return 2;
    }
    uint64_t events = strtoull(argv[2], NULL, 0), bytes = 0;
    unsigned threads = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 0) : 4;
    uint32_t functions = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 0) : 1000;
    struct tl_recording_info info = {
        .command = "synthetic", .pid = 1000, .tsc_hz = 3000000000u, .tsc_start = 1000000000000u};
    if (threads == 0 || functions == 0)
        return 2;
    int error = 0;
    struct tl_writer *writer = tl_writer_ctf.open(argv[1], &info, &error);
    const struct tl_recording_module module = {.name = "synthetic", .path = "/synthetic"};
    if (writer && error == 0)
        error = tl_writer_ctf.module(writer, &module);
    for (uint32_t id = 1; writer && error == 0 && id <= functions; id++) {
        char name[32];
        snprintf(name, sizeof name, "function_%u", id);
        const struct tl_recording_function function = {.id = id, .name = name, .address = id * 64, .size = 64};
        error = tl_writer_ctf.function(writer, &function);
    }
    if (writer && error == 0)
        error = tl_writer_ctf.flush_names(writer);
    if (writer && error == 0)
        error = write_events(writer, events, threads, functions);
    int close_error = writer ? tl_writer_ctf.close(writer, &info, &bytes) : error;
    error = error != 0 ? error : close_error;
    if (error != 0)
        fprintf(stderr, "recording: %s\n", strerror(-error));
    else
        printf("%llu bytes\n", (unsigned long long)bytes);
    return error != 0;
}
