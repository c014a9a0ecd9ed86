/* A journal that cannot be written (disk full, I/O error), and its way back: a snapshot
 * of the whole state is tried until one is written. It holds whatever was refused
 * meanwhile, so the journal is whole with it. */
#include <stdio.h>

#include "agent/state.h"

#define HEAL_MIN_MS 1000u
#define HEAL_MAX_MS 10000u
#define CALM_MS 60000u /* a failure sooner than this after a healing is the same one */

static void heal_later(struct agent *a)
{
    a->heal_at_ms = a->now.mono_ms + a->heal_wait_ms;
    a->heal_wait_ms =
        a->heal_wait_ms * 2 > HEAL_MAX_MS ? HEAL_MAX_MS : a->heal_wait_ms * 2;
}

void agent_journal_failed(struct agent *a, uint64_t token, int status)
{
    if (token <= a->whole_token) {
        return; /* the snapshot has it */
    }
    a->failed_token = token > a->failed_token ? token : a->failed_token;
    if (a->journal_failed) {
        return;
    }
    a->journal_failed = true;
    (void)snprintf(a->journal_text, sizeof(a->journal_text),
                   "the agent's journal cannot be written (%s): no new tasks are taken "
                   "until it can",
                   mu_strerror(status));
    agent_log(a, MU_ERROR, "%s, running ones are left alone", a->journal_text);
    if (a->healed_at_ms == 0 || a->now.mono_ms - a->healed_at_ms > CALM_MS) {
        a->heal_wait_ms = HEAL_MIN_MS;
    }
    heal_later(a);
}

void agent_on_compacted(struct agent *a, const struct agent_event *ev)
{
    if (ev->status == 0 && ev->token > a->whole_token) {
        a->whole_token = ev->token;
    }
    if (!a->journal_failed) {
        if (ev->status < 0) {
            agent_log(a, MU_WARN, "the journal was not compacted (%s), going on",
                      mu_strerror(ev->status));
        }
        return;
    }
    if (ev->status == 0 && a->failed_token <= a->whole_token) {
        a->journal_failed = false;
        a->heal_at_ms = MU_NEVER_MS;
        a->healed_at_ms = a->now.mono_ms;
        agent_log(a, MU_INFO, "the journal can be written again: tasks are taken again");
        return;
    }
    if (ev->status < 0) {
        agent_log(a, MU_DEBUG, "the journal cannot be written yet (%s)",
                  mu_strerror(ev->status));
    }
    if (a->heal_at_ms == MU_NEVER_MS) {
        heal_later(a);
    }
}

void agent_heal_tick(struct agent *a)
{
    if (a->now.mono_ms < a->heal_at_ms) {
        return;
    }
    a->heal_at_ms = MU_NEVER_MS;
    a->records_since_compact = 0;
    agent_emit(a, AGENT_FX_COMPACT)->token = a->last_token;
}
