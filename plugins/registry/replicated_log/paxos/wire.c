/* See wire.h. */
#include "wire.h"

#include <stdlib.h>
#include <string.h>

#include "../codec.h"

#define WIRE_VERSION 2u
#define VALUE_MAX RLOG_BATCH_MAX           /* more does not fit into the journal */
#define POSITION_MAX ((uint64_t)INT64_MAX) /* there is always one behind it */

const char *paxos_status_name(enum paxos_status status)
{
    switch (status) {
    case PAXOS_VOTING:
        return "voting";
    case PAXOS_RECOVERING:
        return "recovering";
    case PAXOS_STARTING:
        return "starting";
    case PAXOS_EMPTY:
        return "empty";
    }
    return "unknown";
}

/* ---- numbers ---- */

static void put(struct mu_buf *b, uint64_t v, unsigned bytes)
{
    char out[8];
    for (unsigned i = 0; i < bytes; i++) {
        out[i] = (char)(uint8_t)(v >> (8 * i));
    }
    (void)mu_buf_append(b, out, bytes); /* overflow is sticky */
}

struct reader {
    const uint8_t *p;
    size_t len;
    bool bad;
};

static uint64_t get(struct reader *r, unsigned bytes)
{
    if (r->bad || r->len < bytes) {
        r->bad = true;
        return 0;
    }
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++) {
        v |= (uint64_t)r->p[i] << (8 * i);
    }
    r->p += bytes;
    r->len -= bytes;
    return v;
}

static const uint8_t *get_bytes(struct reader *r, size_t len)
{
    if (r->bad || r->len < len) {
        r->bad = true;
        return NULL;
    }
    const uint8_t *at = r->p;
    r->p += len;
    r->len -= len;
    return at;
}

static void put_ballot(struct mu_buf *b, const struct paxos_ballot *ballot)
{
    put(b, ballot->epoch, 8);
    put(b, ballot->round, 4);
    put(b, ballot->replica, 8);
}

static struct paxos_ballot get_ballot(struct reader *r)
{
    struct paxos_ballot ballot;
    ballot.epoch = get(r, 8);
    ballot.round = (uint32_t)get(r, 4);
    ballot.replica = get(r, 8);
    return ballot;
}

static void put_value(struct mu_buf *b, const struct paxos_value *v)
{
    put(b, v->kind, 1);
    put(b, v->len, 4);
    (void)mu_buf_append(b, v->bytes, v->len); /* overflow is sticky */
}

static struct paxos_value *get_value(struct reader *r)
{
    uint8_t kind = (uint8_t)get(r, 1);
    size_t len = (size_t)get(r, 4);
    if (kind > PAXOS_MEMBERS || len > VALUE_MAX) {
        r->bad = true;
    }
    const uint8_t *bytes = get_bytes(r, len);
    return r->bad ? NULL : paxos_value_create(kind, bytes, len);
}

static void put_members(struct mu_buf *b, const struct paxos_members *m)
{
    put(b, m->log, 8);
    put(b, m->quorum, 4);
    put(b, m->count, 1);
    for (uint32_t i = 0; i < m->count; i++) {
        size_t len = strlen(m->v[i].address);
        put(b, m->v[i].id, 8);
        put(b, len, 1);
        (void)mu_buf_append(b, m->v[i].address, len); /* overflow is sticky */
    }
}

static void get_members(struct reader *r, struct paxos_members *out)
{
    *out = (struct paxos_members){.log = get(r, 8)};
    out->quorum = (uint32_t)get(r, 4);
    uint32_t count = (uint32_t)get(r, 1);
    if (count > PAXOS_MEMBERS_MAX || out->quorum > PAXOS_MEMBERS_MAX) {
        r->bad = true;
    }
    for (uint32_t i = 0; i < count && !r->bad; i++) {
        char address[PAXOS_ADDRESS_MAX] = "";
        uint64_t id = get(r, 8);
        size_t len = (size_t)get(r, 1);
        const uint8_t *text = len < sizeof(address) ? get_bytes(r, len) : NULL;
        if (text == NULL || memchr(text, '\0', len) != NULL || id == 0 ||
            paxos_members_find(out, id) >= 0) {
            r->bad = true;
            return;
        }
        memcpy(address, text, len);
        (void)paxos_members_add(out, id, address); /* there is room: count is checked */
    }
}

