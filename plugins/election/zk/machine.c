/* See machine.h. Each event notes what it says; then settle() compares what is with what
 * should be, and says what to ask and whom to tell. So a lost, late or doubled answer can
 * at worst lead to one question more. */
#include "machine.h"

#include <stdio.h>

#include "member.h"
#include "zk/alloc.h"

#define RETRY_MIN_MS 2000u /* of what was refused for good: Mesos' 2 s to 60 s */
#define RETRY_MAX_MS 60000u
#define PAUSE_MS 200u /* after a lost answer: the connection is about to be told lost */
#define WITHDRAW_MS 1000u /* longer than this nobody waits for a znode to go */
#define ACTIONS_MAX 64u
#define LOOKS_MAX 32u
#define ASKS_PER_TIMEOUT 8u
#define LEASE_MARGIN 4u /* of the timeout: see machine.h */

struct zke_machine {
    char *self_id;
    struct mu_member self;
    bool contends, detects, withdraws;
    uint64_t withdraw_by_ms;
    /* session */
    bool ready;
    int64_t session; /* 0: none */
    uint64_t timeout_ms;
    /* candidacy */
    int candidacy;
    bool is_stale; /* it was begun for a candidacy that was withdrawn since */
    char own[ZKE_NAME_MAX];
    int64_t czxid;    /* 0: not known yet */
    bool czxid_asked; /* and not answered */
    bool leaving_asked;
    bool synced; /* of the list that is asked for */
    size_t looks_left;
    uint64_t lease_ms, next_ask_ms, retry_at_ms, retry_ms;
    bool elected, lapsed; /* lapsed: the lease was over before this step's event */
    /* detection */
    bool listing, list_again, listed; /* listed: smallest is of this session */
    uint64_t list_asked_ms, next_list_ms, list_retry_ms;
    char smallest[ZKE_NAME_MAX]; /* "": no member */
    bool has_own;                /* the own znode was in the list */
    char data_of[ZKE_NAME_MAX];  /* whom data was asked or known for; "": nobody */
    bool data_known;
    struct mu_member data; /* id NULL: not to be understood */
    uint64_t data_retry_ms, data_retry_at_ms;
    char ghost[ZKE_NAME_MAX]; /* of this session, and not own; "": none */
    const char *restart_why;  /* NULL: no need to */
    /* told */
    struct mu_member told; /* id NULL: none */
    const char *lost_why;
    struct zke_action actions[ACTIONS_MAX];
    size_t count;
};

/* ---- actions ---- */

static struct zke_action *act(struct zke_machine *m, int type, const char *name)
{
    if (m->count == ACTIONS_MAX) {
        abort(); /* a step asks for LOOKS_MAX looks and a few things more at most */
    }
    struct zke_action *a = &m->actions[m->count++];
    *a = (struct zke_action){.type = type};
    (void)snprintf(a->name, sizeof(a->name), "%s", name != NULL ? name : "");
    return a;
}

static void note(struct zke_machine *m, int level, const char *text)
{
    struct zke_action *a = act(m, ZKE_TELL_LOG, m->own);
    a->level = level;
    a->text = text;
}

/* ---- the own candidacy ---- */

static void forget_candidacy(struct zke_machine *m)
{
    m->candidacy = ZKE_NONE;
    m->is_stale = false;
    m->own[0] = '\0';
    m->czxid = 0;
    m->czxid_asked = false;
    m->leaving_asked = false;
    m->lease_ms = 0;
    m->has_own = false;
}

/* What was listed with it is of no use, either. */
static void own_is_gone(struct zke_machine *m)
{
    forget_candidacy(m);
    m->listed = false;
    m->list_again = true;
}

static uint64_t next_retry_ms(uint64_t *delay_ms)
{
    uint64_t delay = *delay_ms;
    *delay_ms = delay * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : delay * 2;
    return delay;
}

static void refused(struct zke_machine *m, const struct zke_event *ev, const char *text)
{
    m->retry_at_ms = ev->now_ms + next_retry_ms(&m->retry_ms);
    note(m, MU_ERROR, text);
}

