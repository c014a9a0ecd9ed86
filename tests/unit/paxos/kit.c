/* See kit.h. */
#include "kit.h"

#include <stdlib.h>

#define STEP_MS 50u

static void step(struct kit *k, int i, struct paxos_event *ev);

static void entries_release(kit_entries *v)
{
    for (size_t i = 0; i < v->count; i++) {
        mu_buf_release(&v->v[i]);
    }
    free(v->v);
    *v = (kit_entries){0};
}

static void entries_push(kit_entries *v, const void *data, size_t len)
{
    struct mu_buf b;
    mu_buf_init(&b, SIZE_MAX / 2);
    (void)mu_buf_append(&b, data, len);
    MU_VEC_PUSH(v, b);
}

static bool matches(int from, int to, int type, const struct kit_message *m)
{
    return (from == KIT_ANY || from == m->from) && (to == KIT_ANY || to == m->to) &&
           (type == KIT_ANY || type == m->type);
}

static const struct kit_rule *rule_of(const struct kit *k, const struct kit_message *m)
{
    for (size_t i = 0; i < k->rules.count; i++) {
        const struct kit_rule *r = &k->rules.v[i];
        if (matches(r->from, r->to, r->type, m)) {
            return r;
        }
    }
    return NULL;
}

/* ---- what must hold ---- */

static void check(struct kit *k, int i)
{
    const struct paxos *p = k->nodes[i].p;
    for (uint64_t at = p->kept.first; at < paxos_ring_end(&p->kept); at++) {
        struct paxos_value *v = paxos_ring_get(&p->kept, at);
        while (k->chosen.count < at) {
            MU_VEC_PUSH(&k->chosen, NULL);
        }
        struct paxos_value **known = &k->chosen.v[at - 1];
        if (*known == NULL) {
            *known = paxos_value_ref(v);
        } else if (*known != v && !paxos_value_equal(*known, v)) {
            fail_msg("position %d has two values, one of them at replica %d", (int)at, i);
        }
    }
}

/* ---- effects ---- */

static void on_send(struct kit *k, int i, const struct paxos_effect *fx)
{
    for (int to = 0; to < KIT_NODES; to++) {
        if (!k->up[i][to] || k->nodes[to].id != fx->peer) {
            continue;
        }
        struct kit_message m = {.from = i, .to = to, .from_id = k->nodes[i].id};
        m.type = (uint8_t)mu_buf_str(&fx->bytes)[1];
        const struct kit_rule *r = rule_of(k, &m);
        if (r != NULL && r->drops) {
            k->dropped++;
            return;
        }
        mu_buf_init(&m.bytes, SIZE_MAX / 2);
        (void)mu_buf_append(&m.bytes, mu_buf_str(&fx->bytes), fx->bytes.len);
        MU_VEC_PUSH(&k->messages, m);
        return;
    }
}

static void on_rewrite(struct kit *k, int i)
{
    struct kit_write w = {.is_rewrite = true};
    struct rlog_snapshot s;
    paxos_snapshot(k->nodes[i].p, &s);
    for (size_t at = 0; at < s.count; at++) {
        entries_push(&w.v, s.records[at].data, s.records[at].len);
    }
    rlog_snapshot_release(&s);
    MU_VEC_PUSH(&k->nodes[i].writes, w);
    k->nodes[i].rewrites++;
}

static void on_effect(struct kit *k, int i, struct paxos_effect *fx)
{
    struct kit_node *n = &k->nodes[i];
    struct kit_write w = {0};
    switch ((enum paxos_effect_type)fx->type) {
    case PAXOS_FX_SEND:
        on_send(k, i, fx);
        break;
    case PAXOS_FX_STORE:
        entries_push(&w.v, mu_buf_str(&fx->bytes), fx->bytes.len);
        MU_VEC_PUSH(&n->writes, w);
        break;
    case PAXOS_FX_REWRITE:
        on_rewrite(k, i);
        break;
    case PAXOS_FX_LED:
        n->led = fx->status;
        free(n->led_text);
        n->led_text = fx->text;
        fx->text = NULL;
        break;
    case PAXOS_FX_DONE:
        assert_int_equal(k->answers.v[fx->token - 1], KIT_PENDING);
        k->answers.v[fx->token - 1] = fx->status;
        break;
    case PAXOS_FX_FENCED:
        n->fenced++;
        break;
    case PAXOS_FX_LOG:
        mu_buf_puts(&n->log, fx->text);
        mu_buf_putc(&n->log, '\n');
        break;
    }
}

