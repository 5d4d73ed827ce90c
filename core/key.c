/* SPDX-License-Identifier: MIT
 *
 * Static keys and static calls. See include/trapline/key.h. Which places read a key is in the modules' tables; what is
 * poked there, in batch.c. Thread context.
 */
#include <core/batch.h>
#include <core/key.h>
#include <trapline/key.h>
#include <trapline/port.h>

#define SITE_BYTES 5

/* The modules' tables; the text lock guards them, and the keys' users. */
static struct tl_key_table *tables;

struct change {
    struct tl_poke *pokes;
    size_t count, room;
};

static uintptr_t address_of(const int32_t *field)
{
    return (uintptr_t)field + (uintptr_t)(intptr_t)*field;
}

static const struct tl_key *key_of(const struct tl_key_record *record)
{
    return (const struct tl_key *)address_of(&record->key);
}

static struct tl_poke poke_for(const struct tl_key_record *record, bool on)
{
    struct tl_poke poke = {0};
    poke.address = address_of(&record->site);
    poke.target = address_of(&record->target);
    poke.what = on != (record->likely != 0) ? TL_POKE_JMP : TL_POKE_NOP;
    poke.size = SITE_BYTES;
    return poke;
}

/* In the order of their addresses, as tl_poke() wants them. The linker keeps records nearly in order, so most go to the
 * end at once. */
static void insert(struct change *change, const struct tl_poke *poke)
{
    size_t i = change->count++;
    for (; i > 0 && change->pokes[i - 1].address > poke->address; i--)
        change->pokes[i] = change->pokes[i - 1];
    change->pokes[i] = *poke;
}

/* The place is as it is while the key is not on, or not off, and shall be the other way. */
static enum tl_status add(struct change *change, const struct tl_key_record *record, bool on)
{
    struct tl_poke poke = poke_for(record, on), now = poke_for(record, !on);
    enum tl_status status = change->pokes ? tl_poke_encode(poke.expected, &now) : TL_NO_MEMORY;
    if (status == TL_OK)
        insert(change, &poke);
    return status;
}

static bool is_one_of(struct tl_key *const *keys, size_t count, const struct tl_key *key)
{
    for (size_t i = 0; i < count; i++)
        if (keys[i] == key)
            return true;
    return false;
}

static size_t records_of(struct tl_key *const *keys, size_t count)
{
    size_t found = 0;
    for (const struct tl_key_table *table = tables; table; table = table->next)
        for (const struct tl_key_record *record = table->from; record < table->to; record++)
            found += is_one_of(keys, count, key_of(record));
    return found;
}

static bool change_begin(struct change *change, size_t room)
{
    change->count = 0;
    change->room = room * sizeof(*change->pokes);
    change->pokes = room ? tl_port_memory(change->room) : 0;
    return room == 0 || change->pokes;
}

static enum tl_status change_end(struct change *change, enum tl_status status)
{
    if (status == TL_OK)
        status = tli_batch_poke(change->pokes, change->count, 0);
    if (change->pokes)
        tl_port_memory_free(change->pokes, change->room);
    return status;
}

/* Pokes the places of all of keys that are not what on says. Their users are the caller's matter. */
static enum tl_status switch_to(struct tl_key *const *keys, size_t count, bool on)
{
    struct change change;
    enum tl_status status = TL_OK;
    if (!change_begin(&change, records_of(keys, count)))
        return TL_NO_MEMORY;
    for (const struct tl_key_table *table = tables; table; table = table->next)
        for (const struct tl_key_record *record = table->from; record < table->to && status == TL_OK; record++)
            if (is_one_of(keys, count, key_of(record)) && (key_of(record)->users != 0) != on)
                status = add(&change, record, on);
    return change_end(&change, status);
}

