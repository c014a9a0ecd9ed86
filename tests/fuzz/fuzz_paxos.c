/* Fuzzer of the replicated log's machine: messages and entries of the journal, whatever
 * the bytes are. What decodes comes back the same when it is encoded again. Entries that
 * can be replayed give a replica that starts, takes messages, and whose snapshot replays
 * to an equal one. The input is a row of pieces: kind (one byte), length (two bytes),
 * bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../plugins/registry/replicated_log/paxos/internal.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PEER 77u

static void check_message(const uint8_t *data, size_t len)
{
    struct paxos_message m, again;
    struct mu_error err;
    if (paxos_message_decode(data, len, &m, &err) < 0) {
        return;
    }
    struct mu_buf b;
    mu_buf_init(&b, 1024u * 1024);
    paxos_message_encode(&b, &m);
    MU_ASSERT(paxos_message_decode(mu_buf_str(&b), b.len, &again, &err) == 0);
    MU_ASSERT(again.type == m.type && again.count == m.count);
    MU_ASSERT(paxos_ballot_cmp(&again.ballot, &m.ballot) == 0);
    for (size_t i = 0; i < m.count; i++) {
        MU_ASSERT(again.records[i].position == m.records[i].position);
        MU_ASSERT(paxos_value_equal(again.records[i].value, m.records[i].value));
    }
    paxos_message_release(&again);
    paxos_message_release(&m);
    mu_buf_release(&b);
}

static void check_entry(const uint8_t *data, size_t len)
{
    static struct paxos_entry e, again;
    struct mu_error err;
    if (paxos_entry_decode(data, len, &e, &err) < 0) {
        return;
    }
    struct mu_buf b;
    mu_buf_init(&b, 1024u * 1024);
    paxos_entry_encode(&b, &e);
    MU_ASSERT(paxos_entry_decode(mu_buf_str(&b), b.len, &again, &err) == 0);
    MU_ASSERT(again.kind == e.kind && again.position == e.position);
    MU_ASSERT(again.id == e.id && again.committed == e.committed);
    MU_ASSERT(paxos_members_same_ids(&again.members, &e.members));
    MU_ASSERT((again.value == NULL) == (e.value == NULL));
    MU_ASSERT(e.value == NULL || paxos_value_equal(again.value, e.value));
    paxos_value_unref(e.value);
    paxos_value_unref(again.value);
    mu_buf_release(&b);
}

static struct paxos *create(void)
{
    static const struct paxos_config cfg = {
        .id = 5, .address = "10.0.0.1:5050", .quorum = 2, .seed = 1};
    return paxos_create(&cfg);
}

/* Its disk is never slow, and nobody hears what it sends. */
static void step(struct paxos *p, struct paxos_event *ev)
{
    struct paxos_effects fx = {0};
    ev->now_ms = p->now_ms + 1000;
    paxos_step(p, ev, &fx);
    paxos_effects_release(&fx);
    for (int i = 0; p->pending != NULL && i < 1000; i++) {
        const struct paxos_event durable = {.type = PAXOS_EV_DURABLE,
                                            .now_ms = p->now_ms};
        paxos_step(p, &durable, &fx);
        paxos_effects_release(&fx);
    }
}

static void check_snapshot(const struct paxos *p)
{
    struct rlog_snapshot s;
    struct paxos *again = create();
    struct mu_error err;
    paxos_snapshot(p, &s);
    for (size_t i = 0; i < s.count; i++) {
        int rc = paxos_replay(again, s.records[i].data, s.records[i].len, &err);
        MU_ASSERT(rc == 0);
    }
    bool is_member = paxos_members_find(&p->members, p->id) >= 0;
    MU_ASSERT(again->id == p->id);
    MU_ASSERT(again->status == p->status || /* entries that contradict each other */
              is_member != (p->status == PAXOS_VOTING));
    MU_ASSERT(paxos_ballot_cmp(&again->promised, &p->promised) >= 0);
    if (p->status == PAXOS_VOTING || p->status == PAXOS_RECOVERING) {
        MU_ASSERT(again->committed == p->committed);
        MU_ASSERT(again->state.map.count == p->state.map.count);
        MU_ASSERT(paxos_members_same_ids(&again->members, &p->members));
    }
    rlog_snapshot_release(&s);
    paxos_destroy(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct paxos *p = create();
    struct mu_error err;
    bool started = false;
    size_t at = 0;
    while (size - at >= 3) {
        uint8_t kind = data[at];
        size_t len = (size_t)data[at + 1] | (size_t)data[at + 2] << 8;
        at += 3;
        len = len < size - at ? len : size - at;
        check_message(data + at, len);
        check_entry(data + at, len);
        if (!started && kind % 2 == 0) {
            if (paxos_replay(p, data + at, len, &err) < 0) {
                paxos_destroy(p);
                return 0; /* it would not start */
            }
        } else {
            if (!started) {
                started = true;
                struct paxos_event start = {.type = PAXOS_EV_START};
                step(p, &start);
                struct paxos_event up = {
                    .type = PAXOS_EV_PEER_UP, .peer = PEER, .address = "10.0.0.2:5050"};
                step(p, &up);
            }
            struct paxos_event ev = {
                .type = PAXOS_EV_MESSAGE, .peer = PEER, .data = data + at, .len = len};
            if (kind % 16 == 15) {
                ev = (struct paxos_event){
                    .type = PAXOS_EV_LEAD, .epoch = p->promised.epoch, .token = 1};
            } else if (kind % 16 == 13) {
                ev = (struct paxos_event){.type = PAXOS_EV_TICK};
            }
            step(p, &ev);
        }
        at += len;
    }
    check_snapshot(p);
    paxos_destroy(p);
    return 0;
}