static void step(struct kit *k, int i, struct paxos_event *ev)
{
    struct paxos_effects fx = {0};
    ev->now_ms = k->now_ms;
    paxos_step(k->nodes[i].p, ev, &fx);
    check(k, i);
    for (size_t at = 0; at < fx.count; at++) {
        on_effect(k, i, &fx.v[at]);
    }
    paxos_effects_release(&fx);
}

/* ---- processes and disks ---- */

void kit_init(struct kit *k, size_t count, uint32_t quorum)
{
    *k = (struct kit){.now_ms = 100000};
    mu_buf_init(&k->text, 64u * 1024);
    for (size_t i = 0; i < KIT_NODES; i++) {
        struct kit_node *n = &k->nodes[i];
        n->quorum = quorum;
        mu_buf_init(&n->log, 1024u * 1024);
        (void)snprintf(n->address, sizeof(n->address), "10.0.0.%zu:5050", i);
    }
    for (size_t i = 0; i < count; i++) {
        kit_start(k, (int)i);
    }
}

void kit_init_voting(struct kit *k, size_t count, uint32_t quorum)
{
    kit_init(k, count, quorum);
    kit_connect_all(k);
    kit_pass(k, 3000);
    for (size_t i = 0; i < count; i++) {
        assert_true(kit_votes(k, (int)i));
    }
}

static void drop_writes(struct kit_node *n)
{
    for (size_t i = 0; i < n->writes.count; i++) {
        entries_release(&n->writes.v[i].v);
    }
    n->writes.count = 0;
}

void kit_release(struct kit *k)
{
    for (int i = 0; i < KIT_NODES; i++) {
        struct kit_node *n = &k->nodes[i];
        paxos_destroy(n->p);
        entries_release(&n->journal);
        drop_writes(n);
        free(n->writes.v);
        mu_buf_release(&n->log);
        free(n->led_text);
    }
    for (size_t i = 0; i < k->messages.count; i++) {
        mu_buf_release(&k->messages.v[i].bytes);
    }
    for (size_t i = 0; i < k->chosen.count; i++) {
        paxos_value_unref(k->chosen.v[i]);
    }
    free(k->messages.v);
    free(k->rules.v);
    free(k->answers.v);
    free(k->chosen.v);
    mu_buf_release(&k->text);
}

int kit_replay(struct kit *k, int i, struct mu_error *err)
{
    struct kit_node *n = &k->nodes[i];
    assert_null(n->p);
    if (n->journal.count == 0) {
        n->id = ++k->last_id;
    }
    const struct paxos_config cfg = {
        .id = n->id, .address = n->address, .quorum = n->quorum, .seed = 7 + n->id};
    n->p = paxos_create(&cfg);
    n->led = KIT_PENDING;
    for (size_t at = 0; at < n->journal.count; at++) {
        const struct mu_buf *e = &n->journal.v[at];
        int rc = paxos_replay(n->p, mu_buf_str(e), e->len, err);
        if (rc < 0) {
            return rc;
        }
    }
    n->id = n->p->id;
    return 0;
}

void kit_start(struct kit *k, int i)
{
    struct mu_error err;
    assert_int_equal(kit_replay(k, i, &err), 0);
    struct paxos_event ev = {.type = PAXOS_EV_START};
    step(k, i, &ev);
}

void kit_crash(struct kit *k, int i)
{
    kit_isolate(k, i);
    paxos_destroy(k->nodes[i].p);
    k->nodes[i].p = NULL;
    k->nodes[i].disk_status = 0;
    drop_writes(&k->nodes[i]);
}

