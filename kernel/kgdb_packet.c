/* SPDX-License-Identifier: MIT
 *
 * Packets of gdb's remote serial protocol; see kgdb_packet.h.
 */
#include <kernel/kgdb_packet.h>
#include <kernel/kgdb_serial.h>

enum { RUN_OFFSET = 29, RUN_MIN = 3 }; /* "0* " is four zeros: a run's count is its repeats plus 29 */

static bool acknowledged = true;

bool kgdb_acknowledge(bool on)
{
    bool before = acknowledged;
    acknowledged = on;
    return before;
}

static const char digits[] = "0123456789abcdef";

/* The value of a hexadecimal digit, or -1. */
static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

/* What stands between $ and #. False: the checksum is wrong, or it is longer than a packet may be. */
static bool receive_body(struct kgdb_packet *packet)
{
    uint8_t sum = 0;
    packet->length_bytes = 0;
    for (;;) {
        char c = (char)kgdb_serial_get();
        if (c == '$') { /* the one before was cut off */
            sum = 0;
            packet->length_bytes = 0;
            continue;
        }
        if (c == '#')
            break;
        sum = (uint8_t)(sum + (uint8_t)c);
        if (packet->length_bytes < KGDB_PACKET_BYTES)
            packet->text[packet->length_bytes++] = c;
    }
    int high = digit_value((char)kgdb_serial_get()), low = digit_value((char)kgdb_serial_get());
    if (packet->length_bytes == KGDB_PACKET_BYTES || high < 0 || low < 0 || high * 16 + low != sum)
        return false;
    packet->text[packet->length_bytes] = '\0';
    return true;
}

void kgdb_receive(struct kgdb_packet *packet)
{
    for (;;) {
        while (kgdb_serial_get() != '$')
            ;
        bool good = receive_body(packet);
        if (acknowledged)
            kgdb_serial_put(good ? '+' : '-');
        if (good)
            return;
    }
}

/* How often the character at text is repeated behind it, as far as one count can say: a count is a printable character
 * that begins nothing else. 0: not worth it. */
static size_t repeats(const char *text, size_t left)
{
    size_t count = 0;
    while (count + 1 < left && count < '~' - RUN_OFFSET && text[count + 1] == text[0])
        count++;
    while (count + RUN_OFFSET == '#' || count + RUN_OFFSET == '$' || count + RUN_OFFSET == '+' ||
           count + RUN_OFFSET == '-')
        count--;
    return count < RUN_MIN ? 0 : count;
}

static void put_summed(char c, uint8_t *sum)
{
    *sum = (uint8_t)(*sum + (uint8_t)c);
    kgdb_serial_put((uint8_t)c);
}

void kgdb_send(const struct kgdb_packet *packet)
{
    for (;;) {
        uint8_t sum = 0;
        kgdb_serial_put('$');
        for (size_t i = 0; i < packet->length_bytes; i++) {
            size_t again = repeats(packet->text + i, packet->length_bytes - i);
            put_summed(packet->text[i], &sum);
            if (again) {
                put_summed('*', &sum);
                put_summed((char)(again + RUN_OFFSET), &sum);
                i += again;
            }
        }
        kgdb_serial_put('#');
        kgdb_serial_put((uint8_t)digits[sum / 16]);
        kgdb_serial_put((uint8_t)digits[sum % 16]);
        if (!acknowledged)
            return;
        for (;;) {
            uint8_t answer = kgdb_serial_get();
            if (answer == '+')
                return;
            if (answer == '-')
                break;
            if (answer == '$') { /* a new gdb that has never seen this packet: what it says comes first */
                kgdb_serial_unget(answer);
                return;
            }
        }
    }
}

static void put(struct kgdb_packet *packet, char c)
{
    if (packet->length_bytes < KGDB_PACKET_BYTES - 1) {
        packet->text[packet->length_bytes++] = c;
        packet->text[packet->length_bytes] = '\0';
    }
}

void kgdb_put_text(struct kgdb_packet *packet, const char *text)
{
    while (*text)
        put(packet, *text++);
}

void kgdb_put_number(struct kgdb_packet *packet, uintptr_t value)
{
    unsigned shift = 0;
    while (shift + 4 < 8 * sizeof value && value >> (shift + 4))
        shift += 4;
    put(packet, digits[value >> shift & 15]);
    while (shift) {
        shift -= 4;
        put(packet, digits[value >> shift & 15]);
    }
}

void kgdb_put_bytes(struct kgdb_packet *packet, const void *from, size_t size)
{
    const uint8_t *bytes = from;
    for (size_t i = 0; i < size; i++) {
        put(packet, digits[bytes[i] / 16]);
        put(packet, digits[bytes[i] % 16]);
    }
}

bool kgdb_take(const char **at, const char *text)
{
    const char *here = *at;
    for (; *text; text++, here++)
        if (*here != *text)
            return false;
    *at = here;
    return true;
}

bool kgdb_take_number(const char **at, uintptr_t *value)
{
    if (digit_value(**at) < 0)
        return false;
    *value = 0;
    for (int digit; (digit = digit_value(**at)) >= 0; ++*at)
        *value = *value << 4 | (unsigned)digit;
    return true;
}

bool kgdb_take_bytes(const char **at, void *to, size_t size)
{
    uint8_t *bytes = to;
    const char *here = *at;
    for (size_t i = 0; i < size; i++, here += 2) {
        int high = digit_value(here[0]), low = high < 0 ? -1 : digit_value(here[1]);
        if (low < 0)
            return false;
        bytes[i] = (uint8_t)(high * 16 + low);
    }
    *at = here;
    return true;
}
