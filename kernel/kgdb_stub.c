/* SPDX-License-Identifier: MIT
 *
 * The conversation with gdb: what each packet asks, and the answer. A CPU is a thread; its id is its number plus one.
 * Packets that this file does not know get the empty answer, which tells gdb so. Called by kgdb_stop.c with all CPUs
 * held. Source: the gdb manual, appendix "Remote Protocol", sections Packets, General Query Packets, Stop Reply
 * Packets.
 */
#include <kernel/kgdb_serial.h>
#include <kernel/kgdb_target.h>

static struct kgdb_packet in, out; /* one CPU at a time is here */
static bool attached;
static struct kgdb_report stopped;
static unsigned shown_cpu; /* whose registers g, G, p and P mean */
static enum kgdb_action *actions;

enum answer { ANSWERED, SILENT, RESUME };

bool kgdb_attached(void)
{
    return attached;
}

void kgdb_forget(void)
{
    attached = false;
    kgdb_acknowledge(true);
}

static enum answer say(const char *text)
{
    kgdb_put_text(&out, text);
    return ANSWERED;
}

static enum answer yes_or_no(bool done)
{
    return say(done ? "OK" : "E01");
}

static enum answer report_stop(void)
{
    uint8_t signal = (uint8_t)stopped.signal;
    kgdb_put_text(&out, "T");
    kgdb_put_bytes(&out, &signal, 1);
    kgdb_put_text(&out, "thread:");
    kgdb_put_number(&out, stopped.cpu + 1);
    kgdb_put_text(&out, ";");
    return say(stopped.reason);
}

/* A thread id: *cpu, or any CPU for 0 and -1. False: no such thread. */
static bool take_thread(const char **at, unsigned *cpu, bool *any)
{
    uintptr_t id;
    *any = kgdb_take(at, "-1");
    if (*any)
        return true;
    if (!kgdb_take_number(at, &id) || id > kgdb_cpu_count())
        return false;
    *any = id == 0;
    *cpu = *any ? 0 : (unsigned)id - 1;
    return true;
}

static enum answer select_thread(const char *at)
{
    bool any, shown = *at++ == 'g'; /* Hc is of c and s, which vCont has replaced */
    unsigned cpu = 0;
    if (!take_thread(&at, &cpu, &any))
        return say("E01");
    if (shown)
        shown_cpu = any ? stopped.cpu : cpu;
    return say("OK");
}

static enum answer thread_alive(const char *at)
{
    bool any;
    unsigned cpu;
    return yes_or_no(take_thread(&at, &cpu, &any) && !any);
}

static enum answer read_memory(const char *at)
{
    static uint8_t bytes[KGDB_PACKET_BYTES / 2 - 1];
    uintptr_t address, size;
    if (!kgdb_take_number(&at, &address) || !kgdb_take(&at, ",") || !kgdb_take_number(&at, &size))
        return say("E01");
    size_t got = kgdb_memory_read(address, bytes, size < sizeof bytes ? size : sizeof bytes);
    if (got == 0 && size != 0)
        return say("E0e");
    kgdb_put_bytes(&out, bytes, got);
    return ANSWERED;
}

static enum answer write_memory(const char *at)
{
    uintptr_t address, size;
    uint8_t byte;
    if (!kgdb_take_number(&at, &address) || !kgdb_take(&at, ",") || !kgdb_take_number(&at, &size) ||
        !kgdb_take(&at, ":"))
        return say("E01");
    for (; size; size--, address++)
        if (!kgdb_take_bytes(&at, &byte, 1) || !kgdb_memory_write(address, &byte, 1))
            return say("E0e");
    return say("OK");
}

static enum answer one_register(const char *at, bool write)
{
    uintptr_t number;
    if (!kgdb_take_number(&at, &number))
        return say("E01");
    if (write)
        return yes_or_no(kgdb_take(&at, "=") && kgdb_register_take(&at, shown_cpu, (unsigned)number));
    return kgdb_register_put(&out, shown_cpu, (unsigned)number) ? ANSWERED : say("E01");
}

/* Z0,ADDRESS,KIND and z0,...: software breakpoints; 1 to 4 in hardware, KIND is the size. */
static enum answer breakpoint(const char *at, bool set)
{
    char type = *at++;
    uintptr_t address, size;
    if (type < '0' || type > '4')
        return ANSWERED;
    if (!kgdb_take(&at, ",") || !kgdb_take_number(&at, &address) || !kgdb_take(&at, ",") ||
        !kgdb_take_number(&at, &size))
        return say("E01");
    if (type == '0')
        return yes_or_no(set ? kgdb_break_set(address) : kgdb_break_clear(address));
    return yes_or_no(set ? kgdb_watch_set(type, address, size) : kgdb_watch_clear(type, address, size));
}

static enum answer resume_all(enum kgdb_action action)
{
    for (unsigned cpu = 0; cpu < kgdb_cpu_count(); cpu++)
        actions[cpu] = KGDB_GO;
    actions[stopped.cpu] = action;
    return RESUME;
}

