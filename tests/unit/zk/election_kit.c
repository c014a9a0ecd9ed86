/* See election_kit.h. */
#include "unit/zk/election_kit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

static void add(struct kit *k, const char *verb, const char *what)
{
    size_t len = strlen(k->did);
    int n = snprintf(k->did + len, sizeof(k->did) - len, "%s%s%s;", verb,
                     what[0] != '\0' ? " " : "", what);
    assert_true(n > 0 && (size_t)n < sizeof(k->did) - len);
}

static void note(struct kit *k, const struct zke_action *a)
{
    char epoch[32];
    switch ((enum zke_action_type)a->type) {
    case ZKE_DO_CREATE:
        add(k, "create", "");
        break;
    case ZKE_DO_LEAVE:
        add(k, "leave", a->name);
        break;
    case ZKE_DO_SYNC:
        add(k, "sync", "");
        break;
    case ZKE_DO_LIST:
        add(k, "list", "");
        break;
    case ZKE_DO_LOOK:
        add(k, "look", a->name);
        break;
    case ZKE_DO_ASK:
        add(k, "ask", a->name);
        break;
    case ZKE_DO_DATA:
        add(k, "data", a->name);
        break;
    case ZKE_DO_REMOVE:
        add(k, "remove", a->name);
        break;
    case ZKE_DO_RESTART:
        add(k, "restart", "");
        break;
    case ZKE_TELL_ELECTED:
        assert_false(k->elected); /* never two without a lost between */
        k->elected = true;
        snprintf(epoch, sizeof(epoch), "%" PRIx64, a->epoch);
        add(k, "elected", epoch);
        break;
    case ZKE_TELL_LOST:
        assert_true(k->elected);
        assert_non_null(a->text);
        k->elected = false;
        add(k, "lost", "");
        break;
    case ZKE_TELL_LEADER:
        add(k, "leader", a->member != NULL ? a->member->id : "none");
        break;
    case ZKE_TELL_WITHDRAWN:
        add(k, "withdrawn", "");
        break;
    case ZKE_TELL_LOG:
        assert_non_null(a->text);
        if (a->level == MU_ERROR) {
            add(k, "error", "");
        }
        break;
    }
}

const char *step(struct kit *k, struct zke_event ev)
{
    ev.now_ms = k->now;
    zke_step(k->m, &ev);
    size_t count = 0;
    const struct zke_action *a = zke_actions(k->m, &count);
    k->did[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        assert_true(a[i].type != ZKE_DO_RESTART || i + 1 == count);
        note(k, &a[i]);
    }
    assert_true(zke_deadline_ms(k->m) > k->now); /* nothing spins */
    assert_true(k->elected ? zke_lease_ms(k->m) > k->now : zke_lease_ms(k->m) == 0);
    return k->did;
}

/* ---- the events ---- */

const char *ready(struct kit *k, bool fresh, int64_t session)
{
    return STEP(.type = ZKE_EV_READY, .fresh = fresh, .owner = session, .timeout_ms = T);
}

const char *created(struct kit *k, const char *name)
{
    return STEP(.type = ZKE_EV_CREATED, .name = name);
}

const char *answer(struct kit *k, int type, const char *name, int outcome)
{
    return STEP(.type = type, .name = name, .outcome = outcome, .text = "the answer");
}

const char *owner(struct kit *k, const char *name, int64_t session, int64_t czxid)
{
    return STEP(.type = ZKE_EV_OWNER, .name = name, .owner = session, .czxid = czxid);
}

const char *asked(struct kit *k, const char *name, uint64_t asked_ms)
{
    return STEP(.type = ZKE_EV_ASKED, .name = name, .asked_ms = asked_ms);
}

/* names: "a b c" */
const char *listed(struct kit *k, const char *names)
{
    char text[4096];
    const char *list[128];
    size_t count = 0;
    snprintf(text, sizeof(text), "%s", names);
    for (char *at = text; *at != '\0' && count < 128;) {
        list[count++] = at;
        at += strcspn(at, " ");
        if (*at != '\0') {
            *at++ = '\0';
        }
    }
    return STEP(.type = ZKE_EV_LISTED, .names = list, .count = count);
}

const char *data(struct kit *k, const char *name, const char *id, int64_t session)
{
    const struct mu_member m = {.struct_size = sizeof(m), .id = id, .hostname = "h"};
    return STEP(.type = ZKE_EV_DATA, .name = name, .owner = session,
                .member = id != NULL ? &m : NULL);
}

const char *tick_at(struct kit *k, uint64_t now)
{
    k->now = now;
    return STEP(.type = ZKE_EV_TICK);
}

const char *tick_due(struct kit *k)
{
    return tick_at(k, zke_deadline_ms(k->m));
}

void contend_as(struct kit *k, const char *id)
{
    const struct mu_member self = {
        .struct_size = sizeof(self), .id = id, .hostname = "h"};
    zke_machine_set_self(k->m, &self);
    STEP(.type = ZKE_EV_CONTEND);
}

struct kit *kit_create(void)
{
    struct kit *k = MU_NEW(struct kit);
    k->m = zke_machine_create("");
    k->now = START;
    return k;
}

void kit_destroy(struct kit *k)
{
    zke_machine_destroy(k->m);
    free(k);
}

/* Contender and detector, the session there, the create under way. */
struct kit *kit_creating(void)
{
    struct kit *k = kit_create();
    STEP(.type = ZKE_EV_DETECT);
    contend_as(k, "me");
    assert_string_equal(ready(k, true, SESSION), "create;list;");
    assert_string_equal(listed(k, ""), "");
    return k;
}

/* One that leads, its lease moved now. */
struct kit *kit_leading(void)
{
    struct kit *k = kit_creating();
    assert_string_equal(created(k, OWN), "look " OWN ";list;");
    owner(k, OWN, SESSION, CZXID);
    assert_string_equal(listed(k, OWN), "ask " OWN ";look " OWN ";");
    assert_string_equal(asked(k, OWN, k->now), "elected " EPOCH ";leader me;");
    owner(k, OWN, SESSION, CZXID);
    return k;
}

/* One that follows the master "other". */
struct kit *kit_following(void)
{
    struct kit *k = kit_creating();
    created(k, OWN);
    owner(k, OWN, SESSION, CZXID);
    assert_string_equal(listed(k, OWN " " OTHER), "data " OTHER ";");
    assert_string_equal(data(k, OTHER, "other", SESSION + 1), "leader other;");
    return k;
}
