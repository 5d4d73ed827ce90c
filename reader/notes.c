/* SPDX-License-Identifier: MIT
 *
 * The notes of a recording: "key=value" lines (wire/recording.h). Unknown keys are skipped, so that older readers
 * read newer notes; everything else must be right. Called by reader/trace.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <reader/stream.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOTES_BYTES_MAX ((off_t)1 << 30)

struct notes {
    struct tl_trace *trace;
    size_t module_room, function_room;
    bool no_memory;
};

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undoes \xHH in place. False: a backslash without it. */
static bool unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (*from != '\\') {
            *to++ = *from;
            continue;
        }
        int high = from[1] == 'x' ? hex_digit(from[2]) : -1;
        int low = high >= 0 ? hex_digit(from[3]) : -1;
        if (low < 0 || high * 16 + low == 0)
            return false;
        *to++ = (char)(high * 16 + low);
        from += 3;
    }
    *to = '\0';
    return true;
}

/* A number that ends the text or is followed by end, which is skipped. */
static bool take_number(char **text, char end, uint64_t *number)
{
    char *after;
    if (**text < '0' || **text > '9')
        return false;
    errno = 0;
    *number = strtoull(*text, &after, strncmp(*text, "0x", 2) == 0 ? 16 : 10);
    if (errno != 0 || *after != end)
        return false;
    *text = end ? after + 1 : after;
    return true;
}

static char *take_word(char **text)
{
    char *word = *text, *space = strchr(word, ' ');
    if (!space)
        return NULL;
    *space = '\0';
    *text = space + 1;
    return word;
}

static void *grown(struct notes *notes, void *array, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return array;
    size_t wanted = *room ? *room * 2 : 64;
    void *larger = realloc(array, wanted * size);
    if (larger)
        *room = wanted;
    else
        notes->no_memory = true;
    return larger;
}

static char *copy(struct notes *notes, const char *text)
{
    char *own = strdup(text);
    notes->no_memory |= own == NULL;
    return own;
}

static bool take_module(struct notes *notes, char *text)
{
    struct tl_trace *trace = notes->trace;
    struct tl_trace_module module = {0};
    if (!take_number(&text, ' ', &module.bias))
        return false;
    char *build_id = take_word(&text), *name = build_id ? take_word(&text) : NULL;
    if (!name || !*name || !unescape(name) || !unescape(text))
        return false;
    void *modules = grown(notes, trace->modules, trace->module_count, &notes->module_room, sizeof module);
    if (!modules)
        return false;
    trace->modules = modules;
    module.build_id = copy(notes, strcmp(build_id, "-") == 0 ? "" : build_id);
    module.name = copy(notes, name);
    module.path = copy(notes, text);
    trace->modules[trace->module_count++] = module;
    return !notes->no_memory;
}

static bool take_function(struct notes *notes, char *text)
{
    struct tl_trace *trace = notes->trace;
    struct tl_trace_function function = {0};
    uint64_t module;
    if (!take_number(&text, ' ', &module) || module >= trace->module_count ||
        !take_number(&text, ' ', &function.address) || !take_number(&text, ' ', &function.size) || !unescape(text) ||
        trace->function_count == TL_EVENT_VALUE_MAX)
        return false;
    void *functions = grown(notes, trace->functions, trace->function_count, &notes->function_room, sizeof function);
    if (!functions)
        return false;
    trace->functions = functions;
    function.module = (uint32_t)module;
    function.name = *text ? copy(notes, text) : NULL;
    trace->functions[trace->function_count++] = function;
    return !notes->no_memory;
}

static bool take_calls(struct tl_trace *trace, char *text)
{
    uint64_t id;
    return take_number(&text, ' ', &id) && id > 0 && id <= trace->function_count &&
           take_number(&text, '\0', &trace->functions[id - 1].calls);
}

static bool take_uuid(struct tl_trace *trace, const char *text)
{
    for (int i = 0; i < 16; i++) {
        text += *text == '-';
        int high = hex_digit(text[0]), low = high >= 0 ? hex_digit(text[1]) : -1;
        if (low < 0)
            return false;
        trace->uuid[i] = (uint8_t)(high * 16 + low);
        text += 2;
    }
    return *text == '\0';
}

static bool take_signed(char *text, int64_t *number)
{
    char *after;
    errno = 0;
    *number = strtoll(text, &after, 10);
    return errno == 0 && after != text && *after == '\0';
}

