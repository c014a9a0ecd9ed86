/* Table-driven state machines: look-ups, the asserted move, and a check of the table.
 *
 * A wrong move is a bug of ours, never of a peer: input is judged with mu_sm_can_move
 * before it is acted on, so mu_sm_move may abort.
 */
#include "base/sm.h"

#include <stdio.h>

#include "base/check.h"

bool mu_sm_can_move(const struct mu_sm *sm, uint32_t from, uint32_t to)
{
    MU_PRE(from < sm->count && to < sm->count);
    return (sm->states[from].next & MU_SM_TO(to)) != 0;
}

uint32_t mu_sm_move(const struct mu_sm *sm, uint32_t from, uint32_t to)
{
    if (!mu_sm_can_move(sm, from, to)) {
        char text[160];
        (void)snprintf(text, sizeof(text), "%s from %s to %s", sm->name,
                       sm->states[from].name, sm->states[to].name);
        mu_check_failed(__FILE__, __LINE__, "no such move:", text);
    }
    return to;
}

const char *mu_sm_name(const struct mu_sm *sm, uint32_t state)
{
    return state < sm->count ? sm->states[state].name : "?";
}

bool mu_sm_is_final(const struct mu_sm *sm, uint32_t state)
{
    MU_PRE(state < sm->count);
    return (sm->states[state].flags & MU_SM_FINAL) != 0;
}

/* All states that can be reached from an initial one. */
static uint64_t reachable(const struct mu_sm *sm)
{
    uint64_t seen = 0;
    for (uint32_t i = 0; i < sm->count; i++) {
        if (sm->states[i].flags & MU_SM_INITIAL) {
            seen |= MU_SM_TO(i);
        }
    }
    uint64_t before;
    do {
        before = seen;
        for (uint32_t i = 0; i < sm->count; i++) {
            if (seen & MU_SM_TO(i)) {
                seen |= sm->states[i].next;
            }
        }
    } while (seen != before);
    return seen;
}

int mu_sm_check(const struct mu_sm *sm, struct mu_error *err)
{
    if (sm->count == 0 || sm->count > 64) {
        return mu_fail(err, MU_E_INVALID, "'%s' has %u states", sm->name, sm->count);
    }
    uint64_t all = sm->count == 64 ? UINT64_MAX : MU_SM_TO(sm->count) - 1;
    uint64_t seen = reachable(sm);
    for (uint32_t i = 0; i < sm->count; i++) {
        const struct mu_sm_state *s = &sm->states[i];
        if (s->name == NULL) {
            return mu_fail(err, MU_E_INVALID, "'%s': state %u has no name", sm->name, i);
        }
        if (s->next & ~all) {
            return mu_fail(err, MU_E_INVALID, "'%s' leads out of the table", s->name);
        }
        if (!(seen & MU_SM_TO(i))) {
            return mu_fail(err, MU_E_INVALID, "'%s' cannot be reached", s->name);
        }
        bool leaves = (s->next & ~MU_SM_TO(i)) != 0;
        if (leaves == ((s->flags & MU_SM_FINAL) != 0)) {
            return mu_fail(err, MU_E_INVALID,
                           leaves ? "'%s' is final but has a way out"
                                  : "'%s' has no way out but is not final",
                           s->name);
        }
    }
    return 0;
}

void mu_sm_print(const struct mu_sm *sm, struct mu_buf *out)
{
    for (uint32_t i = 0; i < sm->count; i++) {
        const struct mu_sm_state *s = &sm->states[i];
        (void)mu_buf_printf(out, "%s%s%s:", s->name,
                            s->flags & MU_SM_INITIAL ? " (initial)" : "",
                            s->flags & MU_SM_FINAL ? " (final)" : "");
        for (uint32_t to = 0; to < sm->count; to++) {
            if (s->next & MU_SM_TO(to)) {
                (void)mu_buf_printf(out, " %s", sm->states[to].name);
            }
        }
        (void)mu_buf_putc(out, '\n');
    }
}