struct paxos_value *paxos_members_value(const struct paxos_members *m)
{
    struct mu_buf b;
    mu_buf_init(&b, 64u * 1024);
    put_members(&b, m);
    struct paxos_value *v = paxos_value_create(PAXOS_MEMBERS, mu_buf_str(&b), b.len);
    mu_buf_release(&b);
    return v;
}

int paxos_value_members(const struct paxos_value *v,
                        struct paxos_members *out,
                        struct mu_error *err)
{
    struct reader r = {.p = v->bytes, .len = v->len};
    get_members(&r, out);
    if (v->kind != PAXOS_MEMBERS || r.bad || r.len > 0) {
        return mu_fail(err, MU_E_CORRUPT, "a members entry of %zu bytes is not valid",
                       v->len);
    }
    return 0;
}

/* ---- messages ---- */

struct paxos_members *paxos_members_copy(const struct paxos_members *m)
{
    struct paxos_members *copy = rlog_allocate(sizeof(*copy));
    *copy = *m;
    return copy;
}

void paxos_message_release(struct paxos_message *m)
{
    free(m->members);
    m->members = NULL;
    for (size_t i = 0; i < m->count; i++) {
        paxos_value_unref(m->records[i].value);
    }
    free(m->records);
    m->records = NULL;
    m->count = 0;
}

static void add(struct paxos_message *m, const struct paxos_record *record)
{
    if ((m->count & (m->count - 1)) == 0) { /* a power of two: it is full */
        size_t cap = m->count == 0 ? 1 : 2 * m->count;
        struct paxos_record *grown =
            rlog_allocate(cap * sizeof(*grown)); /* zeroed, unlike realloc's */
        if (m->count > 0) {
            memcpy(grown, m->records, m->count * sizeof(*grown));
        }
        free(m->records);
        m->records = grown;
    }
    m->records[m->count++] = *record;
}

void paxos_message_add(struct paxos_message *m,
                       uint64_t position,
                       const struct paxos_ballot *ballot,
                       struct paxos_value *value)
{
    const struct paxos_record record = {
        .position = position, .ballot = *ballot, .value = paxos_value_ref(value)};
    add(m, &record);
}

void paxos_message_encode(struct mu_buf *b, const struct paxos_message *m)
{
    put(b, WIRE_VERSION, 1);
    put(b, m->type, 1);
    put(b, m->status, 1);
    put(b, m->log, 8);
    put(b, m->quorum, 4);
    put(b, m->part, 4);
    put(b, m->parts, 4);
    put_ballot(b, &m->ballot);
    put_ballot(b, &m->promised);
    put(b, m->position, 8);
    put(b, m->committed, 8);
    static const struct paxos_members none;
    put_members(b, m->members == NULL ? &none : m->members);
    put(b, m->count, 4);
    for (size_t i = 0; i < m->count; i++) {
        put(b, m->records[i].position, 8);
        put_ballot(b, &m->records[i].ballot);
        put_value(b, m->records[i].value);
    }
}

int paxos_message_decode(const void *data,
                         size_t len,
                         struct paxos_message *out,
                         struct mu_error *err)
{
    struct reader r = {.p = data, .len = len};
    uint64_t version = get(&r, 1);
    struct paxos_message m = {.type = (uint8_t)get(&r, 1)};
    if (!r.bad && (version != WIRE_VERSION || m.type == 0 || m.type > PAXOS_MSG_LAST)) {
        return mu_fail(err, MU_E_UNSUPPORTED,
                       "a message of version %u and type %u: sent by another version of "
                       "Muster",
                       (unsigned)version, (unsigned)m.type);
    }
    m.status = (uint8_t)get(&r, 1);
    m.log = get(&r, 8);
    m.quorum = (uint32_t)get(&r, 4);
    m.part = (uint32_t)get(&r, 4);
    m.parts = (uint32_t)get(&r, 4);
    m.ballot = get_ballot(&r);
    m.promised = get_ballot(&r);
    m.position = get(&r, 8);
    m.committed = get(&r, 8);
    struct paxos_members members;
    get_members(&r, &members);
    if (members.count > 0) {
        m.members = paxos_members_copy(&members);
    }
    uint64_t count = get(&r, 4);
    for (uint64_t i = 0; i < count && !r.bad; i++) {
        struct paxos_record record = {.position = get(&r, 8), .ballot = get_ballot(&r)};
        record.value = get_value(&r);
        if (record.value != NULL) {
            add(&m, &record);
        }
    }
    if (r.bad || r.len > 0 || (m.type == PAXOS_MSG_WRITE && m.count != 1) ||
        (m.type == PAXOS_MSG_SNAPSHOT && m.count != 1) ||
        (m.type == PAXOS_MSG_JOIN && members.count != 1) ||
        (m.type == PAXOS_MSG_SNAPSHOT && (members.count == 0 || m.part >= m.parts)) ||
        m.position > POSITION_MAX || m.committed > POSITION_MAX) {
        paxos_message_release(&m);
        return mu_fail(err, MU_E_CORRUPT, "a message of %zu bytes is not valid", len);
    }
    *out = m;
    return 0;
}

