/* A reign: its beginning (election, registry), its commits, its end.
 *
 * The registry is written first, memory and messages follow: every change of an agent's
 * fate is one commit with a token, and what it means is done when COMMITTED comes back. A
 * commit that was fenced, or whose outcome is unknown, ends the reign at once: somebody
 * else may be writing. Any other failure (a full disk) leaves things as they were; the
 * agent is told why and tries again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include <muster/log.h>

#include "base/check.h"
#include "base/vec.h"
#include "master/state.h"

struct token_key {
    char s[24];
};

static struct token_key key_of(uint64_t token)
{
    struct token_key key;
    (void)snprintf(key.s, sizeof(key.s), "%" PRIx64, token);
    return key;
}

void master_reign_begin(struct master *m, uint64_t epoch)
{
    struct reign *r = MU_NEW(struct reign);
    m->reign = r;
    r->epoch = epoch;
    mu_list_init(&r->removals.queue);
    mu_list_init(&r->unreachable);
    mu_list_init(&r->gone);
    master_timer_init(&r->removals.timer, r);
    master_timer_init(&r->returns.timer, r);
    master_timer_init(&r->gc, r);
    master_timer_init(&r->slow.timer, r);
    allocator_init(&r->allocator, &r->names);
    struct mu_map *maps[] = {&r->agents,     &r->agents_by_address,
                             &r->frameworks, &r->completed,
                             &r->offers,     &r->links,
                             &r->commits};
    for (size_t i = 0; i < MU_COUNT_OF(maps); i++) {
        mu_map_init(maps[i], mu_prng_next(&m->prng)); /* some keys come from outside */
    }
    m->mode = mu_sm_move(&master_mode_sm, m->mode, MASTER_RECOVERING);
    master_log(m, MU_INFO,
               "elected as leading master: recovering the registry: epoch=%" PRIu64,
               epoch);
    master_effect(m, MASTER_FX_RECOVER)->epoch = epoch;
}

static void free_commit(struct master_commit *c)
{
    mu_agent_info_release(&c->info);
    free(c);
}

static void free_objects(struct master *m)
{
    struct reign *r = m->reign;
    mu_map_foreach_safe (e, &r->offers) {
        master_offer_end(m, e->value);
    }
    mu_map_foreach_safe (e, &r->frameworks) {
        master_framework_destroy(m, e->value);
    }
    mu_map_foreach_safe (e, &r->completed) {
        master_framework_destroy(m, e->value);
    }
    mu_map_foreach_safe (e, &r->agents) {
        master_agent_destroy(m, e->value);
    }
    mu_map_foreach (e, &r->commits) {
        free_commit(e->value);
    }
}

void master_reign_end(struct master *m, const char *why)
{
    struct reign *r = m->reign;
    mu_map_foreach (e, &r->links) {
        const struct master_peer *peer = e->value;
        master_close(m, peer->link);
    }
    free_objects(m);
    allocator_release(&r->allocator);
    quantity_names_release(&r->names);
    mu_heap_release(&r->timers);
    MU_VEC_RELEASE(&r->batches);
    mu_map_release(&r->agents);
    mu_map_release(&r->agents_by_address);
    mu_map_release(&r->frameworks);
    mu_map_release(&r->completed);
    mu_map_release(&r->offers);
    mu_map_release(&r->links);
    mu_map_release(&r->commits);
    master_log(m, MU_WARN, "no longer the leading master: %s: epoch=%" PRIu64, why,
               r->epoch);
    free(r);
    m->reign = NULL;
    m->mode = mu_sm_move(&master_mode_sm, m->mode, MASTER_STANDBY);
}

/* This master has reason not to go on, though the election says it leads. */
static void abdicate(struct master *m, const char *why)
{
    master_reign_end(m, why);
    master_effect(m, MASTER_FX_ABDICATE)->text = mu_xstrdup(why);
}

/* ---- recovery ---- */

void master_on_entry(struct master *m, const struct master_record *record)
{
    if (record->remove || master_agent_find(m, &record->agent.id) != NULL) {
        return;
    }
    enum master_agent_state state = AGENT_RECOVERED;
    bool is_unreachable = record->state == MASTER_AGENT_UNREACHABLE;
    bool is_stale = is_unreachable && m->cfg.registry_is_private;
    if (is_unreachable && !is_stale) {
        state = AGENT_UNREACHABLE;
    } else if (record->state == MASTER_AGENT_GONE) {
        state = AGENT_GONE;
    }
    struct master_agent *a = master_agent_create(m, &record->agent, state);
    a->since_ms = record->since_ms;
    a->is_stale = is_stale; /* it may have come back, to another master */
}

void master_on_recovered(struct master *m, int status, const char *text)
{
    struct reign *r = m->reign;
    if (status < 0) {
        master_count(m, COUNT_REGISTRY_FAILURES);
        master_log(m, MU_ERROR, "the registry cannot be recovered: %s",
                   text != NULL ? text : mu_strerror(status));
        abdicate(m, "the registry cannot be recovered");
        return;
    }
    m->mode = mu_sm_move(&master_mode_sm, m->mode, MASTER_LEADING);
    m->elected_ms = m->now.wall_ms;
    r->began_mono_ms = m->now.mono_ms;
    r->is_blind = m->cfg.registry_is_private || r->agents.count == 0;
    master_returns_begin(m);
    master_gc_begin(m);
    master_log(m, MU_INFO,
               "leading: the registry is recovered: epoch=%" PRIu64
               " agents=%u unreachable=%u",
               r->epoch, r->agents_in[AGENT_RECOVERED], r->agents_in[AGENT_UNREACHABLE]);
}

