/* Everything that a replica's journal has to hold, put down anew. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

struct builder {
    struct mu_buf bytes;
    size_t *ends;
    size_t count;
};

static void put(struct builder *b, const struct paxos_entry *e)
{
    paxos_entry_encode(&b->bytes, e);
    b->ends[b->count++] = b->bytes.len;
}

static void put_map(struct builder *b, const struct rlog_snapshot *map)
{
    for (size_t i = 0; i < map->count; i++) {
        struct paxos_entry e = {.kind = PAXOS_ENTRY_MAP};
        e.value =
            paxos_value_create(PAXOS_BATCH, map->records[i].data, map->records[i].len);
        put(b, &e);
        paxos_value_unref(e.value);
    }
}

static void put_accepted(struct builder *b, const struct paxos *p)
{
    for (uint64_t at = p->accepted.first; at < paxos_ring_end(&p->accepted); at++) {
        const struct paxos_record *r = paxos_ring_get(&p->accepted, at);
        if (r != NULL) {
            const struct paxos_entry e = {.kind = PAXOS_ENTRY_ACCEPT,
                                          .position = at,
                                          .ballot = r->ballot,
                                          .committed = p->committed,
                                          .value = r->value};
            put(b, &e);
        }
    }
}

void paxos_snapshot(const struct paxos *p, struct rlog_snapshot *out)
{
    struct rlog_snapshot map;
    rlog_snapshot_init(&map, &p->state);
    struct builder b = {0};
    mu_buf_init(&b.bytes, SIZE_MAX / 2);
    b.ends = rlog_allocate((4 + map.count + p->accepted.count) * sizeof(*b.ends));
    struct paxos_entry e = {.id = p->id,
                            .status = p->status,
                            .position = p->committed,
                            .ballot = p->promised,
                            .members = p->members};
    static const enum paxos_entry_kind head[] = {PAXOS_ENTRY_IDENTITY, PAXOS_ENTRY_STATUS,
                                                 PAXOS_ENTRY_PROMISE};
    for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++) {
        e.kind = (uint8_t)head[i];
        put(&b, &e);
    }
    if (p->status == PAXOS_VOTING || p->status == PAXOS_RECOVERING) {
        e.kind = PAXOS_ENTRY_SNAPSHOT;
        put(&b, &e);
        put_map(&b, &map);
        put_accepted(&b, p);
    }
    rlog_snapshot_release(&map);
    *out = (struct rlog_snapshot){.bytes = b.bytes, .count = b.count};
    out->records = rlog_allocate(b.count * sizeof(*out->records));
    for (size_t i = 0; i < b.count; i++) {
        size_t from = i == 0 ? 0 : b.ends[i - 1];
        out->records[i] = (struct mu_slice){b.bytes.data + from, b.ends[i] - from};
    }
    free(b.ends);
}
