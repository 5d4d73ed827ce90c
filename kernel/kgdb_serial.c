/* SPDX-License-Identifier: MIT
 *
 * The second serial port, a 16550, polled; see kgdb_serial.h. The console's is not here.
 */
#include <kernel/kgdb_serial.h>

enum {
    COM2 = 0x2f8,
    DATA = 0, /* and the divisor's low half while LINE_DIVISOR */
    INTERRUPTS = 1,
    FIFO = 2,
    LINE = 3,
    LINE_8N1 = 0x03,
    LINE_DIVISOR = 0x80,
    MODEM = 4,
    STATUS = 5,
    STATUS_READY = 0x01,
    STATUS_EMPTY = 0x20,
    SCRATCH = 7,
};

enum { FIFO_BYTES = 16 };

static int pushed_back = -1;
static unsigned room_bytes; /* in the send buffer, as far as is known */

static uint8_t in(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %w1, %0" : "=a"(value) : "Nd"((uint16_t)(COM2 + port)));
    return value;
}

static void out(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %w1" : : "a"(value), "Nd"((uint16_t)(COM2 + port)));
}

static bool status(uint8_t bit)
{
    uint8_t now = in(STATUS);
    return (now & bit) != 0;
}

bool kgdb_serial_begin(void)
{
    out(SCRATCH, 0x5a);
    if (in(SCRATCH) != 0x5a)
        return false;
    out(INTERRUPTS, 0);
    out(LINE, LINE_DIVISOR);
    out(DATA, 1); /* 115200 */
    out(INTERRUPTS, 0);
    out(LINE, LINE_8N1);
    out(FIFO, 0x07); /* on, both emptied */
    out(MODEM, 0x03);
    return true;
}

bool kgdb_serial_ready(void)
{
    return pushed_back >= 0 || status(STATUS_READY);
}

uint8_t kgdb_serial_get(void)
{
    if (pushed_back >= 0) {
        uint8_t byte = (uint8_t)pushed_back;
        pushed_back = -1;
        return byte;
    }
    while (!status(STATUS_READY))
        __asm__ volatile("pause");
    return in(DATA);
}

void kgdb_serial_put(uint8_t byte)
{
    while (room_bytes == 0) {
        __asm__ volatile("pause");
        room_bytes = status(STATUS_EMPTY) ? FIFO_BYTES : 0;
    }
    room_bytes--;
    out(DATA, byte);
}

void kgdb_serial_unget(uint8_t byte)
{
    pushed_back = byte;
}