static void take(struct zke_machine *m, const struct zke_event *ev)
{
    (void)snprintf(m->own, sizeof(m->own), "%s", ev->name);
    m->czxid = ev->czxid; /* 0: still to be looked up */
    m->czxid_asked = false;
    m->lease_ms = 0;
    m->next_ask_ms = 0;
    m->retry_ms = RETRY_MIN_MS;
    m->list_again = true;
    m->candidacy = m->is_stale ? ZKE_LEAVING : ZKE_IN;
    m->is_stale = false;
    if (m->candidacy == ZKE_IN) {
        note(m, MU_INFO, "standing for election");
    }
}

static void on_created(struct zke_machine *m, const struct zke_event *ev)
{
    if (m->candidacy != ZKE_CREATING) {
        return; /* of an earlier session, or it is being looked for */
    }
    enum zke_label label;
    int32_t number;
    if (ev->outcome == ZKE_OK && ev->name != NULL &&
        zke_name_parse(ev->name, &label, &number)) {
        take(m, ev);
    } else if (ev->outcome == ZKE_OK) {
        act(m, ZKE_DO_REMOVE, ev->name);
        forget_candidacy(m);
        refused(m, ev,
                "no candidate can join: the numbers of the path's znodes have run over; "
                "the path has to be deleted");
    } else if (ev->outcome == ZKE_LOST) {
        m->candidacy = ZKE_UNKNOWN;
        m->next_list_ms = ev->now_ms + PAUSE_MS;
    } else if (ev->outcome == ZKE_GONE) { /* the path itself: the list will tell */
        forget_candidacy(m);
        m->retry_at_ms = ev->now_ms + PAUSE_MS;
        m->list_again = true;
    } else {
        forget_candidacy(m);
        refused(m, ev, ev->text);
    }
}

static void on_left(struct zke_machine *m, const struct zke_event *ev)
{
    if (m->candidacy != ZKE_LEAVING || strcmp(ev->name, m->own) != 0) {
        return;
    }
    m->leaving_asked = false;
    if (ev->outcome == ZKE_OK || ev->outcome == ZKE_GONE) {
        own_is_gone(m);
    } else if (ev->outcome == ZKE_REFUSED) {
        refused(m, ev, ev->text);
    } else {
        m->retry_at_ms = ev->now_ms + PAUSE_MS;
    }
}

/* About the own znode, whose name is known. */
static void on_own(struct zke_machine *m, const struct zke_event *ev)
{
    m->czxid_asked = false;
    if (ev->outcome == ZKE_OK && ev->owner == m->session) {
        m->czxid = ev->czxid;
    } else if (ev->outcome == ZKE_GONE || ev->outcome == ZKE_OK) {
        m->lost_why = "the znode of this master is gone";
        own_is_gone(m);
    } else {
        m->retry_at_ms = ev->now_ms + PAUSE_MS;
    }
}

static void on_owner(struct zke_machine *m, const struct zke_event *ev)
{
    if (m->candidacy == ZKE_IN && strcmp(ev->name, m->own) == 0) {
        on_own(m, ev);
        return;
    }
    if (m->candidacy != ZKE_LOOKING || m->looks_left == 0) {
        return;
    }
    m->looks_left--;
    if (ev->outcome == ZKE_OK && ev->owner == m->session) {
        take(m, ev);
    } else if (ev->outcome == ZKE_LOST) {
        m->candidacy = ZKE_UNKNOWN; /* look again */
        m->looks_left = 0;
        m->next_list_ms = ev->now_ms + PAUSE_MS;
    } else if (m->looks_left == 0) {
        forget_candidacy(m); /* it was never made */
    }
}

static void on_asked(struct zke_machine *m, const struct zke_event *ev)
{
    if (m->candidacy != ZKE_IN || strcmp(ev->name, m->own) != 0) {
        return;
    }
    if (ev->outcome == ZKE_OK) {
        uint64_t lease = ev->asked_ms + m->timeout_ms - m->timeout_ms / LEASE_MARGIN;
        m->lease_ms = lease > m->lease_ms ? lease : m->lease_ms;
    } else if (ev->outcome == ZKE_GONE) {
        m->lost_why = "the znode of this master is gone";
        own_is_gone(m);
    } else if (ev->outcome == ZKE_REFUSED) {
        m->next_ask_ms = ev->now_ms + next_retry_ms(&m->retry_ms);
        note(m, MU_ERROR, ev->text);
    }
}

/* ---- the others ---- */

