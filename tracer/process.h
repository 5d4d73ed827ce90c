/* SPDX-License-Identifier: MIT
 *
 * What /proc says of a process, from outside. Reading only; holding and changing it is in remote.c.
 */
#ifndef TL_TRACER_PROCESS_H
#define TL_TRACER_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One line of /proc/PID/maps. */
struct tl_mapping {
    uint64_t start, end, offset, inode;
    bool readable, writable, executable, shared;
    char *path; /* "" for none */
};

struct tl_maps {
    struct tl_mapping *entry;
    size_t count;
};

/* Fills maps; false when the process is gone, or its maps cannot be read. */
bool tl_maps_read(pid_t pid, struct tl_maps *maps);
void tl_maps_free(struct tl_maps *maps);

/* Thread ids of pid, a new array; NULL when it is gone. While threads come and go it may leave living ones out. */
pid_t *tl_process_threads(pid_t pid, size_t *count);

/* True if pid counts its threads as we do: we are in the same pid namespace. */
bool tl_process_same_namespace(pid_t pid);

/* Our id of pid's thread that pid knows as tid. 0: it has none. */
pid_t tl_process_thread(pid_t pid, uint32_t tid);

/* True if pid's thread has ended; tid: our id. */
bool tl_process_thread_ended(pid_t pid, pid_t tid);

/* A number behind "name:" in /proc/PID/status, or /proc/PID/task/TID/status when tid is not 0; base 10 or 16. With
 * several numbers (NSpid) the last one. -1: no such process or line. */
int64_t tl_process_number(pid_t pid, pid_t tid, const char *name, int base);

/* The letter of "State:", 0 when it is gone. */
char tl_process_state(pid_t pid, pid_t tid);

/* Name of the process or thread, "?" when it is gone. */
void tl_process_comm(pid_t pid, pid_t tid, char *comm, size_t size);

/* Why the system lets nobody attach: one sentence for the errno of ptrace, or of opening /proc/PID/mem. */
void tl_process_refusal(pid_t pid, pid_t tid, int error, char *reason, size_t size);

/* Reads or writes memory through /proc/PID/mem, fd as opened by tl_process_memory(). */
int tl_process_memory(pid_t pid);
bool tl_memory_read(int fd, uint64_t address, void *to, size_t size);
bool tl_memory_write(int fd, uint64_t address, const void *from, size_t size);

/* A path by which this process can open the file that pid has mapped at mapping: through the process's own root, or,
 * where another file has taken its name or none, exe or map_files. False: it cannot be had. */
bool tl_process_file(pid_t pid, const struct tl_mapping *mapping, char *path, size_t size);

/* Whether pid can be attached to. False: reason is one sentence, without the name of the program and the full stop. */
bool tl_process_check(pid_t pid, char *reason, size_t size);

/* The part of it that looks at the program: reason is what is wrong with it, to stand behind a colon. */
bool tl_process_check_program(pid_t pid, char *reason, size_t size);

#endif