static bool take_info(struct tl_trace_info *info, const char *key, char *value)
{
    const struct {
        const char *key;
        uint64_t *number;
    } numbers[] = {
        {"tsc_hz", &info->tsc_hz},
        {"tsc_start", &info->tsc_start},
        {"tsc_end", &info->tsc_end},
        {"realtime_start_ns", &info->realtime_start_ns},
        {"held_ns", &info->held_ns},
        {"functions_found", &info->functions_found},
        {"functions_traced", &info->functions_traced},
        {"sites_jump", &info->sites_jump},
        {"sites_trap", &info->sites_trap},
        {"entry_jump", &info->entry_jump},
        {"entry_trap", &info->entry_trap},
        {"lost", &info->lost},
        {"threads", &info->threads},
        {"one_in", &info->one_in},
        {"counted", &info->counted},
        {"covered", &info->covered},
        {"overwritten", &info->overwritten},
        {"batches", &info->batches},
        {"membarriers", &info->membarriers},
        {"poke_ns", &info->poke_ns},
        {"traps", &info->traps},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(key, numbers[i].key) == 0)
            return take_number(&value, '\0', numbers[i].number);
    }
    return strcmp(key, "pid") == 0           ? take_signed(value, &info->pid)
           : strcmp(key, "exit_status") == 0 ? take_signed(value, &info->exit_status)
           : strcmp(key, "by_attach") == 0   ? take_signed(value, &info->by_attach)
                                             : true;
}

/* One line without its end. *ended: it was the last one. */
static bool take_line(struct notes *notes, char *line, bool *ended)
{
    struct tl_trace *trace = notes->trace;
    char *value = strchr(line, '=');
    if (!value)
        return false;
    *value++ = '\0';
    if (strcmp(line, "function") == 0)
        return take_function(notes, value);
    if (strcmp(line, "calls") == 0)
        return take_calls(trace, value);
    if (strcmp(line, "module") == 0)
        return take_module(notes, value);
    if (strcmp(line, "uuid") == 0)
        return take_uuid(trace, value);
    if (strcmp(line, "command") == 0) {
        if (!unescape(value))
            return false;
        free(trace->info.command);
        trace->info.command = copy(notes, value);
        return !notes->no_memory;
    }
    uint64_t count;
    if (strcmp(line, "end") == 0) {
        *ended = true;
        return take_number(&value, '\0', &count) && count == trace->function_count;
    }
    return take_info(&trace->info, line, value);
}

/* The whole file with a zero behind it; NULL: errno says why. */
static char *read_whole(int directory, size_t *bytes)
{
    struct stat st;
    int fd = openat(directory, TL_RECORDING_NOTES, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > NOTES_BYTES_MAX) {
        close(fd);
        errno = EFBIG;
        return NULL;
    }
    char *text = malloc((size_t)st.st_size + 1);
    *bytes = 0;
    while (text && *bytes < (size_t)st.st_size) {
        ssize_t got = read(fd, text + *bytes, (size_t)st.st_size - *bytes);
        if (got <= 0)
            break;
        *bytes += (size_t)got;
    }
    if (text)
        text[*bytes] = '\0';
    close(fd);
    return text;
}

static bool parse(struct notes *notes, char *text, size_t bytes, const char *file, char *error, size_t error_bytes)
{
    size_t number = 0;
    bool ended = false;
    for (char *line = text; line < text + bytes && !ended; number++) {
        char *end = memchr(line, '\n', (size_t)(text + bytes - line));
        if (!end)
            break;
        *end = '\0';
        bool fine = strlen(line) == (size_t)(end - line) &&
                    (number == 0 ? strcmp(line, TL_RECORDING_NOTES_HEAD) == 0 : take_line(notes, line, &ended));
        if (!fine) {
            snprintf(error, error_bytes,
                     notes->no_memory ? "out of memory" : "'%s/" TL_RECORDING_NOTES "' is corrupt in line %zu", file,
                     number + 1);
            return false;
        }
        line = end + 1;
    }
    if (!ended)
        snprintf(error, error_bytes, "'%s/" TL_RECORDING_NOTES "' is truncated", file);
    return ended;
}

bool tli_notes_read(struct tl_trace *trace, const char *directory, char *error, size_t error_bytes)
{
    struct notes notes = {.trace = trace};
    size_t bytes;
    char *text = read_whole(trace->directory, &bytes);
    if (!text) {
        if (errno == ENOENT)
            snprintf(error, error_bytes, "'%s' is not a recording of trapline ('trapline record' makes one)",
                     directory);
        else
            snprintf(error, error_bytes, "cannot read '%s/" TL_RECORDING_NOTES "': %s", directory, strerror(errno));
        return false;
    }
    bool fine = parse(&notes, text, bytes, directory, error, error_bytes);
    free(text);
    if (fine && (trace->info.tsc_hz == 0 || trace->info.tsc_hz > UINT64_C(1000000000000))) {
        snprintf(error, error_bytes, "'%s/" TL_RECORDING_NOTES "' is corrupt: it has no clock frequency", directory);
        return false;
    }
    if (fine && !trace->info.command && !(trace->info.command = strdup("")))
        fine = false;
    return fine;
}
