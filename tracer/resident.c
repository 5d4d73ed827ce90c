/* SPDX-License-Identifier: MIT
 *
 * Finding what an earlier session has left in a process. See resident.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tracer/process.h>
#include <tracer/resident.h>
#include <unistd.h>
#include <wire/control.h>

#define LEAVE_NS 3000000000u /* so long an agent whose tracer has died may take to leave */

extern const uint8_t tl_agent_image[];

/* Sizes are in pages: another build may have the same header. */
static bool same_text(int memory, uint64_t start, size_t size)
{
    void *text = malloc(size);
    bool same = text && tl_memory_read(memory, start, text, size) && memcmp(text, tl_agent_image, size) == 0;
    free(text);
    return same;
}

/* The image of an earlier session, left because threads may be asleep in it. */
static bool find_image(const struct tl_maps *maps, int memory, struct tl_image *image, struct tl_boot *boot)
{
    for (size_t i = 0; i < maps->count; i++) {
        uint64_t start = maps->entry[i].start;
        if (strstr(maps->entry[i].path, "memfd:" TL_IMAGE_NAME) && maps->entry[i].offset == 0 &&
            tl_memory_read(memory, start, image, sizeof(*image)) &&
            memcmp(image, tl_agent_image, sizeof(*image)) == 0 && same_text(memory, start, image->text_bytes) &&
            tl_memory_read(memory, start + image->params_offset, boot, sizeof(*boot)) && boot->image == start &&
            boot->resident != 0)
            return true;
    }
    return false;
}

/* Whether the shared memory of the earlier session is still all there: a forked child has not got it, and may have
 * something else at its address. */
static bool shared_stands(const struct tl_maps *maps, const struct tl_boot *boot)
{
    uint64_t covered = boot->shared;
    for (size_t i = 0; i < maps->count && covered < boot->shared + boot->shared_bytes; i++)
        if (maps->entry[i].start == covered && strstr(maps->entry[i].path, "memfd:" TL_SHARED_NAME))
            covered = maps->entry[i].end;
    return boot->shared_bytes != 0 && covered == boot->shared + boot->shared_bytes;
}

static void look(struct tl_resident *resident, pid_t pid, int memory)
{
    struct tl_maps maps;
    *resident = (struct tl_resident){0};
    if (!tl_maps_read(pid, &maps))
        return;
    resident->found = find_image(&maps, memory, &resident->image, &resident->boot);
    if (resident->found && !shared_stands(&maps, &resident->boot))
        resident->boot.shared = resident->boot.shared_bytes = 0;
    tl_maps_free(&maps);
}

pid_t tl_resident_tracer(const struct tl_resident *resident, pid_t pid, int memory)
{
    struct tl_boot boot;
    struct tl_control control;
    if (!resident->found || !resident->boot.shared ||
        !tl_memory_read(memory, resident->boot.image + resident->image.params_offset, &boot, sizeof(boot)) ||
        !tl_memory_read(memory, boot.shared, &control, sizeof(control)))
        return 0;
    return tl_process_thread(pid, control.agent_tid) ? (pid_t)control.tracer_pid : 0;
}

bool tl_resident_find(struct tl_resident *resident, pid_t pid, int memory, char *reason, size_t size)
{
    struct timespec pause = {0, 5000000};
    pid_t tracer;
    uint64_t waited = 0;
    for (;;) {
        char comm[64];
        look(resident, pid, memory);
        tracer = tl_resident_tracer(resident, pid, memory);
        if (!tracer)
            return true;
        tl_process_comm(tracer, 0, comm, sizeof(comm));
        if (tracer != getpid() && strcmp(comm, "?") != 0 && tl_process_state(tracer, 0) != 'Z') {
            snprintf(reason, size, "cannot attach to %d: it is being traced by %d (%s)", (int)pid, (int)tracer, comm);
            return false;
        }
        if (waited >= LEAVE_NS)
            break;
        waited += (uint64_t)pause.tv_nsec;
        nanosleep(&pause, NULL);
    }
    snprintf(reason, size,
             "cannot attach to %d: the agent of trapline %d, which has died, is still leaving it; try again", (int)pid,
             (int)tracer);
    return false;
}
