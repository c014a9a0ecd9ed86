/* See dump.h. Whatever the bytes are, a line has no control characters. */
#include "dump.h"

#include <inttypes.h>
#include <string.h>

#include "codec.h"

#define LINE_MAX (64u * 1024 * 1024)
#define SHORT_BYTES 80u

/* Length of the valid UTF-8 sequence at p that is no control character; 0: there is
 * none. */
static size_t character(const uint8_t *p, size_t len)
{
    static const uint32_t smallest[] = {0, 0x20, 0xa0, 0x800, 0x10000};
    size_t need = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : 4;
    if (need > len || (p[0] & 0xc0) == 0x80 || p[0] >= 0xf8) {
        return 0;
    }
    uint32_t c = need == 1 ? p[0] : p[0] & (0x7fu >> need);
    for (size_t i = 1; i < need; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
        c = c << 6 | (p[i] & 0x3fu);
    }
    bool is_other = c == 0x7f || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff ||
                    c == 0x2028 || c == 0x2029; /* the last two end lines */
    return c < smallest[need] || is_other ? 0 : need;
}

static bool is_text(const uint8_t *p, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t n = character(p + at, len - at);
        if (n == 0) {
            return false;
        }
        at += n;
    }
    return true;
}

static void put_key(struct mu_buf *b, const char *key)
{
    size_t len = strlen(key);
    for (size_t at = 0; at < len;) {
        const uint8_t *p = (const uint8_t *)key + at;
        size_t n = character(p, len - at);
        if (n == 0 || p[0] == ' ' || p[0] == '\\') { /* a key is one word */
            mu_buf_printf(b, "\\x%02x", p[0]);
            n = 1;
        } else {
            (void)mu_buf_append(b, p, n); /* overflow is sticky */
        }
        at += n;
    }
}

static void
put_value(const struct rlog_dump *d, struct mu_buf *b, const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t shown = d->whole_values || len <= SHORT_BYTES ? len : SHORT_BYTES;
    if (is_text(p, len)) {
        while (shown < len && (p[shown] & 0xc0) == 0x80) {
            shown--; /* not through the middle of a character */
        }
        (void)mu_buf_append(b, p, shown); /* overflow is sticky */
    } else {
        mu_buf_puts(b, "0x");
        for (size_t i = 0; i < shown; i++) {
            mu_buf_printf(b, "%02x", p[i]);
        }
    }
    mu_buf_puts(b, shown < len ? "..." : "");
}

void rlog_put_ballot(struct mu_buf *b, const struct paxos_ballot *ballot)
{
    mu_buf_printf(b, "%" PRIu64 ".%u.%016" PRIx64, ballot->epoch, ballot->round,
                  ballot->replica);
}

static void put_members(struct mu_buf *b, const struct paxos_members *m)
{
    mu_buf_printf(b, " of_log=%016" PRIx64 " quorum=%u members=", m->log, m->quorum);
    for (uint32_t i = 0; i < m->count; i++) {
        mu_buf_printf(b, "%s%016" PRIx64 "@", i == 0 ? "" : ",", m->v[i].id);
        put_key(b, m->v[i].address);
    }
}

static void begin(struct rlog_dump *d, uint64_t offset, uint64_t number)
{
    d->line.max = LINE_MAX;
    mu_buf_clear(&d->line);
    mu_buf_printf(&d->line, "%s %" PRIu64 " #%" PRIu64 " ", d->log, offset, number);
}

static void end(struct rlog_dump *d)
{
    d->put(d->arg, mu_buf_str(&d->line));
}

/* A place in the file, and in the log. */
struct place {
    uint64_t offset, number, position; /* position 0: none */
};

static void put_ops(struct rlog_dump *d, const struct place *at, struct rlog_record *r)
{
    struct mu_registry_op op;
    while (rlog_next_op(r, &op)) {
        begin(d, at->offset, at->number);
        mu_buf_puts(&d->line, op.value == NULL ? "delete" : "put");
        if (at->position > 0) {
            mu_buf_printf(&d->line, " position=%" PRIu64, at->position);
        }
        mu_buf_puts(&d->line, " key=");
        put_key(&d->line, op.key);
        if (op.value != NULL) {
            mu_buf_printf(&d->line, " bytes=%zu value=", op.value_len);
            put_value(d, &d->line, op.value, op.value_len);
        }
        end(d);
    }
}

