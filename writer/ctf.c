/* SPDX-License-Identifier: MIT
 *
 * tl_writer_ctf: the life of a recording, and what it is told of modules and functions. The streams are in
 * ctf_stream.c, the text in ctf_metadata.c, the directory in ctf_directory.c. Called by the tracer from one thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>
#include <writer/ctf.h>
#include <writer/ctf_stream.h>

/* Descriptors are left to the tracer and to whoever else lives in this process. */
static size_t open_files_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > 1024)
        return 512;
    return limit.rlim_cur > 64 ? (limit.rlim_cur - 32) / 2 : 4;
}

static int take_info(struct tl_writer *writer, const struct tl_recording_info *info)
{
    char *command = strdup(info->command ? info->command : "");
    if (!command)
        return -ENOMEM;
    free(writer->command);
    writer->info = *info;
    writer->info.command = writer->command = command;
    return 0;
}

static void writer_free(struct tl_writer *writer)
{
    tli_ctf_streams_free(writer);
    for (size_t i = 0; i < writer->module_count; i++) {
        free(writer->modules[i].name);
        free(writer->modules[i].path);
    }
    for (size_t i = 0; i < writer->function_count; i++)
        free(writer->functions[i].name);
    free(writer->modules);
    free(writer->functions);
    free(writer->seen);
    free(writer->calls);
    free(writer->command);
    if (writer->directory >= 0)
        close(writer->directory);
    free(writer);
}

static struct tl_writer *ctf_open(const char *directory, const struct tl_recording_info *info, int *error)
{
    struct tl_writer *writer = calloc(1, sizeof *writer);
    if (!writer) {
        *error = -ENOMEM;
        return NULL;
    }
    writer->open_files_max = open_files_limit();
    writer->directory = -1;
    *error = take_info(writer, info);
    if (*error == 0 && getrandom(writer->uuid, sizeof writer->uuid, 0) != sizeof writer->uuid)
        *error = -EIO;
    if (*error == 0) {
        writer->directory = tli_ctf_directory_make(directory);
        *error = writer->directory < 0 ? writer->directory : 0;
    }
    uint64_t bytes = 0;
    if (*error == 0)
        *error = tli_ctf_text_write(writer, false, &bytes);
    if (*error == 0)
        return writer;
    writer_free(writer);
    return NULL;
}

static int ctf_module(struct tl_writer *writer, const struct tl_recording_module *module)
{
    struct tli_ctf_module *modules = realloc(writer->modules, (writer->module_count + 1) * sizeof *modules);
    if (!modules)
        return -ENOMEM;
    writer->modules = modules;
    struct tli_ctf_module *own = &modules[writer->module_count];
    memset(own, 0, sizeof *own);
    own->bias = module->bias;
    own->build_id_bytes = module->build_id_bytes < sizeof own->build_id ? module->build_id_bytes : sizeof own->build_id;
    if (own->build_id_bytes)
        memcpy(own->build_id, module->build_id, own->build_id_bytes);
    own->name = strdup(module->name && *module->name ? module->name : "?");
    own->path = strdup(module->path ? module->path : "");
    if (!own->name || !own->path) {
        free(own->name);
        free(own->path);
        return -ENOMEM;
    }
    writer->module_count++;
    return 0;
}

static int grow_functions(struct tl_writer *writer)
{
    size_t room = writer->function_room ? writer->function_room * 2 : 1024;
    struct tli_ctf_function *functions = realloc(writer->functions, room * sizeof *functions);
    if (functions)
        writer->functions = functions;
    uint8_t *seen = realloc(writer->seen, room);
    if (seen)
        writer->seen = seen;
    if (!functions || !seen)
        return -ENOMEM;
    writer->function_room = room;
    return 0;
}

static int ctf_function(struct tl_writer *writer, const struct tl_recording_function *function)
{
    if (function->id != writer->function_count + 1 || function->module >= writer->module_count ||
        function->id > TL_EVENT_VALUE_MAX)
        return -EINVAL;
    if (writer->function_count == writer->function_room && grow_functions(writer) != 0)
        return -ENOMEM;
    char *name = function->name ? strdup(function->name) : NULL;
    if (function->name && !name)
        return -ENOMEM;
    writer->seen[writer->function_count] = 0;
    writer->functions[writer->function_count++] = (struct tli_ctf_function){
        .name = name, .module = function->module, .address = function->address, .size = function->size};
    return 0;
}

static int ctf_flush_names(struct tl_writer *writer)
{
    uint64_t bytes = 0;
    return tli_ctf_text_write(writer, false, &bytes);
}

static int ctf_info(struct tl_writer *writer, const struct tl_recording_info *info)
{
    int error = take_info(writer, info);
    return error ? error : ctf_flush_names(writer);
}

static int ctf_calls(struct tl_writer *writer, const uint64_t *calls, size_t count)
{
    free(writer->calls);
    writer->calls = calloc(writer->function_count + 1, sizeof *writer->calls);
    for (size_t i = 0; writer->calls && i < writer->function_count && i + 1 < count; i++)
        writer->calls[i] = calls[i + 1];
    return writer->calls ? 0 : -ENOMEM;
}

/* The text comes last: while a stream is being finished the old text, with all names, still fits it. */
static int ctf_close(struct tl_writer *writer, const struct tl_recording_info *info, uint64_t *bytes_written)
{
    int error = info ? take_info(writer, info) : 0;
    int stream_error = tli_ctf_streams_finish(writer);
    if (error == 0)
        error = stream_error;
    uint64_t text_bytes = 0;
    int text_error = tli_ctf_text_write(writer, true, &text_bytes);
    if (error == 0)
        error = text_error;
    if (bytes_written)
        *bytes_written = writer->bytes + text_bytes;
    writer_free(writer);
    return error;
}

const struct tl_writer_ops tl_writer_ctf = {
    .name = "ctf",
    .check = tli_ctf_directory_check,
    .open = ctf_open,
    .module = ctf_module,
    .function = ctf_function,
    .flush_names = ctf_flush_names,
    .info = ctf_info,
    .packet = tli_ctf_packet,
    .calls = ctf_calls,
    .close = ctf_close,
};
