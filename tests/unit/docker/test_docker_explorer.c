/* Every event in every state of a container.
 *
 * The explorer starts from a launch and from a recovery and tries, in each state that it
 * reaches, every answer that an engine could give, the timer, the end of the wait, hints
 * and destroy, until no new state appears. A ledger checks after every step what the
 * agent was told. From each of the states a well-behaved engine then has to bring a
 * destroyed container to its end. */
#include "docker_kit.h"

#include "base/alloc.h"
#include "container_events.h"

struct ledger {
    bool launch_asked, recover_asked, launched, is_up, recovered, exited, gone;
    unsigned destroys_owed;
    bool destroyed_for_good;
};

struct node {
    struct dkr_container c;
    struct ledger l;
    unsigned destroys; /* how often it was asked for so far */
};

enum { NODES_MAX = 150000, TABLE_SIZE = 1 << 20 };

struct explorer {
    struct node *nodes;
    size_t count, done;
    uint32_t *table; /* index + 1 */
};

static void account_one(struct node *n, const struct dkr_effect *fx)
{
    struct ledger *l = &n->l;
    assert_false(l->gone);
    switch ((int)fx->type) {
    case DKR_FX_LAUNCHED:
        assert_true(l->launch_asked && !l->launched);
        assert_true(fx->status == 0 || (fx->status < 0 && fx->text[0] != '\0'));
        l->launched = true;
        l->is_up = fx->status == 0;
        break;
    case DKR_FX_RECOVERED:
        assert_true(l->recover_asked && !l->recovered);
        l->recovered = true;
        l->is_up = fx->is_running;
        break;
    case DKR_FX_EXITED:
        assert_true(l->is_up && !l->exited && !l->destroyed_for_good);
        assert_non_null(fx->exit->message);
        l->exited = true;
        break;
    case DKR_FX_DESTROYED:
        assert_true(l->destroys_owed > 0);
        assert_true(fx->status == 0 || n->c.state == DKR_REMOVE ||
                    n->c.state == DKR_FIND);
        l->destroys_owed = 0; /* one answer for all who wait */
        l->destroyed_for_good = fx->status == 0;
        break;
    case DKR_FX_FORGET:
        assert_int_equal(n->c.state, DKR_GONE);
        assert_true(l->launched == l->launch_asked);
        assert_true(l->recovered == l->recover_asked);
        assert_true(l->exited == l->is_up);
        assert_int_equal(l->destroys_owed, 0);
        l->gone = true;
        break;
    case DKR_FX_REMOVE:
    case DKR_FX_START:
        assert_string_equal(n->c.id, "ours");
        break;
    default:
        break;
    }
}

static void advance(struct node *n, const struct dkr_event *ev)
{
    struct dkr_effects fx;
    struct mu_error err;
    if (ev->type == DKR_EV_DESTROY) {
        n->l.destroys_owed++;
        n->destroys++;
    }
    dkr_container_step(&n->c, ev, &fx);
    for (size_t i = 0; i < fx.count; i++) {
        account_one(n, &fx.v[i]);
    }
    if (dkr_container_check(&n->c, &err) < 0) {
        fail_msg("in state %s: %s", dkr_states[n->c.state].name, err.text);
    }
    assert_true(n->l.gone == (n->c.state == DKR_GONE));
}

/* Equal for states that behave alike: texts do not count, nor how long it has been tried.
 */
static struct node normal_form(const struct node *n)
{
    struct node copy;
    memcpy(&copy, n, sizeof(copy)); /* with its padding, which is zero */
    memset(copy.c.fail_text, 0, sizeof(copy.c.fail_text));
    memset(copy.c.exit_text, 0, sizeof(copy.c.exit_text));
    memset(copy.c.ip, 0, sizeof(copy.c.ip));
    bool has_exit = copy.c.exit.message != NULL;
    memset(&copy.c.exit, 0, sizeof(copy.c.exit));
    copy.c.exit.has_status = has_exit;
    copy.c.wait_code = 0;
    copy.c.attempts = copy.c.attempts > 10 ? 10 : copy.c.attempts;
    copy.c.wait_failures = copy.c.wait_failures > 1 ? 1 : copy.c.wait_failures;
    return copy;
}

static uint64_t hash(const void *data, size_t len)
{
    const unsigned char *p = data;
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < len; i++) {
        h = (h ^ p[i]) * 1099511628211u;
    }
    return h ^ h >> 29;
}

static void discover(struct explorer *x, struct node *n)
{
    n->c.attempts = n->c.attempts > 10 ? 10 : n->c.attempts;
    n->c.wait_failures = n->c.wait_failures > 1 ? 1 : n->c.wait_failures;
    n->c.clashes = n->c.clashes > 0 && n->c.clashes < 6 ? 6 : n->c.clashes;
    struct node key = normal_form(n);
    for (uint64_t at = hash(&key, sizeof(key));; at++) {
        uint32_t *slot = &x->table[at & (TABLE_SIZE - 1)];
        if (*slot == 0) {
            assert_true(x->count < NODES_MAX);
            memcpy(&x->nodes[x->count], n, sizeof(*n));
            *slot = (uint32_t)++x->count;
            return;
        }
        struct node other = normal_form(&x->nodes[*slot - 1]);
        if (memcmp(&other, &key, sizeof(key)) == 0) {
            return;
        }
    }
}

static void try_event(struct explorer *x, size_t index, struct dkr_event ev)
{
    struct node n;
    memcpy(&n, &x->nodes[index], sizeof(n));
    if (n.c.exit.message != NULL) {
        n.c.exit.message = n.c.exit_text; /* it is a copy */
    }
    advance(&n, &ev);
    discover(x, &n);
}

