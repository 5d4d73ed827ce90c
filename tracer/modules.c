/* SPDX-License-Identifier: MIT
 *
 * A process's modules. See modules.h.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <tracer/modules.h>
#include <tracer/planning.h>
#include <tracer/progress.h>
#include <tracer/remote.h>
#include <trapline/status.h>
#include <unistd.h>

static bool known(struct tl_modules *modules, const struct tl_mapping *mapping)
{
    for (size_t i = 0; i < modules->count; i++) {
        struct tl_loaded *loaded = &modules->entry[i];
        if (!loaded->gone && loaded->inode == mapping->inode && strcmp(loaded->path, mapping->path) == 0)
            return true;
    }
    return false;
}

/* The load bias: where the mapping lies, less where the file says that its segment lies. */
static bool find_bias(const char *path, const struct tl_mapping *mapping, uint64_t *bias)
{
    Elf64_Ehdr header;
    Elf64_Phdr segment;
    bool found = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (read(fd, &header, sizeof(header)) == sizeof(header) && header.e_phentsize == sizeof(segment))
        for (unsigned i = 0; i < header.e_phnum && !found; i++) {
            if (pread(fd, &segment, sizeof(segment), (off_t)(header.e_phoff + i * sizeof(segment))) != sizeof(segment))
                break;
            uint64_t offset = segment.p_offset & ~0xfffull;
            found = segment.p_type == PT_LOAD && (segment.p_flags & PF_X) && mapping->offset >= offset &&
                    mapping->offset < segment.p_offset + segment.p_filesz;
            *bias = mapping->start - (segment.p_vaddr & ~0xfffull) - (mapping->offset - offset);
        }
    close(fd);
    return found;
}

/* True if a -f names this module itself: then its functions are meant without -l. */
static bool named(const struct tl_modules *modules, const char *name)
{
    for (size_t i = 0; i < modules->filter.include_count; i++) {
        const char *pattern = modules->filter.include[i], *colon = strchr(pattern, ':');
        if (!colon || colon == pattern || colon[1] == ':')
            continue;
        char module[256];
        snprintf(module, sizeof(module), "%.*s", (int)(colon - pattern), pattern);
        if (fnmatch(module, name, 0) == 0)
            return true;
    }
    return false;
}

/* What the kernel says of a file whose name is gone is no part of the name. A new string. */
static char *name_of(const struct tl_mapping *mapping)
{
    static const char deleted[] = " (deleted)";
    size_t length = strlen(mapping->path), cut = sizeof(deleted) - 1;
    bool gone = length > cut && strcmp(mapping->path + length - cut, deleted) == 0;
    return strndup(mapping->path, gone ? length - cut : length);
}

/* What is new, until it is planned: entry[first + i] of the modules. */
struct fresh {
    size_t first, count, room;
    struct tl_planning *planning; /* path and label are ours; no path: why is in reason */
};

static bool make_room(void **items, size_t item_bytes, size_t count, size_t *room)
{
    if (count < *room)
        return true;
    size_t more = *room ? 2 * *room : 16;
    void *moved = realloc(*items, more * item_bytes);
    if (!moved)
        return false;
    *items = moved;
    *room = more;
    return true;
}

static bool add(struct tl_modules *modules, const struct tl_mapping *mapping, uint64_t exe_inode, struct fresh *fresh)
{
    char path[4200];
    struct stat file;
    struct tl_loaded loaded = {
        .inode = mapping->inode, .text_start = mapping->start, .text_end = mapping->end, .fresh = true};
    void *entries = modules->entry, *plannings = fresh->planning;
    bool room = make_room(&entries, sizeof(*modules->entry), modules->count, &modules->room);
    modules->entry = entries;
    room = room && make_room(&plannings, sizeof(*fresh->planning), fresh->count, &fresh->room);
    fresh->planning = plannings;
    char *label = room ? name_of(mapping) : NULL;
    loaded.path = strdup(mapping->path);
    if (!loaded.path || !label) {
        free(loaded.path);
        free(label);
        return false;
    }
    const char *slash = strrchr(label, '/');
    bool wanted = mapping->inode == exe_inode || modules->libraries || named(modules, slash ? slash + 1 : label);
    struct tl_planning *planning = &fresh->planning[fresh->count++];
    *planning = (struct tl_planning){.label = label, .filter = wanted ? &modules->filter : NULL};
    bool found = tl_process_file(modules->pid, mapping, path, sizeof(path));
    if (found && stat(path, &file) == 0) {
        loaded.changed = file.st_mtim;
        loaded.file_bytes = file.st_size;
        planning->bytes = (uint64_t)file.st_size;
    }
    if (!found)
        snprintf(
            planning->reason, sizeof(planning->reason),
            "cannot read the file that process %d has mapped as '%s': it is gone, or another has its name; run as root",
            (int)modules->pid, label);
    else if (!find_bias(path, mapping, &loaded.bias))
        snprintf(planning->reason, sizeof(planning->reason),
                 "cannot trace '%s': it is not mapped as its own headers say", label);
    else
        planning->path = strdup(path);
    if (!found && mapping->inode != exe_inode)
        fprintf(stderr, "trapline: left out: %s\n", planning->reason);
    modules->entry[modules->count++] = loaded;
    return true;
}

