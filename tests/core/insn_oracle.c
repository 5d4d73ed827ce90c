/* SPDX-License-Identifier: MIT
 *
 * Holds the decoder against Zydis and objdump:
 *   insn_oracle [--random N] [--shaped N] [--seed S] [--mode 32|64] [FILE...]
 * Random strings are even noise; shaped ones start with prefixes and escapes, so that the vector encodings get their
 * share. Each ends right before a page that cannot be read, and is tried cut off at every length. Of a FILE every byte
 * offset of its executable sections is decoded, and every line of its disassembly.
 * Exit status: 0 agrees, 1 does not, 77 could not be tried.
 * build: -lZydis -lZycore -lelf */
#include <elf.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* One translation unit, so that make sees everything this program is made from. */
#include <core/insn.c>
#include <core/insn_table.c>
#include <tests/core/insn_zydis.h>

enum { SHOWN_MAX = 40, STRING_BYTES = 16 };

static unsigned long long compared, refused, mismatches, listed, listed_apart, listed_mismatches;
static bool failed;

static void insn_print(const char *who, enum tl_status status, const struct tl_insn *i)
{
    if (status) {
        printf("    %-9s no instruction\n", who);
        return;
    }
    printf("    %-9s len %u class %u flags %#x map %u op %02x@%u rex %02x modrm %02x@%u disp %u@%u %d imm %u@%u rel "
           "%u@%u %d cc %u\n",
           who, i->length, i->category, i->flags, i->map, i->opcode, i->opcode_offset, i->rex, i->modrm,
           i->modrm_offset, i->disp_size, i->disp_offset, i->disp, i->imm_size, i->imm_offset, i->rel_size,
           i->rel_offset, i->rel, i->cc);
}

static void mismatch_print(const char *where, const uint8_t *bytes, size_t size, enum tl_insn_mode mode)
{
    if (++mismatches > SHOWN_MAX)
        return;
    printf("%s, mode %d:", where, mode);
    for (size_t i = 0; i < size; i++)
        printf(" %02x", bytes[i]);
    printf("\n");
}

/* Compares the two decoders on one string; returns the length both agree on, or 0. */
static unsigned compare(const char *where, const uint8_t *bytes, size_t size, enum tl_insn_mode mode)
{
    struct tl_insn ours, theirs;
    enum tl_status our_status, their_status;
    memset(&ours, 0xa5, sizeof ours);
    our_status = tl_insn_decode(&ours, bytes, size, mode);
    their_status = zydis_decode(&theirs, bytes, size, mode);
    compared++;
    refused += our_status != TL_OK;
    if (our_status == their_status && memcmp(&ours, &theirs, sizeof ours) == 0)
        return ours.length;
    mismatch_print(where, bytes, size, mode);
    if (mismatches <= SHOWN_MAX) {
        insn_print("trapline", our_status, &ours);
        insn_print("Zydis", their_status, &theirs);
    }
    return 0;
}

static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Overwrites the start of a random string: up to three prefixes, then an escape of one of the opcode maps. */
static void shape(uint8_t *bytes, uint64_t r, enum tl_insn_mode mode)
{
    static const uint8_t prefixes[] = {0x66, 0xf2, 0xf3, 0xf0, 0x67, 0x48, 0x4f, 0x64};
    static const uint8_t legacy_maps[] = {1, 2, 3, 5, 8, 9, 10};
    size_t n = 0;
    for (unsigned count = r % 8 < 4 ? 0 : r % 8 - 4; count && n < 3; count--)
        bytes[n++] = prefixes[(r >>= 3) % 8];
    r >>= 8;
    unsigned kind = r % 8, map = (r >> 3) % 7;
    r >>= 6;
    uint8_t must = mode == TL_MODE_32 ? 0xc0 : 0;
    if (kind == 0) {
        bytes[n] = 0x0f;
    } else if (kind == 1) {
        bytes[n] = 0x0f;
        bytes[n + 1] = r % 2 ? 0x38 : 0x3a;
    } else if (kind < 5) {
        bytes[n] = 0x62;
        bytes[n + 1] = (uint8_t)((bytes[n + 1] & 0xf0) | must | (kind == 4 ? map : 1 + map % 3));
        bytes[n + 2] |= kind == 3 && mode == TL_MODE_64 ? 0 : 4;
        if (r % 2) /* vvvv and V' unused, as most instructions want them */
            bytes[n + 2] |= 0x78, bytes[n + 3] |= 8;
    } else if (kind < 7) {
        bytes[n] = kind == 5 ? 0xc4 : 0x8f;
        bytes[n + 1] = (uint8_t)((bytes[n + 1] & 0xe0) | must | legacy_maps[kind == 5 ? map % 3 : 4 + map % 3]);
        if (r % 2)
            bytes[n + 2] |= 0x78;
    }
}

