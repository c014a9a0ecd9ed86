/* Election: elects its only candidate in the next loop turn. */
#include <muster/kind/election.h>
#include <muster/plugin.h>

#include "oot_common.h"

static const struct mu_flag flags[] = {
    {.name = "epoch", .type = MU_FLAG_INT, .default_text = "1", .help = "Not used."},
    {0},
};

static void oot_listen(void *instance, const struct mu_election_events *events, void *arg)
{
    struct oot *o = (struct oot *)instance;
    o->events = events;
    o->events_arg = arg;
}

static void elect(void *arg)
{
    struct oot *o = (struct oot *)arg;
    const struct mu_election_events *events =
        (const struct mu_election_events *)o->events;
    events->elected(o->events_arg, 1);
}

static int oot_contend(void *instance, const struct mu_member *self, struct mu_error *err)
{
    struct oot *o = (struct oot *)instance;
    (void)self;
    (void)err;
    (void)o->host->timer_start(o->host, 0, elect, o);
    return 0;
}

static void oot_withdraw(void *instance, mu_cb cb, void *arg)
{
    struct oot *o = (struct oot *)instance;
    (void)o->host->timer_start(o->host, 0, cb, arg);
}

static int oot_detect(void *instance, struct mu_error *err)
{
    (void)instance;
    (void)err;
    return 0;
}

static const struct mu_election_ops ops = {
    .struct_size = sizeof(struct mu_election_ops),
    .listen = oot_listen,
    .contend = oot_contend,
    .withdraw = oot_withdraw,
    .detect = oot_detect,
};

MU_PLUGIN_DEFINE(election_oot) = {
    MU_PLUGIN_HEAD, .kind = MU_KIND_ELECTION, .name = "oot", .flags = flags, .ops = &ops,
    OOT_LIFE,
};