/* Plans what was added. False: the program itself cannot be read, and reason says why. */
static bool plan(struct tl_modules *modules, struct fresh *fresh, uint64_t exe_inode, char *reason, size_t size)
{
    bool well = true;
    tl_planning_run(fresh->planning, fresh->count);
    for (size_t i = 0; i < fresh->count; i++) {
        struct tl_planning *planning = &fresh->planning[i];
        struct tl_loaded *loaded = &modules->entry[fresh->first + i];
        loaded->module = planning->module;
        loaded->selected = planning->selected;
        if (loaded->inode == exe_inode && !loaded->module) {
            snprintf(reason, size, "%s", planning->reason);
            well = false;
        }
        free(planning->path);
        free(planning->label);
    }
    free(fresh->planning);
    return well;
}

/* Whether what was armed is still so. A library may be unloaded and loaded again where it was between two looks: then
 * its text is the file's. One site tells, of a function whose sites have not been taken out. */
static bool is_armed(const struct tl_loaded *loaded, const struct tl_agent *agent, int memory)
{
    const uint8_t *called = (const uint8_t *)agent->control + TL_CALLED_OFFSET;
    const struct tl_module *module = loaded->module;
    for (size_t i = 0; i < module->site_count; i++) {
        const struct tl_wire_site *site = &module->sites[i];
        uint32_t id = loaded->function_id[site->function];
        uint8_t found[TL_JUMP_BYTES];
        size_t bytes = site->size < sizeof(found) ? site->size : sizeof(found);
        bool unmapped = site->status == TL_NO_TEXT; /* it was gone just then */
        if (site->kind != TL_SITE_ENTRY || id == 0 || (site->status != TL_OK && !unmapped) ||
            (agent->control->mode == TL_RING_COVER && called[id]))
            continue;
        return !unmapped && tl_memory_read(memory, site->address + loaded->bias, found, bytes) &&
               memcmp(found, site->bytes, bytes) != 0;
    }
    return true;
}

static void mark_gone(struct tl_modules *modules, const struct tl_agent *agent, int memory, const struct tl_maps *maps)
{
    for (size_t i = 0; i < modules->count; i++) {
        struct tl_loaded *loaded = &modules->entry[i];
        bool there = false;
        for (size_t k = 0; k < maps->count && !there; k++)
            there = maps->entry[k].inode == loaded->inode && maps->entry[k].start < loaded->text_end &&
                    maps->entry[k].end > loaded->text_start;
        if (!there || (loaded->armed && !is_armed(loaded, agent, memory)))
            loaded->gone = true;
        loaded->armed &= !loaded->gone;
    }
}

/* A file that is mapped again where it was, and has not been written to since, is armed again by the plan and the
 * numbers that it had. */
static bool mapped_again(struct tl_modules *modules, const struct tl_mapping *mapping)
{
    for (size_t i = 0; i < modules->count; i++) {
        struct tl_loaded *loaded = &modules->entry[i];
        char path[4200];
        struct stat file;
        if (!loaded->gone || !loaded->module || loaded->inode != mapping->inode ||
            loaded->text_start != mapping->start || loaded->text_end != mapping->end ||
            strcmp(loaded->path, mapping->path) != 0 || !tl_process_file(modules->pid, mapping, path, sizeof(path)) ||
            stat(path, &file) != 0 || file.st_size != loaded->file_bytes ||
            file.st_mtim.tv_sec != loaded->changed.tv_sec || file.st_mtim.tv_nsec != loaded->changed.tv_nsec)
            continue;
        loaded->gone = false;
        loaded->fresh = true;
        return true;
    }
    return false;
}

