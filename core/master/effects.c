/* What a step leaves behind: messages, closed links, log lines; and the two tables every
 * file uses, links and timers.
 *
 * A link belongs to one agent or framework from the message that opened it until it is
 * closed or replaced. A link number the table does not know is nobody's: what comes over
 * it is dropped.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/vec.h"
#include "master/state.h"

#define LOG_TEXT_MAX 1024

struct link_key {
    char s[24];
};

static struct link_key key_of(uint64_t link)
{
    struct link_key key;
    (void)snprintf(key.s, sizeof(key.s), "%" PRIx64, link);
    return key;
}

void master_effects_release(struct master_effects *fx)
{
    for (size_t i = 0; i < fx->count; i++) {
        free(fx->v[i].text);
        mu_msg_release(&fx->v[i].msg);
        mu_agent_info_release(&fx->v[i].record.agent);
    }
    MU_VEC_RELEASE(fx);
}

struct master_effect *master_effect(struct master *m, enum master_effect_type type)
{
    MU_VEC_PUSH_ZERO(m->out);
    struct master_effect *fx = &m->out->v[m->out->count - 1];
    fx->type = type;
    return fx;
}

void master_send(struct master *m, uint64_t link, struct mu_msg *msg)
{
    if (link == 0) {
        mu_msg_release(msg);
        return;
    }
    struct master_effect *fx = master_effect(m, MASTER_FX_SEND);
    fx->link = link;
    mu_msg_move(&fx->msg, msg);
}

void master_close(struct master *m, uint64_t link)
{
    if (link != 0) {
        master_effect(m, MASTER_FX_CLOSE)->link = link;
    }
}

void master_log(struct master *m, int level, const char *fmt, ...)
{
    char text[LOG_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    struct master_effect *fx = master_effect(m, MASTER_FX_LOG);
    fx->level = level;
    fx->text = mu_xstrdup(text);
}

/* ---- links ---- */

struct master_peer *master_link_peer(const struct master *m, uint64_t link)
{
    if (link == 0 || m->reign == NULL) {
        return NULL;
    }
    struct link_key key = key_of(link);
    return mu_map_get(&m->reign->links, key.s);
}

struct master_agent *master_link_agent(const struct master *m, uint64_t link)
{
    struct master_peer *peer = master_link_peer(m, link);
    return peer != NULL && peer->kind == PEER_AGENT
               ? mu_container_of(peer, struct master_agent, peer)
               : NULL;
}

struct master_framework *master_link_framework(const struct master *m, uint64_t link)
{
    struct master_peer *peer = master_link_peer(m, link);
    return peer != NULL && peer->kind == PEER_FRAMEWORK
               ? mu_container_of(peer, struct master_framework, peer)
               : NULL;
}

void master_link_forget(struct master *m, struct master_peer *peer)
{
    if (peer->link != 0) {
        struct link_key key = key_of(peer->link);
        (void)mu_map_remove(&m->reign->links, key.s);
        peer->link = 0;
    }
}

void master_link_bind(struct master *m,
                      struct master_peer *peer,
                      uint64_t link,
                      struct mu_msg *last)
{
    MU_PRE(link != 0);
    if (peer->link == link) {
        return;
    }
    uint64_t old = peer->link;
    master_link_forget(m, peer);
    if (old != 0) {
        if (last != NULL) {
            master_send(m, old, last);
        }
        master_close(m, old);
    }
    struct link_key key = key_of(link);
    void *before = mu_map_put(&m->reign->links, key.s, peer);
    MU_ASSERT(before == NULL); /* callers have looked whose it is */
    peer->link = link;
}

/* ---- timers ---- */

void master_timer_init(struct master_timer *t, void *owner)
{
    *t = (struct master_timer){.owner = owner};
}

void master_timer_set(struct master *m,
                      struct master_timer *t,
                      enum master_timer_kind kind,
                      uint64_t after_ms)
{
    master_timer_stop(m, t);
    t->kind = kind;
    uint64_t at = 0;
    if (__builtin_add_overflow(m->now.mono_ms, after_ms, &at)) {
        at = UINT64_MAX - 1; /* asked for "never" in other words */
    }
    mu_heap_push(&m->reign->timers, &t->node, at);
}

void master_timer_stop(struct master *m, struct master_timer *t)
{
    if (mu_heap_has(&t->node)) {
        mu_heap_remove(&m->reign->timers, &t->node);
    }
}