/* The LOOKS_MAX highest numbers: what was made last is among them. */
static size_t newest(const struct zke_event *ev, size_t *out)
{
    int32_t numbers[LOOKS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < ev->count; i++) {
        enum zke_label label;
        int32_t number;
        if (!zke_name_parse(ev->names[i], &label, &number) || label != ZKE_LABEL_JSON ||
            (count == LOOKS_MAX && number <= numbers[count - 1])) {
            continue;
        }
        size_t at = count < LOOKS_MAX ? count++ : count - 1;
        for (; at > 0 && numbers[at - 1] < number; at--) {
            numbers[at] = numbers[at - 1];
            out[at] = out[at - 1];
        }
        numbers[at] = number;
        out[at] = i;
    }
    return count;
}

static void look_at_all(struct zke_machine *m, const struct zke_event *ev)
{
    size_t which[LOOKS_MAX];
    m->looks_left = newest(ev, which);
    for (size_t i = 0; i < m->looks_left; i++) {
        act(m, ZKE_DO_LOOK, ev->names[which[i]]);
    }
    m->candidacy = ZKE_LOOKING;
    if (m->looks_left == 0) {
        forget_candidacy(m);
    }
}

static void list_failed(struct zke_machine *m, const struct zke_event *ev)
{
    m->next_list_ms = ev->now_ms + PAUSE_MS;
    if (ev->outcome == ZKE_GONE) {
        m->restart_why = "the path was deleted"; /* a new session makes it again */
    } else if (ev->outcome == ZKE_REFUSED) {
        m->next_list_ms = ev->now_ms + next_retry_ms(&m->list_retry_ms);
        note(m, MU_ERROR, ev->text);
    }
}

static void note_members(struct zke_machine *m, const struct zke_event *ev)
{
    int32_t least = INT32_MAX;
    m->smallest[0] = '\0';
    m->has_own = false;
    for (size_t i = 0; i < ev->count; i++) {
        enum zke_label label;
        int32_t number;
        if (!zke_name_parse(ev->names[i], &label, &number)) {
            continue;
        }
        m->has_own = m->has_own || strcmp(ev->names[i], m->own) == 0;
        if (number <= least) {
            least = number;
            (void)snprintf(m->smallest, sizeof(m->smallest), "%s", ev->names[i]);
        }
    }
}

static void on_listed(struct zke_machine *m, const struct zke_event *ev)
{
    m->listing = false;
    if (ev->outcome != ZKE_OK) {
        list_failed(m, ev);
        return;
    }
    m->list_retry_ms = RETRY_MIN_MS;
    m->listed = true;
    m->ghost[0] = '\0';
    note_members(m, ev);
    if (strcmp(m->smallest, m->data_of) != 0) {
        m->data_of[0] = '\0';
        m->data_known = false;
        m->data_retry_ms = RETRY_MIN_MS;
    }
    if (m->candidacy == ZKE_UNKNOWN && m->synced) {
        look_at_all(m, ev);
    } else if (m->candidacy == ZKE_UNKNOWN) {
        m->next_list_ms = ev->now_ms + PAUSE_MS;
    } else if (m->candidacy == ZKE_IN && m->czxid != 0 && !m->has_own) {
        m->lost_why = "the znode of this master was removed";
        forget_candidacy(m);
    }
}

/* A create whose answer was lost has made a znode after all. As long as it is there
 * nobody but this session could lead. */
static bool is_ghost(const struct zke_machine *m, const struct zke_event *ev)
{
    return ev->outcome == ZKE_OK && m->session != 0 && ev->owner == m->session &&
           strcmp(ev->name, m->own) != 0 &&
           (m->candidacy == ZKE_NONE || m->candidacy == ZKE_IN ||
            m->candidacy == ZKE_LEAVING);
}

static void on_data(struct zke_machine *m, const struct zke_event *ev)
{
    if (strcmp(ev->name, m->data_of) != 0 || m->data_known) {
        return;
    }
    if (is_ghost(m, ev)) {
        (void)snprintf(m->ghost, sizeof(m->ghost), "%s", ev->name);
        m->data_of[0] = '\0';
        act(m, ZKE_DO_REMOVE, ev->name);
        return;
    }
    if (ev->outcome == ZKE_OK || ev->outcome == ZKE_REFUSED) {
        zke_member_release(&m->data);
        m->data_known = true;
        if (ev->member != NULL) {
            zke_member_copy(&m->data, ev->member);
        } else {
            m->data_retry_at_ms = ev->now_ms + next_retry_ms(&m->data_retry_ms);
        }
        if (ev->outcome == ZKE_REFUSED) {
            struct zke_action *a = act(m, ZKE_TELL_LOG, ev->name);
            a->level = MU_ERROR;
            a->text = ev->text;
        }
    } else { /* it went between the list and the question */
        m->data_of[0] = '\0';
        m->listed = false;
        m->next_list_ms = ev->outcome == ZKE_GONE ? 0 : ev->now_ms + PAUSE_MS;
    }
}

