/* SPDX-License-Identifier: MIT
 *
 * Registers as gdb numbers, sizes and names them (feature org.gnu.gdb.i386.core), from and to an interrupted context.
 * The order is arch/x86/.../gdb.h's. The kernel has no floating point: gdb insists on the names and is told "unknown".
 */
#include <gdb.h>
#include <kernel/kgdb_target.h>
#include <ptregs.h>

/* Behind the numbers of tl_regs.gpr. */
enum { IP = 16, FLAGS, CS, SS, DS, ES, FS, GS, UNKNOWN };

struct place {
    const char *name, *type;
    uint8_t bits, where;
};

static const struct place places[] = {
#define PLACE(name, type, bits, where) {#name, #type, bits, where},
    TL_GDB_REGISTERS(PLACE)
#define FLOAT(name) PLACE(name, i387_ext, 80, UNKNOWN)
#define CONTROL(name) PLACE(name, int, 32, UNKNOWN)
    /* */
    FLOAT(st0) FLOAT(st1) FLOAT(st2) FLOAT(st3) FLOAT(st4) FLOAT(st5) FLOAT(st6) FLOAT(st7)
    /* */
    CONTROL(fctrl) CONTROL(fstat) CONTROL(ftag) CONTROL(fiseg) CONTROL(fioff) CONTROL(foseg) CONTROL(fooff)
        CONTROL(fop)};

enum { PLACES = sizeof places / sizeof places[0] };

#define SEGMENT(name)                                                                                                  \
    ({                                                                                                                 \
        uint32_t value_;                                                                                               \
        __asm__("mov %%" name ", %0" : "=r"(value_));                                                                  \
        value_ & 0xffff;                                                                                               \
    })

static uintptr_t value_of(const struct pt_regs *regs, unsigned where)
{
    switch (where) {
    case IP:
        return regs->regs.ip;
    case FLAGS:
        return regs->regs.flags;
    case CS:
        return regs->cs & 0xffff;
    case SS: /* these the kernel never changes; ring 3's are not told */
        return SEGMENT("ss");
    case DS:
        return SEGMENT("ds");
    case ES:
        return SEGMENT("es");
    case FS:
        return SEGMENT("fs");
    case GS:
        return SEGMENT("gs");
    default:
        return regs->regs.gpr[where];
    }
}

bool kgdb_register_put(struct kgdb_packet *packet, unsigned cpu, unsigned number)
{
    if (number >= PLACES)
        return false;
    const struct place *place = &places[number];
    const struct pt_regs *regs = kgdb_cpu_regs(cpu);
    if (regs && place->where != UNKNOWN) {
        uintptr_t value = value_of(regs, place->where);
        kgdb_put_bytes(packet, &value, place->bits / 8);
    } else
        for (unsigned i = 0; i < place->bits / 8; i++)
            kgdb_put_text(packet, "xx");
    return true;
}

void kgdb_registers_put(struct kgdb_packet *packet, unsigned cpu)
{
    for (unsigned i = 0; i < PLACES; i++)
        kgdb_register_put(packet, cpu, i);
}

/* What an interrupt returns through: the general registers, ip, flags. Not the stack pointer: the frame lies on the
 * stack itself. */
bool kgdb_register_take(const char **at, unsigned cpu, unsigned number)
{
    struct pt_regs *regs = kgdb_cpu_regs(cpu);
    uintptr_t value = 0;
    if (number >= PLACES || !regs)
        return false;
    const struct place *place = &places[number];
    if (place->bits > 8 * sizeof value || !kgdb_take_bytes(at, &value, place->bits / 8))
        return false;
    if (place->where == IP)
        regs->regs.ip = value;
    else if (place->where == FLAGS)
        regs->regs.flags = value;
    else if (place->where < IP && place->where != TL_REG_SP)
        regs->regs.gpr[place->where] = value;
    else
        return value == value_of(regs, place->where);
    return true;
}

bool kgdb_registers_take(const char **at, unsigned cpu)
{
    for (unsigned i = 0; **at && i < PLACES; i++)
        if (!kgdb_register_take(at, cpu, i))
            for (unsigned digit = 0; **at && digit < places[i].bits / 4u; digit++)
                ++*at; /* "xx", or one that stays as it is */
    return true;
}

/* The bits of the flags by gdb's names, in their order. */
static const char *const flag_names[] = {"CF", "", "PF", "",   "AF", "",   "ZF", "SF", "TF",  "IF",  "DF",
                                         "OF", "", "",   "NT", "",   "RF", "VM", "AC", "VIF", "VIP", "ID"};

static void put_decimal(struct kgdb_packet *packet, unsigned value)
{
    char text[4] = "", *digit = text + 3;
    do
        *--digit = (char)('0' + value % 10);
    while (value /= 10);
    kgdb_put_text(packet, digit);
}

static void describe_flags(struct kgdb_packet *packet)
{
    kgdb_put_text(packet, "<flags id=\"i386_eflags\" size=\"4\">");
    for (unsigned bit = 0; bit < sizeof flag_names / sizeof flag_names[0]; bit++)
        if (*flag_names[bit]) {
            kgdb_put_text(packet, "<field name=\"");
            kgdb_put_text(packet, flag_names[bit]);
            kgdb_put_text(packet, "\" start=\"");
            put_decimal(packet, bit);
            kgdb_put_text(packet, "\" end=\"");
            put_decimal(packet, bit);
            kgdb_put_text(packet, "\"/>");
        }
    kgdb_put_text(packet, "</flags>");
}

void kgdb_registers_describe(struct kgdb_packet *packet)
{
    packet->length_bytes = 0;
    kgdb_put_text(packet, "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target version=\"1.0\">"
                          "<architecture>" TL_GDB_ARCHITECTURE "</architecture>"
                          "<feature name=\"org.gnu.gdb.i386.core\">");
    describe_flags(packet);
    for (unsigned i = 0; i < PLACES; i++) {
        kgdb_put_text(packet, "<reg name=\"");
        kgdb_put_text(packet, places[i].name);
        kgdb_put_text(packet, "\" bitsize=\"");
        put_decimal(packet, places[i].bits);
        kgdb_put_text(packet, "\" type=\"");
        kgdb_put_text(packet, places[i].type);
        kgdb_put_text(packet, "\"/>");
    }
    kgdb_put_text(packet, "</feature></target>");
}