/* vCont;ACTION[:THREAD]...: for each CPU the first action that names it, or names none. Signals mean nothing here. */
static enum answer resume_some(const char *at)
{
    static bool given[256];
    for (unsigned cpu = 0; cpu < kgdb_cpu_count(); cpu++) {
        actions[cpu] = KGDB_HOLD;
        given[cpu] = false;
    }
    while (kgdb_take(&at, ";")) {
        enum kgdb_action action = *at == 's' || *at == 'S' ? KGDB_STEP : KGDB_GO;
        bool signal = *at == 'S' || *at == 'C', any = true;
        uintptr_t number;
        unsigned named = 0;
        at++;
        if ((signal && !kgdb_take_number(&at, &number)) || (kgdb_take(&at, ":") && !take_thread(&at, &named, &any)))
            return say("E01");
        for (unsigned cpu = 0; cpu < kgdb_cpu_count(); cpu++)
            if (!given[cpu] && (any || cpu == named)) {
                actions[cpu] = action;
                given[cpu] = true;
            }
    }
    return RESUME;
}

static enum answer leave(bool answer)
{
    kgdb_break_clear_all();
    kgdb_watch_clear_all();
    if (answer) {
        say("OK");
        kgdb_send(&out);
    }
    kgdb_forget();
    return resume_all(KGDB_GO);
}

static enum answer threads(void)
{
    kgdb_put_text(&out, "m");
    for (unsigned cpu = 0; cpu < kgdb_cpu_count(); cpu++) {
        kgdb_put_text(&out, cpu ? "," : "");
        kgdb_put_number(&out, cpu + 1);
    }
    return ANSWERED;
}

static enum answer describe_thread(const char *at)
{
    bool any;
    unsigned cpu;
    char text[] = "CPU 0";
    if (!take_thread(&at, &cpu, &any) || any)
        return say("E01");
    text[4] = (char)('0' + cpu % 10);
    kgdb_put_bytes(&out, text, sizeof text - 1);
    return ANSWERED;
}

/* qXfer:features:read:target.xml:OFFSET,LENGTH */
static enum answer features(const char *at)
{
    static struct kgdb_packet whole;
    uintptr_t offset, size;
    if (!kgdb_take_number(&at, &offset) || !kgdb_take(&at, ",") || !kgdb_take_number(&at, &size))
        return say("E01");
    if (whole.length_bytes == 0)
        kgdb_registers_describe(&whole);
    if (offset >= whole.length_bytes)
        return say("l");
    bool last = whole.length_bytes - offset <= size;
    kgdb_put_text(&out, last ? "l" : "m");
    char *end = &whole.text[last ? whole.length_bytes : offset + size], kept = *end;
    *end = '\0';
    kgdb_put_text(&out, whole.text + offset);
    *end = kept;
    return ANSWERED;
}

static enum answer begin_session(void)
{
    attached = true;
    kgdb_break_clear_all(); /* of a gdb that has gone without a word */
    kgdb_watch_clear_all();
    if (!kgdb_acknowledge(true))
        kgdb_serial_put('+'); /* and that had not wanted this one */
    return say("PacketSize=f00;qXfer:features:read+;swbreak+;hwbreak+;vContSupported+;QStartNoAckMode+");
}

static enum answer query(const char *at)
{
    if (kgdb_take(&at, "Supported"))
        return begin_session();
    if (kgdb_take(&at, "Xfer:features:read:target.xml:"))
        return features(at);
    if (kgdb_take(&at, "fThreadInfo"))
        return threads();
    if (kgdb_take(&at, "sThreadInfo"))
        return say("l");
    if (kgdb_take(&at, "ThreadExtraInfo,"))
        return describe_thread(at);
    if (kgdb_take(&at, "Attached"))
        return say("1");
    if (kgdb_take(&at, "C") && *at == '\0') {
        kgdb_put_text(&out, "QC");
        kgdb_put_number(&out, stopped.cpu + 1);
    }
    return ANSWERED;
}

static enum answer set(const char *at)
{
    if (!kgdb_take(&at, "StartNoAckMode"))
        return ANSWERED;
    say("OK");
    kgdb_send(&out); /* this answer is still acknowledged */
    kgdb_acknowledge(false);
    return SILENT;
}

static enum answer verbose(const char *at)
{
    if (kgdb_take(&at, "Cont?"))
        return say("vCont;c;C;s;S");
    if (kgdb_take(&at, "Cont"))
        return resume_some(at);
    return ANSWERED;
}

static enum answer obey(const char *at)
{
    switch (*at++) {
    case '?':
        return report_stop();
    case 'g':
        kgdb_registers_put(&out, shown_cpu);
        return ANSWERED;
    case 'G':
        return yes_or_no(kgdb_registers_take(&at, shown_cpu));
    case 'p':
        return one_register(at, false);
    case 'P':
        return one_register(at, true);
    case 'm':
        return read_memory(at);
    case 'M':
        return write_memory(at);
    case 'Z':
        return breakpoint(at, true);
    case 'z':
        return breakpoint(at, false);
    case 'H':
        return select_thread(at);
    case 'T':
        return thread_alive(at);
    case 'c':
        return resume_all(KGDB_GO);
    case 's':
        return resume_all(KGDB_STEP);
    case 'v':
        return verbose(at);
    case 'q':
        return query(at);
    case 'Q':
        return set(at);
    case 'D':
        return leave(true);
    case 'k':
        return leave(false);
    default:
        return ANSWERED;
    }
}

void kgdb_talk(const struct kgdb_report *report, enum kgdb_action *to)
{
    stopped = *report;
    shown_cpu = report->cpu;
    actions = to;
    out.length_bytes = 0;
    if (attached) {
        report_stop();
        kgdb_send(&out);
    }
    for (;;) {
        kgdb_receive(&in);
        out.length_bytes = 0;
        out.text[0] = '\0';
        enum answer answer = obey(in.text);
        if (answer == RESUME)
            return;
        if (answer == ANSWERED)
            kgdb_send(&out);
    }
}