void kit_wipe(struct kit *k, int i)
{
    assert_null(k->nodes[i].p);
    entries_release(&k->nodes[i].journal);
}

void kit_durable(struct kit *k, int i, size_t count)
{
    struct kit_node *n = &k->nodes[i];
    for (; count > 0 && n->writes.count > 0; count--) {
        struct kit_write w = n->writes.v[0];
        MU_VEC_REMOVE(&n->writes, 0);
        struct paxos_event ev = {.type = PAXOS_EV_DURABLE, .status = n->disk_status};
        if (n->disk_status < 0) {
            entries_release(&w.v);
        } else if (w.is_rewrite) {
            entries_release(&n->journal);
            n->journal = w.v;
        } else {
            MU_VEC_PUSH(&n->journal, w.v.v[0]);
            free(w.v.v);
        }
        step(k, i, &ev);
    }
}

/* ---- network ---- */

static void tell(struct kit *k, int i, int peer, bool up)
{
    k->up[i][peer] = up;
    struct paxos_event ev = {.type = up ? PAXOS_EV_PEER_UP : PAXOS_EV_PEER_DOWN,
                             .peer = k->nodes[peer].id,
                             .address = k->nodes[peer].address};
    step(k, i, &ev);
}

void kit_connect(struct kit *k, int a, int b)
{
    if (k->nodes[a].p != NULL && k->nodes[b].p != NULL && !k->up[a][b]) {
        k->up[a][b] = k->up[b][a] = true;
        tell(k, a, b, true);
        tell(k, b, a, true);
    }
}

void kit_connect_all(struct kit *k)
{
    for (int a = 0; a < KIT_NODES; a++) {
        for (int b = 0; b < a; b++) {
            kit_connect(k, a, b);
        }
    }
}

static void take_out(struct kit *k, size_t at)
{
    mu_buf_release(&k->messages.v[at].bytes);
    MU_VEC_REMOVE(&k->messages, at);
}

static void drop_waiting(struct kit *k, int from, int to, int type)
{
    for (size_t i = k->messages.count; i-- > 0;) {
        if (matches(from, to, type, &k->messages.v[i])) {
            take_out(k, i);
            k->dropped++;
        }
    }
}

void kit_cut(struct kit *k, int a, int b)
{
    drop_waiting(k, a, b, KIT_ANY);
    drop_waiting(k, b, a, KIT_ANY);
    if (k->up[a][b]) {
        k->up[a][b] = k->up[b][a] = false;
        tell(k, a, b, false);
        tell(k, b, a, false);
    }
}

void kit_isolate(struct kit *k, int i)
{
    for (int other = 0; other < KIT_NODES; other++) {
        if (other != i) {
            kit_cut(k, i, other);
        }
    }
}

void kit_hold(struct kit *k, int from, int to, int type)
{
    const struct kit_rule r = {.from = from, .to = to, .type = type};
    MU_VEC_PUSH(&k->rules, r);
}

void kit_drop(struct kit *k, int from, int to, int type)
{
    const struct kit_rule r = {.drops = true, .from = from, .to = to, .type = type};
    MU_VEC_PUSH(&k->rules, r);
    drop_waiting(k, from, to, type);
}

void kit_no_rules(struct kit *k)
{
    k->rules.count = 0;
}

static size_t find(const struct kit *k, int from, int to, int type)
{
    for (size_t i = 0; i < k->messages.count; i++) {
        if (matches(from, to, type, &k->messages.v[i])) {
            return i;
        }
    }
    return SIZE_MAX;
}

size_t kit_waiting(const struct kit *k, int from, int to, int type)
{
    size_t n = 0;
    for (size_t i = 0; i < k->messages.count; i++) {
        n += matches(from, to, type, &k->messages.v[i]);
    }
    return n;
}

static void deliver_at(struct kit *k, size_t at)
{
    struct kit_message m = k->messages.v[at];
    MU_VEC_REMOVE(&k->messages, at);
    struct paxos_event ev = {.type = PAXOS_EV_MESSAGE,
                             .peer = m.from_id,
                             .data = mu_buf_str(&m.bytes),
                             .len = m.bytes.len};
    step(k, m.to, &ev);
    mu_buf_release(&m.bytes);
}