/* ---- the session ---- */

static void on_ready(struct zke_machine *m, const struct zke_event *ev)
{
    m->ready = true;
    m->session = ev->owner;
    m->timeout_ms = ev->timeout_ms;
    m->listing = false;
    m->list_again = true;
    m->next_ask_ms = 0;
    m->leaving_asked = false;
    m->czxid_asked = false;
    m->synced = false;
    if (ev->fresh) {
        m->listed = false;
        forget_candidacy(m);
    } else if (m->candidacy == ZKE_CREATING || m->candidacy == ZKE_LOOKING) {
        m->candidacy = ZKE_UNKNOWN; /* answers of the lost connection do not come */
    }
    if (!m->data_known) {
        m->data_of[0] = '\0';
    }
}

static void on_expired(struct zke_machine *m, const struct zke_event *ev)
{
    m->ready = false;
    m->session = 0;
    m->listed = false;
    m->listing = false;
    m->smallest[0] = '\0';
    m->data_of[0] = '\0';
    m->data_known = false;
    m->lost_why = ev->text;
    forget_candidacy(m);
}

/* ---- what follows ---- */

static bool may_lead(const struct zke_machine *m, uint64_t now_ms)
{
    return m->contends && m->candidacy == ZKE_IN && m->czxid != 0 && m->listed &&
           m->has_own && strcmp(m->smallest, m->own) == 0 && now_ms < m->lease_ms;
}

static void settle_leadership(struct zke_machine *m, uint64_t now_ms)
{
    bool leads = may_lead(m, now_ms) && !m->lapsed;
    if (m->elected && !leads) {
        const char *why = m->lost_why;
        if (why == NULL) {
            why = m->withdraws || !m->contends ? "withdrawn"
                  : m->lapsed || now_ms >= m->lease_ms
                      ? "ZooKeeper has not answered for most of the session timeout"
                      : "another master has a lower number";
        }
        m->elected = false;
        act(m, ZKE_TELL_LOST, NULL)->text = why;
    } else if (!m->elected && leads) {
        m->elected = true;
        act(m, ZKE_TELL_ELECTED, m->own)->epoch = (uint64_t)m->czxid | ZKE_EPOCH_BIT;
    } else {
        m->lost_why = NULL;
        return;
    }
    m->lost_why = NULL;
    if (!m->elected && m->candidacy == ZKE_IN) {
        m->candidacy = ZKE_LEAVING; /* the next leadership has another znode */
    }
}

/* Only who is next in turn needs a lease. */
static bool asks(const struct zke_machine *m)
{
    return m->candidacy == ZKE_IN && m->ready && m->listed &&
           strcmp(m->smallest, m->own) == 0;
}

static void settle_candidacy(struct zke_machine *m, uint64_t now_ms)
{
    if (!m->contends && m->candidacy == ZKE_IN) {
        m->candidacy = ZKE_LEAVING;
    }
    bool is_out = m->candidacy == ZKE_NONE || (!m->ready && m->candidacy != ZKE_IN);
    if (m->withdraws && (is_out || now_ms >= m->withdraw_by_ms)) {
        m->withdraws = false;
        act(m, ZKE_TELL_WITHDRAWN, NULL);
    }
    bool may_try = m->ready && now_ms >= m->retry_at_ms;
    if (m->candidacy == ZKE_LEAVING && may_try && !m->leaving_asked) {
        m->leaving_asked = true;
        act(m, ZKE_DO_LEAVE, m->own);
    } else if (m->candidacy == ZKE_NONE && m->contends && may_try) {
        m->candidacy = ZKE_CREATING;
        act(m, ZKE_DO_CREATE, NULL);
    }
    bool looks = m->candidacy == ZKE_IN && m->czxid == 0 && may_try;
    if (asks(m) && now_ms >= m->next_ask_ms) {
        m->next_ask_ms = now_ms + m->timeout_ms / ASKS_PER_TIMEOUT;
        act(m, ZKE_DO_ASK, m->own);
        looks = true; /* and whether a znode of that name is still this session's */
    }
    if (looks && !m->czxid_asked) {
        m->czxid_asked = true;
        act(m, ZKE_DO_LOOK, m->own);
    }
}