/* Ends the line that tells of a record of codec.h; its operations follow. */
static void
finish_batch(struct rlog_dump *d, const struct place *at, const void *data, size_t len)
{
    struct rlog_record r;
    struct mu_error err;
    if (rlog_decode(data, len, &r, &err) < 0) {
        mu_buf_printf(&d->line, " bytes=%zu error=%s", len, err.text);
        end(d);
        return;
    }
    mu_buf_printf(&d->line, " epoch=%" PRIu64, r.epoch);
    if (r.kind == RLOG_BATCH) {
        mu_buf_printf(&d->line, " operations=%u", r.ops_left);
    }
    end(d);
    put_ops(d, at, &r);
}

static void
finish_value(struct rlog_dump *d, const struct place *at, const struct paxos_value *v)
{
    struct paxos_members members;
    struct mu_error err;
    switch ((enum paxos_value_kind)v->kind) {
    case PAXOS_NOTHING:
        mu_buf_puts(&d->line, " of=nothing");
        end(d);
        break;
    case PAXOS_BATCH:
        mu_buf_puts(&d->line,
                    v->len > 0 && v->bytes[0] == RLOG_EPOCH ? " of=epoch" : " of=batch");
        finish_batch(d, at, v->bytes, v->len);
        break;
    case PAXOS_MEMBERS:
        mu_buf_puts(&d->line, " of=members");
        if (paxos_value_members(v, &members, &err) < 0) {
            mu_buf_printf(&d->line, " error=%s", err.text);
        } else {
            put_members(&d->line, &members);
        }
        end(d);
        break;
    }
}

static void put_entry(struct rlog_dump *d, struct place *at, const struct paxos_entry *e)
{
    struct mu_buf *b = &d->line;
    at->position = e->position;
    switch ((enum paxos_entry_kind)e->kind) {
    case PAXOS_ENTRY_IDENTITY:
        mu_buf_printf(b, "identity replica=%016" PRIx64, e->id);
        break;
    case PAXOS_ENTRY_STATUS:
        mu_buf_printf(b, "status status=%s",
                      paxos_status_name((enum paxos_status)e->status));
        put_members(b, &e->members);
        break;
    case PAXOS_ENTRY_PROMISE:
        mu_buf_puts(b, "promise ballot=");
        rlog_put_ballot(b, &e->ballot);
        break;
    case PAXOS_ENTRY_ACCEPT:
        mu_buf_printf(b, "accept position=%" PRIu64 " ballot=", e->position);
        rlog_put_ballot(b, &e->ballot);
        mu_buf_printf(b, " committed=%" PRIu64, e->committed);
        break;
    case PAXOS_ENTRY_CHOSEN:
        mu_buf_printf(b, "chosen position=%" PRIu64, e->position);
        break;
    case PAXOS_ENTRY_COMMITTED:
        mu_buf_printf(b, "committed position=%" PRIu64, e->position);
        break;
    case PAXOS_ENTRY_SNAPSHOT:
        mu_buf_printf(b, "snapshot position=%" PRIu64, e->position);
        put_members(b, &e->members);
        break;
    case PAXOS_ENTRY_MAP:
        mu_buf_puts(b, "map");
        break;
    }
    if (e->value != NULL) {
        finish_value(d, at, e->value);
    } else {
        end(d);
    }
}

void rlog_dump_record(
    struct rlog_dump *d, uint64_t offset, uint64_t number, const void *data, size_t len)
{
    uint8_t kind = len == 0 ? 0 : *(const uint8_t *)data;
    struct place at = {.offset = offset, .number = number};
    struct paxos_entry e;
    struct mu_error err;
    begin(d, offset, number);
    if (kind == RLOG_EPOCH || kind == RLOG_BATCH) {
        mu_buf_puts(&d->line, kind == RLOG_EPOCH ? "epoch" : "batch");
        finish_batch(d, &at, data, len);
    } else if (paxos_entry_decode(data, len, &e, &err) < 0) {
        mu_buf_printf(&d->line, "unreadable bytes=%zu error=%s", len, err.text);
        end(d);
    } else {
        put_entry(d, &at, &e);
        paxos_value_unref(e.value);
    }
}

static void on_entry(void *arg, const char *key, const void *value, size_t len)
{
    struct rlog_dump *d = arg;
    d->line.max = LINE_MAX;
    mu_buf_clear(&d->line);
    mu_buf_printf(&d->line, "%s - entry key=", d->log);
    put_key(&d->line, key);
    mu_buf_printf(&d->line, " bytes=%zu value=", len);
    put_value(d, &d->line, value, len);
    end(d);
}

void rlog_dump_map(struct rlog_dump *d, const struct rlog_map *map)
{
    rlog_map_each(map, on_entry, d);
}