enum tl_status tl_keys_set(struct tl_key *const *keys, size_t count, bool on)
{
    tl_port_text_lock();
    enum tl_status status = switch_to(keys, count, on);
    for (size_t i = 0; status == TL_OK && i < count; i++)
        keys[i]->users = on;
    tl_port_text_unlock();
    return status;
}

enum tl_status tl_key_set(struct tl_key *key, bool on)
{
    return tl_keys_set(&key, 1, on);
}

static enum tl_status change_users(struct tl_key *key, int32_t by)
{
    tl_port_text_lock();
    int32_t users = key->users + by;
    enum tl_status status = users < 0 ? TL_BAD_ARGUMENT : switch_to(&key, 1, users != 0);
    if (status == TL_OK)
        key->users = users;
    tl_port_text_unlock();
    return status;
}

enum tl_status tl_key_get(struct tl_key *key)
{
    return change_users(key, 1);
}

enum tl_status tl_key_put(struct tl_key *key)
{
    return change_users(key, -1);
}

/* What stands at a place tells whether it is as its key is; a place that holds neither is refused when it is poked. */
static bool is_up_to_date(const struct tl_key_record *record)
{
    uint8_t wanted[SITE_BYTES], found[SITE_BYTES];
    struct tl_poke poke = poke_for(record, key_of(record)->users != 0);
    if (tl_poke_encode(wanted, &poke) != TL_OK || tl_port_text_read(poke.address, found, sizeof(found)) != TL_OK)
        return false;
    for (unsigned i = 0; i < sizeof(found); i++)
        if (found[i] != wanted[i])
            return false;
    return true;
}

static enum tl_status bring_up_to_date(const struct tl_key_table *table)
{
    struct change change;
    enum tl_status status = TL_OK;
    if (!change_begin(&change, (size_t)(table->to - table->from)))
        return TL_NO_MEMORY;
    for (const struct tl_key_record *record = table->from; record < table->to && status == TL_OK; record++)
        if (!is_up_to_date(record))
            status = add(&change, record, key_of(record)->users != 0);
    return change_end(&change, status);
}

/* The link that leads to table, or the last one. */
static struct tl_key_table **link_to(const struct tl_key_table *table)
{
    struct tl_key_table **link = &tables;
    while (*link && *link != table)
        link = &(*link)->next;
    return link;
}

enum tl_status tl_keys_add(struct tl_key_table *table)
{
    tl_port_text_lock();
    enum tl_status status = *link_to(table) ? TL_BUSY : bring_up_to_date(table);
    if (status == TL_OK) {
        table->next = tables;
        tables = table;
    }
    tl_port_text_unlock();
    return status;
}

enum tl_status tl_keys_remove(struct tl_key_table *table)
{
    tl_port_text_lock();
    struct tl_key_table **link = link_to(table);
    enum tl_status status = *link ? TL_OK : TL_NOT_MINE;
    if (*link)
        *link = table->next;
    tl_port_text_unlock();
    return status;
}

bool tli_key_in(uintptr_t address, size_t size)
{
    for (const struct tl_key_table *table = tables; table; table = table->next)
        for (const struct tl_key_record *record = table->from; record < table->to; record++) {
            uintptr_t site = address_of(&record->site);
            if (site < address + size && address < site + SITE_BYTES)
                return true;
        }
    return false;
}

static uintptr_t nothing(void)
{
    return 0;
}

enum tl_status tl_static_call_update(struct tl_static_call *call, uintptr_t target)
{
    struct tl_poke poke = {0}, now;
    poke.address = call->trampoline;
    poke.what = TL_POKE_JMP;
    poke.size = SITE_BYTES;
    now = poke;
    poke.target = target ? target : (uintptr_t)nothing;
    tl_port_text_lock();
    now.target = call->target;
    enum tl_status status = tl_poke_encode(poke.expected, &now);
    if (status == TL_OK)
        status = tli_batch_poke(&poke, 1, 0);
    if (status == TL_OK)
        call->target = poke.target;
    tl_port_text_unlock();
    return status;
}