static bool lists(const struct zke_machine *m)
{
    return m->ready && (m->detects || m->contends || m->candidacy != ZKE_NONE);
}

static void settle_list(struct zke_machine *m, uint64_t now_ms)
{
    if (!lists(m)) {
        return;
    }
    if (m->listing) {
        if (now_ms >= m->list_asked_ms + m->timeout_ms) { /* MESOS-9426 */
            m->restart_why =
                "a list of the masters was not answered for the session timeout";
        }
        return;
    }
    if (m->restart_why == NULL && (m->list_again || now_ms >= m->next_list_ms)) {
        m->listing = true;
        m->list_again = false;
        m->list_asked_ms = now_ms;
        m->next_list_ms = now_ms + m->timeout_ms / 2; /* the watchdog */
        m->synced = false;
        if (m->candidacy == ZKE_UNKNOWN) {
            act(m, ZKE_DO_SYNC, NULL);
        }
        act(m, ZKE_DO_LIST, NULL);
    }
}

static void settle_session(struct zke_machine *m)
{
    if (m->restart_why != NULL && m->ready) {
        m->listing = false;
        m->ready = false;
        act(m, ZKE_DO_RESTART, NULL)->text = m->restart_why;
    }
    m->restart_why = NULL;
}

static void tell(struct zke_machine *m, const struct mu_member *leader)
{
    bool same = leader == NULL ? m->told.id == NULL
                               : m->told.id != NULL && m->told.znode != NULL &&
                                     strcmp(m->told.id, leader->id) == 0 &&
                                     strcmp(m->told.znode, leader->znode) == 0;
    if (!m->detects || same) {
        return;
    }
    zke_member_release(&m->told);
    if (leader != NULL) {
        zke_member_copy(&m->told, leader);
    }
    act(m, ZKE_TELL_LEADER, NULL)->member = leader != NULL ? &m->told : NULL;
}

/* What was not to be understood, or not to be read, may be by now. */
static bool waits_for_data(const struct zke_machine *m)
{
    return m->ready && m->listed && !m->elected && m->data_known && m->data.id == NULL &&
           strcmp(m->smallest, m->data_of) == 0 && strcmp(m->smallest, m->own) != 0;
}

/* Ask who the smallest is, and tell. Somebody who was told stays told until the list says
 * otherwise, or the session has ended. */
static void settle_leader(struct zke_machine *m, uint64_t now_ms)
{
    if (m->elected) {
        struct mu_member self = m->self;
        self.znode = m->own;
        tell(m, &self);
        return;
    }
    bool told_self = m->told.id != NULL && strcmp(m->told.id, m->self_id) == 0;
    if (m->session == 0 || (!m->listed && told_self)) {
        tell(m, NULL);
        return;
    }
    if (!m->listed) {
        return;
    }
    if (m->smallest[0] == '\0' || strcmp(m->smallest, m->own) == 0 ||
        strcmp(m->smallest, m->ghost) == 0) {
        tell(m, NULL); /* this master is next, and not elected yet */
        return;
    }
    if (waits_for_data(m) && now_ms >= m->data_retry_at_ms) {
        m->data_of[0] = '\0';
    }
    if (strcmp(m->smallest, m->data_of) != 0) {
        if (m->ready) {
            (void)snprintf(m->data_of, sizeof(m->data_of), "%s", m->smallest);
            m->data_known = false;
            act(m, ZKE_DO_DATA, m->smallest);
        }
        return;
    }
    if (!m->data_known) {
        return;
    }
    bool is_own_old = m->data.id != NULL && strcmp(m->data.id, m->self_id) == 0;
    if (m->data.id == NULL || is_own_old) {
        tell(m, NULL); /* nobody can be asked there */
        return;
    }
    struct mu_member leader = m->data;
    leader.znode = m->smallest;
    tell(m, &leader);
}