bool kit_deliver(struct kit *k, int from, int to, int type)
{
    size_t at = find(k, from, to, type);
    if (at != SIZE_MAX) {
        deliver_at(k, at);
    }
    return at != SIZE_MAX;
}

bool kit_take(struct kit *k, int from, int to, int type, struct paxos_message *out)
{
    size_t at = find(k, from, to, type);
    if (at == SIZE_MAX) {
        return false;
    }
    struct mu_error err;
    const struct mu_buf *b = &k->messages.v[at].bytes;
    assert_int_equal(paxos_message_decode(mu_buf_str(b), b->len, out, &err), 0);
    take_out(k, at);
    return true;
}

void kit_twice(struct kit *k, int from, int to, int type)
{
    size_t count = k->messages.count;
    for (size_t i = 0; i < count; i++) {
        if (matches(from, to, type, &k->messages.v[i])) {
            struct kit_message m = k->messages.v[i];
            mu_buf_init(&m.bytes, SIZE_MAX / 2);
            (void)mu_buf_append(&m.bytes, k->messages.v[i].bytes.data,
                                k->messages.v[i].bytes.len);
            MU_VEC_PUSH(&k->messages, m);
        }
    }
}

void kit_say(struct kit *k, int from, int to, struct paxos_message *m)
{
    struct mu_buf b;
    mu_buf_init(&b, SIZE_MAX / 2);
    paxos_message_encode(&b, m);
    paxos_message_release(m);
    struct paxos_event ev = {.type = PAXOS_EV_MESSAGE,
                             .peer = k->nodes[from].id,
                             .data = mu_buf_str(&b),
                             .len = b.len};
    step(k, to, &ev);
    mu_buf_release(&b);
}

/* ---- motion ---- */

static bool deliver_some(struct kit *k)
{
    for (size_t i = 0; i < k->messages.count; i++) {
        if (rule_of(k, &k->messages.v[i]) == NULL) {
            deliver_at(k, i);
            return true;
        }
    }
    return false;
}

static bool write_some(struct kit *k)
{
    bool any = false;
    for (int i = 0; i < KIT_NODES; i++) {
        struct kit_node *n = &k->nodes[i];
        if (n->p != NULL && !n->holds_disk && n->writes.count > 0) {
            kit_durable(k, i, 1);
            any = true;
        }
    }
    return any;
}

void kit_run(struct kit *k)
{
    size_t moves = 0;
    while (write_some(k) || deliver_some(k)) {
        moves++;
        assert_true(moves < 2000000); /* they would talk for ever */
    }
}

void kit_pass(struct kit *k, uint64_t ms)
{
    kit_run(k);
    for (uint64_t end = k->now_ms + ms; k->now_ms < end;) {
        k->now_ms += STEP_MS;
        for (int i = 0; i < KIT_NODES; i++) {
            struct kit_node *n = &k->nodes[i];
            if (n->p != NULL && paxos_deadline_ms(n->p) <= k->now_ms) {
                struct paxos_event ev = {.type = PAXOS_EV_TICK};
                step(k, i, &ev);
            }
        }
        kit_run(k);
    }
}

/* ---- clients ---- */

void kit_known(struct kit *k, int i, size_t masters)
{
    struct paxos_event ev = {.type = PAXOS_EV_KNOWN, .count = masters};
    step(k, i, &ev);
}

void kit_lead(struct kit *k, int i, uint64_t epoch)
{
    k->nodes[i].led = KIT_PENDING;
    struct paxos_event ev = {.type = PAXOS_EV_LEAD, .epoch = epoch, .token = epoch};
    step(k, i, &ev);
}

void kit_must_lead(struct kit *k, int i, uint64_t epoch)
{
    kit_lead(k, i, epoch);
    kit_pass(k, 3000);
    assert_int_equal(k->nodes[i].led, 0);
}

