/* SPDX-License-Identifier: MIT
 *
 * The first serial port, a 16550, polled, and the few formats that the kernel prints. See console.h.
 */
#include <kernel/console.h>
#include <kernel/thread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <trapline/port.h>

enum { COM1 = 0x3f8, DATA = 0, INTERRUPTS = 1, FIFO = 2, LINE = 3, MODEM = 4, STATUS = 5 };
enum { LINE_8N1 = 0x03, LINE_DIVISOR = 0x80, STATUS_READY = 0x01, STATUS_EMPTY = 0x20 };
enum { PATIENCE_SPINS = 20 * 1000 * 1000 };

static atomic_flag printing = ATOMIC_FLAG_INIT;

static uint8_t in(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %w1, %0" : "=a"(value) : "Nd"((uint16_t)(COM1 + port)));
    return value;
}

static void out(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %w1" : : "a"(value), "Nd"((uint16_t)(COM1 + port)));
}

void console_begin(void)
{
    out(INTERRUPTS, 0);
    out(LINE, LINE_DIVISOR);
    out(DATA, 1); /* 115200 */
    out(INTERRUPTS, 0);
    out(LINE, LINE_8N1);
    out(FIFO, 0x07); /* on, both emptied */
    out(MODEM, 0x03);
}

static void put(char c)
{
    if (c == '\n')
        put('\r');
    while (!(in(STATUS)&STATUS_EMPTY))
        __asm__ volatile("pause");
    out(DATA, (uint8_t)c);
}

struct field {
    unsigned width;
    bool zeros;
};

static void put_text(const char *text, struct field field)
{
    unsigned length = 0;
    while (text[length])
        length++;
    for (; length < field.width; length++)
        put(field.zeros ? '0' : ' ');
    while (*text)
        put(*text++);
}

static void put_number(uintptr_t value, unsigned base, struct field field)
{
    char digits[24], *digit = digits + sizeof digits - 1;
    *digit = '\0';
    do
        *--digit = "0123456789abcdef"[value % base];
    while (value /= base);
    put_text(digit, field);
}

/* One conversion; at is behind the %. Returns where it ends. */
static const char *convert(const char *at, va_list *arguments)
{
    struct field field = {0, *at == '0'};
    bool is_long = false;
    for (; *at >= '0' && *at <= '9'; at++)
        field.width = field.width * 10 + (unsigned)(*at - '0');
    for (; *at == 'l'; at++)
        is_long = true;
    long number = 0;
    if (*at == 'd')
        number = is_long ? va_arg(*arguments, long) : va_arg(*arguments, int);
    else if (*at == 'u' || *at == 'x')
        number = is_long ? va_arg(*arguments, long) : (long)va_arg(*arguments, unsigned);
    switch (*at) {
    case 'c':
        put((char)va_arg(*arguments, int));
        break;
    case 's':
        put_text(va_arg(*arguments, const char *), field);
        break;
    case 'd':
        if (number < 0)
            put('-');
        put_number(number < 0 ? -(uintptr_t)number : (uintptr_t)number, 10, field);
        break;
    case 'u':
    case 'x':
        put_number((uintptr_t)number, *at == 'u' ? 10 : 16, field);
        break;
    case 'p':
        put_text("0x", (struct field){0, false});
        put_number((uintptr_t)va_arg(*arguments, void *), 16, (struct field){2 * sizeof(void *), true});
        break;
    default:
        put(*at);
        break;
    }
    return at + 1;
}

void console_vprint(const char *format, va_list arguments)
{
    va_list rest;
    uint64_t state = tl_port_interrupts_off();
    unsigned patience = PATIENCE_SPINS;
    /* acquire, release: lines of one are out before those of the next. Nothing else is guarded. */
    while (atomic_flag_test_and_set_explicit(&printing, memory_order_acquire) && --patience)
        __asm__ volatile("pause");
    va_copy(rest, arguments);
    while (*format)
        if (*format == '%')
            format = convert(format + 1, &rest);
        else
            put(*format++);
    va_end(rest);
    atomic_flag_clear_explicit(&printing, memory_order_release);
    tl_port_interrupts_restore(state);
}

void console_print(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    console_vprint(format, arguments);
    va_end(arguments);
}

char console_get(void)
{
    while (!(in(STATUS)&STATUS_READY))
        thread_yield();
    return (char)in(DATA);
}