long tl_modules_scan(struct tl_modules *modules, const struct tl_agent *agent, int memory, char *reason, size_t size)
{
    struct tl_maps maps;
    struct stat exe;
    char path[64];
    struct fresh added = {.first = modules->count};
    snprintf(path, sizeof(path), "/proc/%d/exe", (int)modules->pid);
    if (stat(path, &exe) != 0 || !tl_maps_read(modules->pid, &maps)) {
        snprintf(reason, size, "process %d has ended", (int)modules->pid);
        return -1;
    }
    mark_gone(modules, agent, memory, &maps);
    for (size_t i = 0; i < maps.count; i++) {
        const struct tl_mapping *mapping = &maps.entry[i];
        modules->others_write |= (mapping->executable && mapping->writable && mapping->inode != 0) ||
                                 strcmp(mapping->path, "[uprobes]") == 0;
        if (mapping->executable && mapping->inode != 0 && mapping->path[0] == '/' && !strstr(mapping->path, "memfd:") &&
            !known(modules, mapping) && !mapped_again(modules, mapping))
            add(modules, mapping, exe.st_ino, &added);
    }
    tl_maps_free(&maps);
    bool planned = plan(modules, &added, exe.st_ino, reason, size);
    tl_progress_end();
    if (!planned)
        return -1;
    long fresh = 0;
    for (size_t i = 0; i < modules->count; i++)
        fresh += modules->entry[i].fresh;
    return fresh;
}

/* One batch of count records in the shared array. */
static bool arm_batch(struct tl_agent *agent, uint32_t count, struct tl_armed *armed, char *reason, size_t size)
{
    agent->control->site_first = 0;
    agent->control->site_count = count;
    for (int tries = 0; tries < 100; tries++) {
        if (!tl_agent_command(agent, TL_COMMAND_ARM)) {
            snprintf(reason, size, "process %d ended, or executed another program, while it was being armed",
                     (int)agent->pid);
            return false;
        }
        if (agent->control->status != TL_BUSY)
            break;
        if (!tl_hold_unblock(agent->pid, agent->control->blocked_tid, reason, size))
            return false;
    }
    armed->poke_tsc += agent->control->poke_tsc;
    if (agent->control->status != TL_OK)
        snprintf(reason, size, "cannot trace process %d: %s", (int)agent->pid, tl_status_text(agent->control->status));
    return agent->control->status == TL_OK;
}

static bool arm_guards(struct tl_modules *modules, struct tl_agent *agent, struct tl_armed *armed, char *reason,
                       size_t size)
{
    uint32_t count = 0;
    for (size_t i = 0; i < modules->count; i++) {
        const struct tl_loaded *loaded = &modules->entry[i];
        for (size_t k = 0; loaded->fresh && loaded->module && k < loaded->module->guard_count && count < TL_SITES_MAX;
             k++) {
            struct tl_wire_site site = loaded->module->guards[k];
            site.address += loaded->bias;
            site.function = site.function && loaded->function_id ? loaded->function_id[site.function - 1] : 0;
            tl_agent_sites(agent)[count++] = site;
        }
    }
    if (count != 0 && !arm_batch(agent, count, armed, reason, size))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        const struct tl_wire_site *site = &tl_agent_sites(agent)[i];
        bool entry = site->function != 0 && site->status == TL_OK;
        armed->guards += site->status == TL_OK;
        armed->traced += entry;
        armed->entry_jump += entry;
    }
    return true;
}

/* Counts what became of a batch of sites, and of the functions whose entries they are. */
static void count_sites(const struct tl_agent *agent, uint32_t count, struct tl_armed *armed)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct tl_wire_site *site = &tl_agent_sites(agent)[i];
        bool entry = site->kind == TL_SITE_ENTRY, jump = site->tactic != TL_TACTIC_TRAP;
        if (site->status != TL_OK) {
            armed->refused++;
            continue;
        }
        if (site->tactic == TL_TACTIC_NONE) /* a link that nothing needs */
            continue;
        armed->sites_jump += jump;
        armed->sites_trap += !jump;
        armed->traced += entry;
        armed->entry_jump += entry && jump;
        armed->entry_trap += entry && !jump;
    }
}

/* Gives out the numbers by which the writer knows the module and its functions. */
static bool number(struct tl_modules *modules, struct tl_loaded *loaded)
{
    const struct tl_module *module = loaded->module;
    loaded->function_id = calloc(module->function_count + 1, sizeof(uint32_t));
    if (!loaded->function_id)
        return false;
    for (size_t i = 0; i < module->function_count; i++)
        if (module->functions[i].selected && module->functions[i].entry != TL_TACTIC_NONE)
            loaded->function_id[i] = ++modules->next_id;
    loaded->record_index = modules->next_record++;
    loaded->recorded = true;
    return true;
}