/* ---- entries of the journal ---- */

void paxos_entry_encode(struct mu_buf *b, const struct paxos_entry *e)
{
    put(b, e->kind, 1);
    switch ((enum paxos_entry_kind)e->kind) {
    case PAXOS_ENTRY_IDENTITY:
        put(b, WIRE_VERSION, 1);
        put(b, e->id, 8);
        break;
    case PAXOS_ENTRY_STATUS:
        put(b, e->status, 1);
        put_members(b, &e->members);
        break;
    case PAXOS_ENTRY_PROMISE:
        put_ballot(b, &e->ballot);
        break;
    case PAXOS_ENTRY_ACCEPT:
        put(b, e->position, 8);
        put_ballot(b, &e->ballot);
        put(b, e->committed, 8);
        put_value(b, e->value);
        break;
    case PAXOS_ENTRY_CHOSEN:
        put(b, e->position, 8);
        put_value(b, e->value);
        break;
    case PAXOS_ENTRY_COMMITTED:
        put(b, e->position, 8);
        break;
    case PAXOS_ENTRY_SNAPSHOT:
        put(b, e->position, 8);
        put_members(b, &e->members);
        break;
    case PAXOS_ENTRY_MAP:
        put_value(b, e->value);
        break;
    }
}

int paxos_entry_decode(const void *data,
                       size_t len,
                       struct paxos_entry *out,
                       struct mu_error *err)
{
    struct reader r = {.p = data, .len = len};
    struct paxos_entry e = {.kind = (uint8_t)get(&r, 1)};
    switch ((enum paxos_entry_kind)e.kind) {
    case PAXOS_ENTRY_IDENTITY:
        if (get(&r, 1) != WIRE_VERSION && !r.bad) {
            return mu_fail(err, MU_E_UNSUPPORTED,
                           "the log was written by another version of Muster");
        }
        e.id = get(&r, 8);
        r.bad = r.bad || e.id == 0;
        break;
    case PAXOS_ENTRY_STATUS:
        e.status = (uint8_t)get(&r, 1);
        get_members(&r, &e.members);
        r.bad = r.bad || e.status < PAXOS_VOTING || e.status > PAXOS_EMPTY;
        break;
    case PAXOS_ENTRY_PROMISE:
        e.ballot = get_ballot(&r);
        break;
    case PAXOS_ENTRY_ACCEPT:
        e.position = get(&r, 8);
        e.ballot = get_ballot(&r);
        e.committed = get(&r, 8);
        e.value = get_value(&r);
        break;
    case PAXOS_ENTRY_CHOSEN:
        e.position = get(&r, 8);
        e.value = get_value(&r);
        break;
    case PAXOS_ENTRY_COMMITTED:
        e.position = get(&r, 8);
        break;
    case PAXOS_ENTRY_SNAPSHOT:
        e.position = get(&r, 8);
        get_members(&r, &e.members);
        break;
    case PAXOS_ENTRY_MAP:
        e.value = get_value(&r);
        break;
    default:
        return mu_fail(err, MU_E_UNSUPPORTED,
                       "an entry of kind %u: written by another version of Muster",
                       (unsigned)e.kind);
    }
    if (r.bad || r.len > 0 || e.position > POSITION_MAX || e.committed > POSITION_MAX) {
        paxos_value_unref(e.value);
        return mu_fail(err, MU_E_CORRUPT, "an entry of kind '%c' is not valid", e.kind);
    }
    *out = e;
    return 0;
}
