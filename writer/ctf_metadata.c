/* SPDX-License-Identifier: MIT
 *
 * The text side of a CTF recording: metadata in TSDL (CTF 1.8, section 7 and appendix C) and the notes that our own
 * reader wants beside it. Each is written under another name, then renamed, so a reader, and a tracer that is killed,
 * find the old text or the new one. No stream is touched here. Called by writer/ctf.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <writer/ctf.h>

#define NAMED_MAX 4096       /* this many names load in a moment */
#define REFRESH_NS 250000000 /* after a kill, functions first seen in the last quarter of a second may lack a name */

static const char tsdl_head[] =
    "typealias integer { size = 8; align = 8; signed = false; } := uint8_t;\n"
    "typealias integer { size = 8; align = 8; signed = false; encoding = UTF8; } := text_t;\n"
    "typealias integer { size = 32; align = 8; signed = false; } := uint32_t;\n"
    "typealias integer { size = 32; align = 8; signed = true; } := int32_t;\n"
    "typealias integer { size = 64; align = 8; signed = false; } := uint64_t;\n"
    "typealias integer { size = 2; align = 1; signed = false; } := kind_t;\n"
    "typealias integer { size = 30; align = 1; signed = false; } := value_t;\n\n";

static const char tsdl_stream[] =
    "typealias integer { size = 32; align = 8; signed = false; map = clock.tsc.value; } := tsc32_t;\n"
    "typealias integer { size = 64; align = 8; signed = false; map = clock.tsc.value; } := tsc64_t;\n\n"
    "stream {\n\tid = 0;\n"
    "\tpacket.context := struct {\n"
    "\t\tuint64_t packet_size;\n\t\tuint64_t content_size;\n"
    "\t\ttsc64_t timestamp_begin;\n\t\ttsc64_t timestamp_end;\n"
    "\t\tuint64_t events_discarded;\n"
    "\t\tint32_t tid;\n\t\tint32_t pid;\n\t\ttext_t comm[16];\n\t};\n"
    "\tevent.header := struct {\n\t\ttsc32_t timestamp;\n\t\tkind_t id;\n\t};\n"
    "};\n\n";

static const char tsdl_events[] =
    "event {\n\tid = 0;\n\tname = \"entry\";\n\tstream_id = 0;\n\tfields := struct { enum functions function; "
    "};\n};\n\n"
    "event {\n\tid = 1;\n\tname = \"exit\";\n\tstream_id = 0;\n\tfields := struct { enum functions function; };\n};\n";