void zke_step(struct zke_machine *m, const struct zke_event *ev)
{
    m->count = 0;
    m->lapsed = m->elected && ev->now_ms >= m->lease_ms;
    switch ((enum zke_event_type)ev->type) {
    case ZKE_EV_READY:
        on_ready(m, ev);
        break;
    case ZKE_EV_SUSPENDED:
        m->ready = false;
        m->listing = false;
        break;
    case ZKE_EV_EXPIRED:
        on_expired(m, ev);
        break;
    case ZKE_EV_CHANGED:
        m->list_again = true;
        break;
    case ZKE_EV_CREATED:
        on_created(m, ev);
        break;
    case ZKE_EV_LEFT:
        on_left(m, ev);
        break;
    case ZKE_EV_SYNCED:
        m->synced = ev->outcome == ZKE_OK;
        break;
    case ZKE_EV_LISTED:
        on_listed(m, ev);
        break;
    case ZKE_EV_OWNER:
        on_owner(m, ev);
        break;
    case ZKE_EV_ASKED:
        on_asked(m, ev);
        break;
    case ZKE_EV_DATA:
        on_data(m, ev);
        break;
    case ZKE_EV_CONTEND:
        m->contends = true;
        m->is_stale = m->candidacy == ZKE_CREATING || m->candidacy == ZKE_UNKNOWN ||
                      m->candidacy == ZKE_LOOKING;
        m->retry_at_ms = 0;
        break;
    case ZKE_EV_WITHDRAW:
        m->contends = false;
        m->withdraws = true;
        m->retry_at_ms = 0;
        m->withdraw_by_ms = ev->now_ms + WITHDRAW_MS;
        break;
    case ZKE_EV_DETECT:
        m->detects = true;
        m->list_again = true;
        break;
    case ZKE_EV_TICK:
        break;
    }
    settle_leadership(m, ev->now_ms);
    settle_candidacy(m, ev->now_ms);
    settle_list(m, ev->now_ms);
    settle_leader(m, ev->now_ms);
    settle_session(m);
}

/* ---- for the driver ---- */

struct zke_machine *zke_machine_create(const char *self_id)
{
    struct zke_machine *m = zks_calloc(1, sizeof(*m));
    m->self_id = zks_copy(self_id, strlen(self_id));
    m->retry_ms = m->list_retry_ms = m->data_retry_ms = RETRY_MIN_MS;
    return m;
}

void zke_machine_destroy(struct zke_machine *m)
{
    if (m == NULL) {
        return;
    }
    zke_member_release(&m->self);
    zke_member_release(&m->data);
    zke_member_release(&m->told);
    free(m->self_id);
    free(m);
}

void zke_machine_set_self(struct zke_machine *m, const struct mu_member *self)
{
    zke_member_release(&m->self);
    zke_member_copy(&m->self, self);
    free(m->self_id);
    m->self_id = zks_copy(self->id, strlen(self->id));
}

const struct zke_action *zke_actions(const struct zke_machine *m, size_t *out_count)
{
    *out_count = m->count;
    return m->actions;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t zke_deadline_ms(const struct zke_machine *m)
{
    uint64_t at = UINT64_MAX;
    if (m->elected) {
        at = sooner(at, m->lease_ms);
    }
    if (m->withdraws) {
        at = sooner(at, m->withdraw_by_ms);
    }
    if (!m->ready) {
        return at;
    }
    bool waits_to_try =
        m->candidacy == ZKE_NONE
            ? m->contends
            : (m->candidacy == ZKE_LEAVING && !m->leaving_asked) ||
                  (m->candidacy == ZKE_IN && m->czxid == 0 && !m->czxid_asked);
    if (waits_to_try) {
        at = sooner(at, m->retry_at_ms);
    }
    if (asks(m)) {
        at = sooner(at, m->next_ask_ms);
    }
    if (waits_for_data(m)) {
        at = sooner(at, m->data_retry_at_ms);
    }
    if (lists(m)) {
        at = sooner(at, m->listing ? m->list_asked_ms + m->timeout_ms : m->next_list_ms);
    }
    return at;
}

uint64_t zke_lease_ms(const struct zke_machine *m)
{
    return m->elected ? m->lease_ms : 0;
}

bool zke_stands(const struct zke_machine *m)
{
    return m->contends;
}

const char *zke_znode_of(const struct zke_machine *m, const struct mu_member *member)
{
    bool is_it = m->told.id != NULL && member->id != NULL && !m->elected &&
                 strcmp(m->told.id, member->id) == 0 &&
                 (member->znode == NULL || strcmp(m->told.znode, member->znode) == 0);
    return is_it ? m->told.znode : NULL;
}