void kit_resign(struct kit *k, int i)
{
    struct paxos_event ev = {.type = PAXOS_EV_RESIGN};
    step(k, i, &ev);
}

static uint64_t append(struct kit *k, int i, const struct mu_registry_op *op)
{
    struct mu_buf b;
    mu_buf_init(&b, SIZE_MAX / 2);
    rlog_encode_batch_head(&b, k->nodes[i].p->co.epoch, 1);
    rlog_encode_op(&b, op);
    MU_VEC_PUSH(&k->answers, KIT_PENDING);
    uint64_t token = k->answers.count;
    struct paxos_event ev = {
        .type = PAXOS_EV_APPEND, .data = mu_buf_str(&b), .len = b.len, .token = token};
    step(k, i, &ev);
    mu_buf_release(&b);
    return token;
}

uint64_t kit_append(struct kit *k, int i, const char *key, const char *value)
{
    const struct mu_registry_op op = {key, value, strlen(value)};
    return append(k, i, &op);
}

uint64_t kit_append_bytes(struct kit *k, int i, const char *key, size_t len)
{
    char *value = calloc(1, len);
    const struct mu_registry_op op = {key, value, len};
    uint64_t token = append(k, i, &op);
    free(value);
    return token;
}

int kit_answer(const struct kit *k, uint64_t token)
{
    return k->answers.v[token - 1];
}

struct wanted {
    const char *key;
    struct mu_buf *out;
};

static void on_entry(void *arg, const char *key, const void *value, size_t len)
{
    struct wanted *w = arg;
    if (strcmp(key, w->key) == 0) {
        mu_buf_clear(w->out);
        mu_buf_append(w->out, value, len);
    }
}

const char *kit_get(struct kit *k, int i, const char *key)
{
    mu_buf_clear(&k->text);
    mu_buf_putc(&k->text, '-');
    struct wanted w = {key, &k->text};
    rlog_map_each(&k->nodes[i].p->state.map, on_entry, &w);
    return mu_buf_str(&k->text);
}

/* ---- what can be seen ---- */

struct paxos_view kit_view(const struct kit *k, int i)
{
    struct paxos_view v;
    paxos_view(k->nodes[i].p, &v);
    return v;
}

enum paxos_status kit_status(const struct kit *k, int i)
{
    return kit_view(k, i).status;
}

bool kit_is_member(const struct kit *k, int i, int member)
{
    return paxos_members_find(kit_view(k, i).members, k->nodes[member].id) >= 0;
}

bool kit_votes(const struct kit *k, int i)
{
    const struct paxos *p = k->nodes[i].p;
    return p->status == PAXOS_VOTING && p->told_status == PAXOS_VOTING;
}

const char *kit_explain(struct kit *k, int i)
{
    mu_buf_clear(&k->text);
    paxos_explain(k->nodes[i].p, &k->text);
    return mu_buf_str(&k->text);
}

bool kit_said(const struct kit *k, int i, const char *text)
{
    return strstr(mu_buf_str(&k->nodes[i].log), text) != NULL;
}

void kit_forget_said(struct kit *k, int i)
{
    mu_buf_clear(&k->nodes[i].log);
}

static void put_entry(void *arg, const char *key, const void *value, size_t len)
{
    struct mu_buf *b = arg;
    mu_buf_printf(b, "%s=", key);
    mu_buf_append(b, value, len);
    mu_buf_putc(b, ';');
}

void kit_assert_same(struct kit *k, int a, int b)
{
    struct mu_buf maps[2];
    int who[2] = {a, b};
    assert_int_equal(kit_view(k, a).committed, kit_view(k, b).committed);
    for (size_t i = 0; i < 2; i++) {
        mu_buf_init(&maps[i], SIZE_MAX / 2);
        rlog_map_each(&k->nodes[who[i]].p->state.map, put_entry, &maps[i]);
    }
    assert_int_equal(maps[0].len, maps[1].len);
    assert_memory_equal(mu_buf_str(&maps[0]), mu_buf_str(&maps[1]), maps[0].len);
    mu_buf_release(&maps[0]);
    mu_buf_release(&maps[1]);
}