/* Length of the UTF-8 character at text, 1 for ASCII, 0 when it is none (RFC 3629: no surrogates, nothing overlong). */
static size_t utf8_length(const unsigned char *text)
{
    size_t length = text[0] < 0x80 ? 1 : text[0] < 0xc2 ? 0 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
    if (text[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
        return 0;
    return length;
}

/* A TSDL string's inside. What is not text becomes the four characters \xHH, as readers differ on escapes. */
static void put_tsdl(FILE *to, const char *name)
{
    const unsigned char *text = (const unsigned char *)name;
    while (*text) {
        size_t length = utf8_length(text);
        if (length == 0 || *text < 0x20 || *text == 0x7f) {
            fprintf(to, "\\\\x%02x", *text++);
            continue;
        }
        if (*text == '"' || *text == '\\')
            putc('\\', to);
        fwrite(text, 1, length, to);
        text += length;
    }
}

/* A word of the notes: all that could end it early becomes \xHH. */
static void put_note(FILE *to, const char *name, bool one_word)
{
    for (const unsigned char *text = (const unsigned char *)name; *text; text++) {
        if (*text < 0x20 || *text == 0x7f || *text == '\\' || (one_word && *text == ' '))
            fprintf(to, "\\x%02x", *text);
        else
            putc(*text, to);
    }
}

static void put_uuid(FILE *to, const uint8_t uuid[16])
{
    for (int i = 0; i < 16; i++)
        fprintf(to, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
}

/* The clock counts TSC ticks; its offset makes tsc_start the wall-clock time it was. Whole seconds and rest apart, as
 * TSDL has them: the product of ticks and 10^9 does not fit 64 bits after an hour. */
static void put_clock(FILE *to, const struct tl_recording_info *info, uint64_t hz)
{
    __int128 origin = (__int128)info->realtime_start_ns * hz / 1000000000u - info->tsc_start;
    __int128 seconds = origin / hz, rest = origin % hz;
    if (rest < 0) {
        rest += hz;
        seconds--;
    }
    fprintf(to,
            "clock {\n\tname = \"tsc\";\n\tdescription = \"time stamp counter\";\n\tfreq = %" PRIu64
            ";\n\toffset_s = %" PRId64 ";\n\toffset = %" PRIu64 ";\n\tabsolute = TRUE;\n};\n\n",
            hz, (int64_t)seconds, (uint64_t)rest);
}

static void put_functions(FILE *to, const struct tl_writer *writer, bool all)
{
    fputs("enum functions : value_t {\n\t\"?\" = 0", to);
    for (size_t i = 0; i < writer->function_count; i++) {
        const struct tli_ctf_function *function = &writer->functions[i];
        if (!all && !writer->seen[i])
            continue;
        fputs(",\n\t\"", to);
        if (function->name) {
            put_tsdl(to, function->name);
        } else {
            put_tsdl(to, writer->modules[function->module].name);
            fprintf(to, "+0x%" PRIx64, function->address);
        }
        fprintf(to, "\" = %zu", i + 1);
    }
    fputs("\n};\n\n", to);
}

static void put_metadata(FILE *to, const struct tl_writer *writer, bool all)
{
    uint64_t hz = writer->info.tsc_hz ? writer->info.tsc_hz : 1000000000u;
    fputs("/* CTF 1.8 */\n\n", to);
    fputs(tsdl_head, to);
    fputs("trace {\n\tmajor = 1;\n\tminor = 8;\n\tuuid = \"", to);
    put_uuid(to, writer->uuid);
    fputs("\";\n\tbyte_order = le;\n\tpacket.header := struct {\n\t\tuint32_t magic;\n\t\tuint8_t uuid[16];\n"
          "\t\tuint32_t stream_id;\n\t\tuint64_t stream_instance_id;\n\t};\n};\n\n",
          to);
    fputs("env {\n\ttracer_name = \"trapline\";\n\tcommand = \"", to);
    put_tsdl(to, writer->command);
    fprintf(to, "\";\n\tpid = %d;\n};\n\n", writer->info.pid);
    put_clock(to, &writer->info, hz);
    fputs(tsdl_stream, to);
    put_functions(to, writer, all);
    fputs(tsdl_events, to);
}

static void put_info(FILE *to, const struct tl_recording_info *info)
{
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {
        {"tsc_hz", info->tsc_hz},
        {"tsc_start", info->tsc_start},
        {"tsc_end", info->tsc_end},
        {"realtime_start_ns", info->realtime_start_ns},
        {"held_ns", info->held_ns},
        {"functions_found", info->functions_found},
        {"functions_traced", info->functions_traced},
        {"sites_jump", info->sites_jump},
        {"sites_trap", info->sites_trap},
        {"entry_jump", info->entry_jump},
        {"entry_trap", info->entry_trap},
        {"lost", info->lost},
        {"threads", info->threads},
        {"one_in", info->one_in},
        {"counted", info->counted},
        {"covered", info->covered},
        {"overwritten", info->overwritten},
        {"batches", info->batches},
        {"membarriers", info->membarriers},
        {"poke_ns", info->poke_ns},
        {"traps", info->traps},
    };
    fprintf(to, "pid=%d\nexit_status=%d\nby_attach=%d\n", info->pid, info->exit_status, info->by_attach != 0);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        fprintf(to, "%s=%" PRIu64 "\n", numbers[i].key, numbers[i].value);
}

static void put_notes(FILE *to, const struct tl_writer *writer)
{
    fputs(TL_RECORDING_NOTES_HEAD "\nuuid=", to);
    put_uuid(to, writer->uuid);
    fputs("\ncommand=", to);
    put_note(to, writer->command, false);
    putc('\n', to);
    put_info(to, &writer->info);
    for (size_t i = 0; i < writer->module_count; i++) {
        const struct tli_ctf_module *module = &writer->modules[i];
        fprintf(to, "module=0x%" PRIx64 " ", module->bias);
        for (size_t j = 0; j < module->build_id_bytes; j++)
            fprintf(to, "%02x", module->build_id[j]);
        fputs(module->build_id_bytes ? " " : "- ", to);
        put_note(to, module->name, true);
        putc(' ', to);
        put_note(to, module->path, false);
        putc('\n', to);
    }
    for (size_t i = 0; i < writer->function_count; i++) {
        const struct tli_ctf_function *function = &writer->functions[i];
        fprintf(to, "function=%" PRIu32 " 0x%" PRIx64 " %" PRIu64 " ", function->module, function->address,
                function->size);
        put_note(to, function->name ? function->name : "", false);
        putc('\n', to);
    }
    for (size_t i = 0; writer->calls && i < writer->function_count; i++)
        if (writer->calls[i])
            fprintf(to, "calls=%zu %" PRIu64 "\n", i + 1, writer->calls[i]);
    fprintf(to, "end=%zu\n", writer->function_count);
}

/* Opens ".trapline.new", lets fill() write, renames it to name. */
static FILE *begin_file(const struct tl_writer *writer)
{
    int fd = openat(writer->directory, TL_RECORDING_NOTES ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    FILE *to = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!to && fd >= 0)
        close(fd);
    return to;
}

static int end_file(const struct tl_writer *writer, FILE *to, const char *name, uint64_t *bytes)
{
    int error = 0;
    errno = 0;
    if (fflush(to) != 0 || ferror(to))
        error = errno ? -errno : -EIO;
    long size = ftell(to);
    if (fclose(to) != 0 && error == 0)
        error = -errno;
    if (error == 0 && renameat(writer->directory, TL_RECORDING_NOTES ".new", writer->directory, name) != 0)
        error = -errno;
    if (error != 0)
        unlinkat(writer->directory, TL_RECORDING_NOTES ".new", 0);
    else
        *bytes += (uint64_t)size;
    return error;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int write_metadata(struct tl_writer *writer, bool all, uint64_t *bytes)
{
    FILE *to = begin_file(writer);
    if (!to)
        return -errno;
    put_metadata(to, writer, all);
    writer->unnamed = false;
    writer->metadata_ns = now_ns();
    return end_file(writer, to, TL_RECORDING_METADATA, bytes);
}

int tli_ctf_text_write(struct tl_writer *writer, bool ended, uint64_t *bytes)
{
    FILE *to = begin_file(writer);
    if (!to)
        return -errno;
    put_notes(to, writer);
    int error = end_file(writer, to, TL_RECORDING_NOTES, bytes);
    if (error != 0)
        return error;
    return write_metadata(writer, !ended && writer->function_count <= NAMED_MAX, bytes);
}

int tli_ctf_metadata_refresh(struct tl_writer *writer)
{
    uint64_t bytes = 0;
    if (!writer->unnamed || writer->function_count <= NAMED_MAX || now_ns() - writer->metadata_ns < REFRESH_NS)
        return 0;
    return write_metadata(writer, false, &bytes);
}
