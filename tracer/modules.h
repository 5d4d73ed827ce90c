/* SPDX-License-Identifier: MIT
 *
 * The files that a process has mapped to execute, each with its plan: what there is to trace in this process, and the
 * site records for the agent.
 */
#ifndef TL_TRACER_MODULES_H
#define TL_TRACER_MODULES_H

#include <plan/plan.h>
#include <stdbool.h>
#include <time.h>
#include <tracer/place.h>
#include <tracer/process.h>
#include <writer/writer.h>

struct tl_loaded {
    struct tl_module *module; /* NULL: it could not be read */
    uint64_t inode, bias;
    uint64_t text_start, text_end; /* of the mapping it was found by */
    char *path;                    /* as the process calls it */
    struct timespec changed;       /* its file, last */
    off_t file_bytes;
    uint64_t differ; /* bytes of its text that were not the file's before we came */
    bool selected;   /* its functions are to be traced */
    bool fresh;      /* mapped, or mapped again, and not yet armed */
    bool again;      /* not for the first time */
    bool armed;      /* module->sites[].status says which of them */
    bool gone;       /* unmapped again */
    bool recorded;   /* the writer knows it */
    uint32_t record_index;
    uint32_t *function_id; /* by index into module->functions, 0: not traced */
};

struct tl_modules {
    pid_t pid;
    struct tl_loaded *entry;
    size_t count, room;
    struct tl_filter filter;
    bool libraries;    /* -l */
    bool others_write; /* some text of a file was writable, or a uprobe has been hit */
    uint32_t next_id;  /* function ids */
    uint32_t next_record;
};

/* What arming came to. */
struct tl_armed {
    uint64_t functions, traced; /* selected; with an entry site */
    uint64_t entry_jump, entry_trap;
    uint64_t sites_jump, sites_trap, refused, guards;
    uint64_t poke_tsc;
};

/* Looks at the process's maps: opens and plans what is new, and marks what is gone, or has been mapped again where it
 * was since it was armed. memory is /proc/PID/mem; agent is NULL before there is one. Returns how many modules are
 * fresh; reason is a sentence when the program itself cannot be read (-1). */
long tl_modules_scan(struct tl_modules *modules, const struct tl_agent *agent, int memory, char *reason, size_t size);

/* Compares the executable pages of the fresh modules with their files, before any of them is changed. A module that is
 * quite another than its file is left out, with a word on standard error; false, with a reason, when none remains. */
bool tl_modules_settle(struct tl_modules *modules, int memory, char *reason, size_t size);

/* Tells the writer of the functions to be armed of the fresh modules. False: reason. */
bool tl_modules_announce(struct tl_modules *modules, const struct tl_agent *agent, struct tl_armed *armed,
                         const struct tl_writer_ops *ops, struct tl_writer *writer, char *reason, size_t size);

/* Arms the guards, then the functions, of the fresh modules, which have been announced. False: reason. */
bool tl_modules_arm(struct tl_modules *modules, struct tl_agent *agent, struct tl_armed *armed, char *reason,
                    size_t size);

/* Tells another writer of all the functions that the session's has been told of. 0 or its negative errno. */
int tl_modules_tell(const struct tl_modules *modules, const struct tl_writer_ops *ops, struct tl_writer *writer);

/* After tracing, as tl_modules_settle() before it: the number of bytes that differ now in the first module where they
 * are not as many as they were, *where is the first of them. */
uint64_t tl_modules_verify(const struct tl_modules *modules, int memory, const struct tl_loaded **which,
                           uint64_t *where);

void tl_modules_free(struct tl_modules *modules);

#endif