/* ---- commits ---- */

void master_commit(struct master *m,
                   const struct master_agent *a,
                   enum master_commit_kind kind,
                   const struct mu_agent_info *info)
{
    struct master_commit *c = MU_NEW(struct master_commit);
    c->kind = kind;
    c->sent_ms = m->now.mono_ms;
    mu_agent_info_copy(&c->info, info);
    c->info.id = a->info.id;
    uint64_t token = ++m->next_token;
    struct token_key key = key_of(token);
    (void)mu_map_put(&m->reign->commits, key.s, c); /* tokens are new */
    master_slowness_begin(m);
    struct master_effect *fx = master_effect(m, MASTER_FX_COMMIT);
    fx->token = token;
    fx->epoch = m->reign->epoch;
    mu_agent_info_copy(&fx->record.agent, &c->info);
    fx->record.state = kind == COMMIT_UNREACHABLE ? MASTER_AGENT_UNREACHABLE
                       : kind == COMMIT_GONE      ? MASTER_AGENT_GONE
                                                  : MASTER_AGENT_ADMITTED;
    fx->record.since_ms = m->now.wall_ms;
    fx->record.remove = kind == COMMIT_REMOVE || kind == COMMIT_FORGET;
}

static void
committed(struct master *m, struct master_agent *a, const struct master_commit *c)
{
    switch ((enum master_commit_kind)c->kind) {
    case COMMIT_ADMIT:
        master_agent_admitted(m, a);
        break;
    case COMMIT_READMIT:
        master_agent_readmitted(m, a, &c->info);
        break;
    case COMMIT_UPDATE:
        master_agent_updated(m, a, &c->info);
        break;
    case COMMIT_UNREACHABLE:
        master_agent_marked(m, a);
        break;
    case COMMIT_REMOVE:
        master_agent_removed(m, a);
        break;
    case COMMIT_GONE:
        master_agent_is_gone(m, a);
        break;
    case COMMIT_FORGET:
        master_agent_forgotten(m, a);
        break;
    }
}

/* The operator has to ask again. Until then it is as if it had been disconnected. */
static void gone_refused(struct master *m, struct master_agent *a)
{
    uint64_t link = a->peer.link;
    master_link_forget(m, &a->peer);
    master_close(m, link);
    master_agent_move(m, a, a->came_from);
    if (a->state != AGENT_UNREACHABLE) {
        master_timer_set(m, &a->timer, TIMER_AGENT_GRACE,
                         m->cfg.agent_reregister_timeout_ms);
    }
}

static void
commit_failed(struct master *m, struct master_agent *a, uint32_t kind, const char *text)
{
    master_log(m, MU_ERROR, "the registry refuses a change: continuing: %s: agent=%s",
               text, a->info.id.s);
    switch ((enum master_commit_kind)kind) {
    case COMMIT_ADMIT:
    case COMMIT_READMIT:
        master_agent_refused(m, a, text);
        break;
    case COMMIT_UPDATE:
        break;
    case COMMIT_UNREACHABLE:
    case COMMIT_REMOVE:
        master_agent_move(m, a, a->came_from);
        master_timer_set(m, &a->timer, TIMER_AGENT_GRACE, m->cfg.agent_ping_timeout_ms);
        break;
    case COMMIT_GONE:
        gone_refused(m, a);
        break;
    case COMMIT_FORGET:
        a->forgetting = false; /* the next run tries again */
        break;
    }
}

static bool another_may_write(int status)
{
    return status == MU_E_FENCED || status == MU_E_UNKNOWN_OUTCOME ||
           status == MU_E_NOT_LEADER || status == -ECANCELED;
}

void master_on_committed(struct master *m, uint64_t token, int status, const char *text)
{
    if (m->mode != MASTER_LEADING) {
        return;
    }
    struct token_key key = key_of(token);
    struct master_commit *c = mu_map_remove(&m->reign->commits, key.s);
    if (c == NULL) {
        return; /* of an earlier reign, or twice */
    }
    master_slowness_end(m, c);
    const char *why = text != NULL ? text : mu_strerror(status);
    struct master_agent *a = master_agent_find(m, &c->info.id);
    if (status < 0) {
        master_count(m, COUNT_REGISTRY_FAILURES);
    }
    if (status < 0 && another_may_write(status)) {
        abdicate(m, why);
    } else if (a != NULL && status < 0) {
        commit_failed(m, a, c->kind, why);
    } else if (a != NULL) {
        committed(m, a, c);
    }
    a = m->reign != NULL ? master_agent_find(m, &c->info.id) : NULL;
    if (a != NULL && a->gone_asked) {
        master_agent_mark_gone(m, a);
    }
    free_commit(c);
}