/* count strings, each ending where the readable page ends. */
static bool random_run(unsigned long long count, bool shaped, uint64_t seed, enum tl_insn_mode mode)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *room = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED || mprotect(room + page, page, PROT_NONE) != 0)
        return false;
    uint8_t *bytes = room + page - STRING_BYTES;
    for (unsigned long long i = 0; i < count; i++) {
        for (int j = 0; j < STRING_BYTES; j += 8) {
            uint64_t r = random_next(&seed);
            memcpy(bytes + j, &r, 8);
        }
        if (shaped)
            shape(bytes, random_next(&seed), mode);
        unsigned length = compare(shaped ? "shaped" : "random", bytes, STRING_BYTES, mode);
        /* The same instruction against the guard page: whole, and cut off at every length. */
        if (i % 16 == 0)
            for (unsigned cut = 0; cut <= length && length < STRING_BYTES; cut++) {
                uint8_t saved[STRING_BYTES];
                memcpy(saved, bytes, sizeof saved);
                memmove(room + page - cut, saved, cut);
                compare("cut off", room + page - cut, cut, mode);
                memcpy(bytes, saved, sizeof saved);
            }
    }
    munmap(room, 2 * page);
    return true;
}

/* Every byte offset of the executable sections. Returns the file's mode, or 0. */
static enum tl_insn_mode sections_run(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum tl_insn_mode mode = 0;
    elf_version(EV_CURRENT);
    Elf *elf = fd < 0 ? NULL : elf_begin(fd, ELF_C_READ_MMAP, NULL);
    GElf_Ehdr header;
    if (elf && gelf_getehdr(elf, &header) && (header.e_machine == EM_X86_64 || header.e_machine == EM_386))
        mode = header.e_machine == EM_X86_64 ? TL_MODE_64 : TL_MODE_32;
    for (Elf_Scn *section = NULL; mode && (section = elf_nextscn(elf, section));) {
        GElf_Shdr shdr;
        Elf_Data *data = elf_rawdata(section, NULL);
        if (!gelf_getshdr(section, &shdr) || !(shdr.sh_flags & SHF_EXECINSTR) || !data || !data->d_buf)
            continue;
        const uint8_t *bytes = data->d_buf;
        for (size_t i = 0; i < data->d_size; i++)
            compare(path, bytes + i, data->d_size - i < STRING_BYTES ? data->d_size - i : STRING_BYTES, mode);
    }
    elf_end(elf);
    if (fd >= 0)
        close(fd);
    return mode;
}

/* Where objdump 2.40 does not say what the manuals (and Zydis) say. All of it is data that lies in text. */
static const char *const objdump_differs[] = {
    "(bad)",            /* it says itself that this is none */
    ".byte",            /* the same */
    "lock ",            /* it does not ask whether LOCK may stand there */
    "%?",               /* a segment register that does not exist */
    ",%cs",             /* a load of CS */
    "rex",              /* REX before another prefix or VEX */
    "jmpw ",            /* 66 on a near branch in 64-bit mode: this is AMD's meaning, not Intel's */
    "callw ",           /* the same */
    "frstpm(287 only)", /* undefined since the 387 */
};

/* Whether a line where objdump sees size bytes is one instruction for us, or an explained difference. */
static bool listing_agrees(const char *text, const uint8_t *bytes, unsigned size, enum tl_insn_mode mode)
{
    struct tl_insn insn;
    bool fwait = size > 1 && bytes[0] == 0x9b;
    /* It shows fwait and the x87 instruction after it as one. */
    if (fwait && listing_agrees("", bytes + 1, size - 1, mode))
        return true;
    if (tl_insn_decode(&insn, bytes, size, mode) == TL_OK)
        return insn.length == size;
    for (size_t i = 0; i < sizeof objdump_differs / sizeof *objdump_differs; i++)
        if (strstr(text, objdump_differs[i])) {
            listed_apart++;
            return compare("objdump", bytes, size, mode) == 0;
        }
    return false;
}