static bool expects_found(enum dkr_state state)
{
    return state == DKR_ADOPT || state == DKR_CLASH || state == DKR_FIND ||
           state == DKR_LOOK || state == DKR_EXAMINE;
}

static void try_answers(struct explorer *x, size_t i)
{
    if (expects_found(x->nodes[i].c.state)) {
        try_event(x, i, yes(&running));
        try_event(x, i, yes(&ended));
        try_event(x, i, yes(&never_started));
        if (x->nodes[i].c.id[0] == '\0') { /* found by its name: it may be anyone's */
            try_event(x, i, yes(&foreign));
        }
    } else {
        try_event(x, i, yes(NULL));
    }
    try_event(x, i, refused(404, "missing"));
    try_event(x, i, refused(409, "conflict"));
    try_event(x, i, refused(500, "trouble"));
    try_event(x, i, no_answer(DKR_UNREACHED));
    try_event(x, i, no_answer(DKR_UNKNOWN));
}

static void try_all(struct explorer *x, size_t i)
{
    const struct dkr_container *c = &x->nodes[i].c;
    if (c->state == DKR_GONE) {
        return;
    }
    if (c->call_pending) {
        try_answers(x, i);
    }
    if (c->timer_armed) {
        try_event(x, i, plain(DKR_EV_TIMER));
    }
    if (c->wait_pending) {
        try_event(x, i, waited(DKR_OK, 3));
        try_event(x, i, waited(DKR_UNKNOWN, 0));
    }
    if (c->state == DKR_DRAIN) {
        try_event(x, i, plain(DKR_EV_LOGS_DONE));
    }
    try_event(x, i, plain(DKR_EV_HINT));
    if (dkr_container_can_be_signalled(c)) {
        try_event(x, i, plain(DKR_EV_KILL_SENT));
    }
    if (x->nodes[i].destroys < 2) {
        try_event(x, i, plain(DKR_EV_DESTROY));
    }
}

/* An engine that works: what would it answer, if it holds a running container of ours? */
static struct dkr_event
good_answer(const struct dkr_container *c, bool *is_there, bool *is_up)
{
    switch ((int)c->state) {
    case DKR_IMAGE:
        return yes(NULL);
    case DKR_CREATE:
        if (*is_there) {
            return refused(409, "in use");
        }
        *is_there = true;
        return yes(NULL);
    case DKR_CLEAR:
    case DKR_REMOVE: {
        bool was_there = *is_there;
        *is_there = false;
        *is_up = false;
        return was_there ? yes(NULL) : refused(404, "missing");
    }
    case DKR_KILLING:
        if (!*is_up) {
            return refused(409, "not running");
        }
        *is_up = false;
        return yes(NULL);
    case DKR_START:
        *is_up = *is_there;
        return *is_there ? yes(NULL) : refused(404, "missing");
    default:
        return !*is_there ? refused(404, "missing") : yes(*is_up ? &running : &ended);
    }
}

static void must_end_when_destroyed(const struct node *from)
{
    struct node n;
    memcpy(&n, from, sizeof(n));
    if (n.c.exit.message != NULL) {
        n.c.exit.message = n.c.exit_text;
    }
    bool is_there = n.c.id[0] != '\0' || n.c.may_exist;
    bool is_up = is_there;
    struct dkr_event ev = plain(DKR_EV_DESTROY);
    for (int steps = 0; n.c.state != DKR_GONE; steps++) {
        if (steps > 60) {
            fail_msg("from %s it does not end, but hangs in %s",
                     dkr_states[from->c.state].name, dkr_states[n.c.state].name);
        }
        advance(&n, &ev);
        if (n.c.wait_pending && !is_up) {
            ev = waited(DKR_OK, 137);
        } else if (n.c.call_pending) {
            ev = good_answer(&n.c, &is_there, &is_up);
        } else if (n.c.state == DKR_DRAIN) {
            ev = plain(DKR_EV_LOGS_DONE);
        } else {
            ev = plain(DKR_EV_TIMER);
        }
    }
    assert_false(is_there);
}

static void start_node(struct explorer *x, bool is_recovery, bool flag)
{
    struct node n;
    memset(&n, 0, sizeof(n));
    n.c.force_pull = !is_recovery && flag;
    n.l.launch_asked = !is_recovery;
    n.l.recover_asked = is_recovery;
    struct dkr_event ev = plain(is_recovery ? DKR_EV_RECOVER : DKR_EV_LAUNCH);
    ev.was_launched = flag;
    advance(&n, &ev);
    discover(x, &n);
}

static void every_event_in_every_state_keeps_the_books(void **state)
{
    struct explorer x = {.nodes = mu_xcalloc(NODES_MAX, sizeof(struct node)),
                         .table = mu_xcalloc(TABLE_SIZE, sizeof(uint32_t))};
    bool is_seen[DKR_STATE_COUNT] = {false};
    (void)state;
    start_node(&x, false, false);
    start_node(&x, false, true);
    start_node(&x, true, false);
    start_node(&x, true, true);
    for (; x.done < x.count; x.done++) {
        is_seen[x.nodes[x.done].c.state] = true;
        try_all(&x, x.done);
        if (x.nodes[x.done].c.state != DKR_GONE) {
            must_end_when_destroyed(&x.nodes[x.done]);
        }
    }
    print_message("%zu states\n", x.count);
    for (int i = DKR_NEW + 1; i < DKR_STATE_COUNT; i++) {
        assert_true(is_seen[i]);
    }
    free(x.nodes);
    free(x.table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_in_every_state_keeps_the_books),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
