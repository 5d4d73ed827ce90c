/* SPDX-License-Identifier: MIT
 *
 * Static keys and static calls: a condition that is read by a nop or a jmp in the text, and a function pointer that is
 * a jmp in the text. To read one costs no load and no prediction; to change one is a poke. For compilers with
 * asm goto (gcc, clang). Freestanding.
 *
 *     TL_KEY_OFF(debugging);                        // file scope; starts off
 *     if (tl_key_unlikely(debugging)) ...           // a nop, as long as it is off
 *     tl_key_set(&debugging.key, true);             // now a jmp
 *
 *     TL_STATIC_CALL(checksum, checksum_plain);     // file scope; calls checksum_plain()
 *     checksum(data, size);
 *     tl_static_call_set(checksum, checksum_sse);   // from now on, for everybody
 *
 * A module (a program, a shared object, a kernel) whose files read keys says tl_keys_here() once, before it changes
 * one.
 */
#ifndef TRAPLINE_KEY_H
#define TRAPLINE_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <trapline/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One for each condition. Read it by the macros below; users says how often it is wanted on, 0: off. */
struct tl_key {
    int32_t users;
};

/* Their difference is what the code was compiled for. */
struct tl_key_off {
    struct tl_key key;
};
struct tl_key_on {
    struct tl_key key;
};

/* A place that reads a key, in section tl_keys. Each number counts from its own address. */
struct tl_key_record {
    int32_t site;   /* the nop or jmp, 5 bytes */
    int32_t target; /* where the jmp leads */
    int32_t key;
    int32_t likely; /* 1: the jmp stands while the key is off */
};

/* A module's places. */
struct tl_key_table {
    const struct tl_key_record *from, *to;
    struct tl_key_table *next; /* the engine's */
};

struct tl_static_call {
    uintptr_t trampoline; /* 5 bytes: jmp target */
    uintptr_t target;
};

/* All of these: thread context; they take the text lock, and poke what they change in one batch, of three
 * serialisations. They are refused as tl_poke() refuses, with nothing changed. */

/* On or off, whatever its users said. */
enum tl_status tl_key_set(struct tl_key *key, bool on);
/* The same for several keys at once: nobody sees one for long without the others. */
enum tl_status tl_keys_set(struct tl_key *const *keys, size_t count, bool on);
/* One user more, or one less: on while it has any. TL_BAD_ARGUMENT: it has none to lose. */
enum tl_status tl_key_get(struct tl_key *key);
enum tl_status tl_key_put(struct tl_key *key);

/* Makes a module's places known and pokes those whose key is not as they were compiled for. The table's memory is the
 * engine's until it is removed. TL_BUSY: it is known already. */
enum tl_status tl_keys_add(struct tl_key_table *table);
/* Before a module goes; its text is left as it is. TL_NOT_MINE: it is not known. */
enum tl_status tl_keys_remove(struct tl_key_table *table);

/* NULL: the call does nothing and returns 0. By the macro tl_static_call_set(). */
enum tl_status tl_static_call_update(struct tl_static_call *call, uintptr_t target);

#define TL_KEY_OFF(name) struct tl_key_off name = {{0}}
#define TL_KEY_ON(name) struct tl_key_on name = {{1}}

/* Keys of another file; not of another module. */
#define TL_KEY_OFF_ELSEWHERE(name) extern struct tl_key_off name __attribute__((visibility("hidden")))
#define TL_KEY_ON_ELSEWHERE(name) extern struct tl_key_on name __attribute__((visibility("hidden")))

#ifdef __cplusplus
#define TLI_KEY_STARTS_ON(name) __is_same(__typeof__(name), struct tl_key_on)
#else
#define TLI_KEY_STARTS_ON(name) __builtin_types_compatible_p(__typeof__(name), struct tl_key_on)
#endif

#define TLI_KEY_ASM(name, instruction, likely)                                                                         \
    __asm__ goto("1: " instruction "\n"                                                                                \
                 ".pushsection tl_keys, \"a\"\n"                                                                       \
                 ".balign 4\n"                                                                                         \
                 ".long 1b - ., %l[tli_jumped] - ., " #name " - ., " #likely "\n"                                      \
                 ".popsection"                                                                                         \
                 :                                                                                                     \
                 :                                                                                                     \
                 :                                                                                                     \
                 : tli_jumped)

/* The assembler sees the key by its name, which must be that of the C object. */
#define TLI_KEY_READ(name, likely)                                                                                     \
    __extension__({                                                                                                    \
        __label__ tli_jumped, tli_done;                                                                                \
        bool tli_value;                                                                                                \
        (void)sizeof(name.key);                                                                                        \
        if (TLI_KEY_STARTS_ON(name) != (likely))                                                                       \
            TLI_KEY_ASM(name, ".byte 0xe9; .long %l[tli_jumped] - . - 4", likely);                                     \
        else                                                                                                           \
            TLI_KEY_ASM(name, ".byte 0x0f, 0x1f, 0x44, 0x00, 0x00", likely);                                           \
        tli_value = (likely);                                                                                          \
        goto tli_done;                                                                                                 \
    tli_jumped:                                                                                                        \
        tli_value = !(likely);                                                                                         \
    tli_done:                                                                                                          \
        tli_value;                                                                                                     \
    })

/* True if the key is on. Unlikely: a nop while it is off; likely: a nop while it is on. */
#define tl_key_unlikely(name) TLI_KEY_READ(name, 0)
#define tl_key_likely(name) TLI_KEY_READ(name, 1)

extern const struct tl_key_record __start_tl_keys[] __attribute__((visibility("hidden")));
extern const struct tl_key_record __stop_tl_keys[] __attribute__((visibility("hidden")));

#define tl_keys_here()                                                                                                 \
    __extension__({                                                                                                    \
        static struct tl_key_table tli_table = {__start_tl_keys, __stop_tl_keys, 0};                                   \
        tl_keys_add(&tli_table);                                                                                       \
    })

/* Defines a function `name`, of the type of `first`, that is one jmp. */
#define TL_STATIC_CALL(name, first)                                                                                    \
    extern __typeof__(first) name __attribute__((visibility("hidden")));                                               \
    struct tl_static_call name##_static_call = {(uintptr_t)name, (uintptr_t)(first)};                                  \
    __asm__(".pushsection .text\n"                                                                                     \
            ".balign 8, 0xcc\n"                                                                                        \
            ".globl " #name "\n"                                                                                       \
            ".hidden " #name "\n"                                                                                      \
            ".type " #name ", @function\n" #name ": .byte 0xe9; .long " #first " - . - 4\n"                            \
            ".size " #name ", 5\n"                                                                                     \
            ".popsection")

#define tl_static_call_set(name, function)                                                                             \
    tl_static_call_update(&name##_static_call, (uintptr_t)(1 ? (function) : (name)))

#ifdef __cplusplus
}
#endif

#endif