/* One line of a listing: "  address:\tbytes\ttext". The bytes alone must decode to just their number. */
static void listing_line(const char *path, const char *line, enum tl_insn_mode mode)
{
    uint8_t bytes[32];
    unsigned size = 0;
    const char *at = strchr(line, '\t'), *text = at ? strchr(at + 1, '\t') : NULL;
    if (!text)
        return;
    for (at++; size < sizeof bytes && at + 1 < text && *at != ' '; at += 3)
        bytes[size++] = (uint8_t)strtoul(at, NULL, 16);
    listed++;
    if (!listing_agrees(text, bytes, size, mode) && ++listed_mismatches <= SHOWN_MAX)
        printf("%s: objdump: %s", path, line);
}

static bool listing_run(const char *path, enum tl_insn_mode mode)
{
    char *line = NULL, *command;
    size_t room = 0;
    if (asprintf(&command, "exec objdump -dwz --insn-width=16 '%s'", path) < 0)
        return false;
    FILE *listing = popen(command, "r");
    free(command);
    while (listing && getline(&line, &room, listing) > 0)
        if (line[0] == ' ')
            listing_line(path, line, mode);
    free(line);
    return listing && pclose(listing) == 0;
}

/* Nanoseconds a decode takes here, over the bytes of this program's own text. */
static double speed_measure(void)
{
    const uint8_t *text = (const uint8_t *)(uintptr_t)tl_insn_decode;
    struct timespec from, to;
    unsigned count = 0;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (unsigned round = 0; round < 20000; round++)
        for (size_t at = 0; at < 1024; count++) {
            struct tl_insn insn;
            at += tl_insn_decode(&insn, text + at, 16, sizeof(void *) == 8 ? TL_MODE_64 : TL_MODE_32) ? 1 : insn.length;
        }
    clock_gettime(CLOCK_MONOTONIC, &to);
    return ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / count;
}

static void report(const char *what)
{
    printf("%s: %llu compared, %llu of them no instruction, %llu mismatches", what, compared, refused, mismatches);
    if (listed)
        printf("; %llu lines of objdump, %llu of them differ as known, %llu mismatches", listed, listed_apart,
               listed_mismatches);
    printf("\n");
    fflush(stdout);
    failed |= mismatches || listed_mismatches;
    compared = refused = mismatches = listed = listed_apart = listed_mismatches = 0;
}

static bool file_run(const char *path)
{
    enum tl_insn_mode mode = sections_run(path);
    bool tried = mode && listing_run(path, mode);
    if (!tried)
        printf("%s: cannot be tried\n", path);
    report(path);
    return tried;
}

int main(int argc, char **argv)
{
    unsigned long long random = 0, shaped = 0, seed = (unsigned long long)time(NULL);
    int only = 0;
    bool tried = true;
    zydis_init();
    for (int i = 1; i < argc; i++) {
        unsigned long long value = i + 1 < argc ? strtoull(argv[i + 1], NULL, 0) : 0;
        if (argv[i][0] != '-')
            tried &= file_run(argv[i]);
        else if (strcmp(argv[i], "--random") == 0)
            random = value, i++;
        else if (strcmp(argv[i], "--shaped") == 0)
            shaped = value, i++;
        else if (strcmp(argv[i], "--seed") == 0)
            seed = value, i++;
        else if (strcmp(argv[i], "--mode") == 0)
            only = (int)value, i++;
    }
    for (int mode = 32; mode <= 64; mode += 32) {
        char what[80];
        if ((only && only != mode) || random + shaped == 0)
            continue;
        snprintf(what, sizeof what, "mode %d, seed %llu", mode, seed);
        tried &= random_run(random, false, seed, mode) && random_run(shaped, true, seed, mode);
        report(what);
    }
    printf("%.1f ns a decode\n", speed_measure());
    return failed ? 1 : tried ? 0 : 77;
}