static int tell(const struct tl_loaded *loaded, const struct tl_writer_ops *ops, struct tl_writer *writer)
{
    const struct tl_module *module = loaded->module;
    struct tl_recording_module about = {
        .name = module->name,
        .path = loaded->path,
        .build_id = module->build_id,
        .build_id_bytes = module->build_id_bytes,
        .bias = loaded->bias,
    };
    int error = ops->module(writer, &about);
    for (size_t i = 0; i < module->function_count && !error; i++) {
        const struct tl_plan_function *function = &module->functions[i];
        if (loaded->function_id[i] == 0)
            continue;
        struct tl_recording_function named_function = {
            .id = loaded->function_id[i],
            .module = loaded->record_index,
            .name = function->name,
            .address = function->address,
            .size = function->size,
        };
        error = ops->function(writer, &named_function);
    }
    return error;
}

static bool has_exits(const struct tl_agent *agent)
{
    return agent->control->mode == TL_RING_STREAM || agent->control->mode == TL_RING_FLIGHT;
}

int tl_modules_tell(const struct tl_modules *modules, const struct tl_writer_ops *ops, struct tl_writer *writer)
{
    int error = 0;
    for (size_t i = 0; i < modules->count && !error; i++) /* in the order in which they were numbered */
        if (modules->entry[i].recorded)
            error = tell(&modules->entry[i], ops, writer);
    return error;
}

static bool is_sent(const struct tl_loaded *loaded, const struct tl_wire_site *site, const struct tl_agent *agent)
{
    return loaded->function_id[site->function] != 0 && (site->kind != TL_SITE_BODY || has_exits(agent));
}

/* The sites of one module, in as many batches as the shared array demands. */
static bool arm_functions(struct tl_loaded *loaded, struct tl_agent *agent, struct tl_armed *armed, char *reason,
                          size_t size)
{
    const struct tl_module *module = loaded->module;
    size_t next = 0;
    while (next < module->site_count) {
        size_t from = next;
        uint32_t count = 0, answered = 0;
        for (; next < module->site_count && count < TL_SITES_MAX; next++) {
            struct tl_wire_site site = module->sites[next];
            site.function = loaded->function_id[site.function];
            site.address += loaded->bias;
            if (is_sent(loaded, &module->sites[next], agent))
                tl_agent_sites(agent)[count++] = site;
        }
        if (count && !arm_batch(agent, count, armed, reason, size))
            return false;
        count_sites(agent, count, armed);
        for (size_t i = from; i < next; i++)
            if (is_sent(loaded, &module->sites[i], agent))
                module->sites[i].status = tl_agent_sites(agent)[answered++].status;
    }
    loaded->armed = true;
    return true;
}

bool tl_modules_announce(struct tl_modules *modules, const struct tl_agent *agent, struct tl_armed *armed,
                         const struct tl_writer_ops *ops, struct tl_writer *writer, char *reason, size_t size)
{
    int error = 0;
    for (size_t i = 0; i < modules->count && !error; i++) {
        struct tl_loaded *loaded = &modules->entry[i];
        if (!loaded->fresh || !loaded->selected || loaded->recorded)
            continue;
        for (size_t k = 0; k < loaded->module->function_count; k++)
            armed->functions += loaded->module->functions[k].selected;
        if (!has_exits(agent) && armed->functions >= TL_COUNTED_MAX) {
            snprintf(reason, size, "not more than %u functions can be counted; choose fewer with -f",
                     TL_COUNTED_MAX - 1);
            return false;
        }
        error = number(modules, loaded) ? tell(loaded, ops, writer) : -ENOMEM;
    }
    if (!error)
        error = ops->flush_names(writer);
    if (error)
        snprintf(reason, size, "cannot write the recording: %s", strerror(-error));
    return error == 0;
}

bool tl_modules_arm(struct tl_modules *modules, struct tl_agent *agent, struct tl_armed *armed, char *reason,
                    size_t size)
{
    agent->others_write |= modules->others_write;
    bool well = arm_guards(modules, agent, armed, reason, size);
    for (size_t i = 0; i < modules->count; i++) {
        struct tl_loaded *loaded = &modules->entry[i];
        struct tl_armed counted_before = {0};
        bool wanted = loaded->fresh && loaded->selected;
        if (well && wanted)
            well = arm_functions(loaded, agent, loaded->again ? &counted_before : armed, reason, size);
        loaded->again |= wanted;
        loaded->fresh = false;
    }
    return well;
}

void tl_modules_free(struct tl_modules *modules)
{
    for (size_t i = 0; i < modules->count; i++) {
        if (modules->entry[i].module)
            tl_module_close(modules->entry[i].module);
        free(modules->entry[i].path);
        free(modules->entry[i].function_id);
    }
    free(modules->entry);
}
