/* SPDX-License-Identifier: MIT
 *
 * Makes and runs the machine code. See script.h. Registers: RBX scratch memory, R13 calls made, R14 the last result.
 * The end is a SIGSTOP that the thread sends to itself and that never takes effect: an int3 would be a forced signal,
 * which resets the program's handler where SIGTRAP is blocked or ignored.
 */
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <tracer/process.h>
#include <tracer/script.h>

/* Per argument register (rdi rsi rdx r10 r8 r9): REX and opcode or ModRM of the three ways to fill it. */
static const struct {
    uint8_t immediate[2]; /* mov reg, imm64 */
    uint8_t load[3];      /* mov reg, [rbx + disp32] */
    uint8_t add[3];       /* add reg, imm32 */
    uint8_t address[3];   /* lea reg, [rbx + disp32] */
} into[6] = {
    {{0x48, 0xbf}, {0x48, 0x8b, 0xbb}, {0x48, 0x81, 0xc7}, {0x48, 0x8d, 0xbb}},
    {{0x48, 0xbe}, {0x48, 0x8b, 0xb3}, {0x48, 0x81, 0xc6}, {0x48, 0x8d, 0xb3}},
    {{0x48, 0xba}, {0x48, 0x8b, 0x93}, {0x48, 0x81, 0xc2}, {0x48, 0x8d, 0x93}},
    {{0x49, 0xba}, {0x4c, 0x8b, 0x93}, {0x49, 0x81, 0xc2}, {0x4c, 0x8d, 0x93}},
    {{0x49, 0xb8}, {0x4c, 0x8b, 0x83}, {0x49, 0x81, 0xc0}, {0x4c, 0x8d, 0x83}},
    {{0x49, 0xb9}, {0x4c, 0x8b, 0x8b}, {0x49, 0x81, 0xc1}, {0x4c, 0x8d, 0x8b}},
};

static void emit(struct tl_script *script, const void *bytes, size_t size)
{
    if (script->size + size > TL_SCRIPT_TEXT)
        return; /* tl_script_run() refuses a script that is full */
    memcpy(script->code + script->size, bytes, size);
    script->size += size;
}

static void emit32(struct tl_script *script, uint32_t value)
{
    emit(script, &value, 4);
}

static void emit64(struct tl_script *script, uint64_t value)
{
    emit(script, &value, 8);
}

void tl_script_begin(struct tl_script *script, uint64_t address, uint64_t scratch)
{
    memset(script, 0, sizeof(*script));
    script->address = address;
    emit(script, "\x45\x31\xed", 3); /* xor r13d, r13d */
    emit(script, "\x48\xbb", 2);     /* mov rbx, scratch */
    emit64(script, scratch);
}

uint64_t tl_script_text(struct tl_script *script, const char *text)
{
    size_t at = TL_SCRIPT_TEXT + script->text_size, size = strlen(text) + 1;
    if (at + size > TL_SCRIPT_BYTES)
        return 0;
    memcpy(script->code + at, text, size);
    script->text_size += size;
    return script->address + at;
}

static void fill_argument(struct tl_script *script, unsigned which, const struct tl_argument *argument)
{
    switch (argument->kind) {
    case TL_ARGUMENT_VALUE:
        emit(script, into[which].immediate, 2);
        emit64(script, argument->value);
        break;
    case TL_ARGUMENT_RESULT:
        emit(script, into[which].load, 3);
        emit32(script, argument->call * 8);
        emit(script, into[which].add, 3);
        emit32(script, (uint32_t)argument->value);
        break;
    case TL_ARGUMENT_SCRATCH:
        emit(script, into[which].address, 3);
        emit32(script, (uint32_t)argument->value);
        break;
    }
}

unsigned tl_script_call(struct tl_script *script, bool must, long number, const struct tl_argument arguments[6])
{
    for (unsigned i = 0; i < 6; i++)
        fill_argument(script, i, &arguments[i]);
    emit(script, "\xb8", 1); /* mov eax, number; syscall */
    emit32(script, (uint32_t)number);
    emit(script, "\x0f\x05", 2);
    if (must && script->exit_count < TL_SCRIPT_CALLS) {
        emit(script, "\x48\x3d\x01\xf0\xff\xff\x0f\x83", 8); /* cmp rax, -4095; jae end */
        script->exits[script->exit_count++] = script->size;
        emit32(script, 0);
    }
    emit(script, "\x49\xff\xc5", 3); /* inc r13 */
    emit(script, "\x48\x89\x83", 3); /* mov [rbx + 8 * count], rax */
    emit32(script, script->count * 8);
    return script->count++;
}

/* tgkill(getpid(), gettid(), SIGSTOP): ids as the target's namespace has them. */
static void emit_end(struct tl_script *script)
{
    static const uint8_t code[] = {
        0x49, 0x89,       0xc6,                         /* mov r14, rax */
        0xb8, SYS_getpid, 0,    0,    0,    0x0f, 0x05, /* */
        0x49, 0x89,       0xc7,                         /* mov r15, rax */
        0xb8, SYS_gettid, 0,    0,    0,    0x0f, 0x05, /* */
        0x48, 0x89,       0xc6, 0x4c, 0x89, 0xff,       /* mov rsi, rax; mov rdi, r15 */
        0xba, SIGSTOP,    0,    0,    0,                /* mov edx, SIGSTOP */
        0xb8, SYS_tgkill, 0,    0,    0,    0x0f, 0x05, /* */
        0x0f, 0x0b,                                     /* ud2: never reached */
    };
    for (unsigned i = 0; i < script->exit_count; i++) {
        uint32_t distance = (uint32_t)(script->size - script->exits[i] - 4);
        memcpy(script->code + script->exits[i], &distance, 4);
    }
    emit(script, code, sizeof(code));
}

int tl_script_run(struct tl_script *script, struct tl_hold *hold, long *failure)
{
    struct user_regs_struct registers;
    emit_end(script);
    if (script->size + 16 > TL_SCRIPT_TEXT || script->count > TL_SCRIPT_CALLS ||
        !tl_memory_write(hold->memory, script->address, script->code, sizeof(script->code)) ||
        !tl_hold_run(hold, script->address, script->address + script->size - 2, &registers))
        return -1;
    *failure = (long)registers.r14;
    return (int)registers.r13;
}
