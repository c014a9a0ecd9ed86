/* One replica: promises, votes, its journal. The others are spoken for by hand. */
#include "kit.h"

#include <muster/error.h>

static const struct paxos_ballot b2 = {2, 1, 1}, b3 = {3, 1, 2};

static void ask_promise(struct kit *k, int from, int to, struct paxos_ballot ballot)
{
    struct paxos_message m = {
        .type = PAXOS_MSG_PROMISE_ASK, .ballot = ballot, .position = 1};
    kit_say(k, from, to, &m);
}

static void ask_write(struct kit *k,
                      int from,
                      int to,
                      struct paxos_ballot ballot,
                      uint64_t position,
                      const char *text)
{
    struct paxos_message m = {.type = PAXOS_MSG_WRITE, .ballot = ballot, .committed = 0};
    struct paxos_value *v = paxos_value_create(PAXOS_NOTHING, text, strlen(text));
    paxos_message_add(&m, position, &ballot, v);
    paxos_value_unref(v);
    kit_say(k, from, to, &m);
}

/* Three that vote, and nothing that 0 says to 1 goes anywhere else. */
static void quiet(struct kit *k)
{
    kit_init_voting(k, 3, 2);
    kit_hold(k, 0, KIT_ANY, KIT_ANY);
}

static uint8_t answer_type(struct kit *k, int to, struct paxos_message *m)
{
    return kit_take(k, 0, to, KIT_ANY, m) ? m->type : 0;
}

static void higher_ballot_is_promised(void **state)
{
    (void)state;
    struct kit k;
    struct paxos_message m;
    quiet(&k);
    ask_promise(&k, 1, 0, b2);
    kit_run(&k);
    assert_int_equal(answer_type(&k, 1, &m), PAXOS_MSG_PROMISED);
    assert_int_equal(paxos_ballot_cmp(&m.ballot, &b2), 0);
    assert_int_equal(m.count, 0);
    paxos_message_release(&m);
    ask_promise(&k, 2, 0, b3);
    kit_run(&k);
    assert_int_equal(answer_type(&k, 2, &m), PAXOS_MSG_PROMISED);
    paxos_message_release(&m);
    kit_release(&k);
}

/* What is accepted ahead of what is known to be chosen has a bound in bytes, as all of it
 * goes into one PROMISED; but the next position is always taken. */
static void accepted_bytes_are_bounded(void **state)
{
    (void)state;
    struct kit k;
    struct paxos_message m;
    quiet(&k);
    size_t len = PAXOS_WINDOW_BYTES / 3;
    char *text = malloc(len + 1);
    memset(text, 'x', len);
    text[len] = '\0';
    for (uint64_t position = 2; position <= 5; position++) {
        ask_write(&k, 1, 0, b2, position, text);
        kit_run(&k);
        assert_int_equal(answer_type(&k, 1, &m), position <= 4 ? PAXOS_MSG_WROTE : 0);
    }
    ask_write(&k, 1, 0, b2, 1, "next");
    kit_run(&k);
    assert_int_equal(answer_type(&k, 1, &m), PAXOS_MSG_WROTE);
    ask_write(&k, 1, 0, b2, 6, "more");
    kit_run(&k);
    assert_int_equal(answer_type(&k, 1, &m), 0);
    ask_write(&k, 2, 0, b3, 2, "short"); /* room is given back */
    ask_write(&k, 2, 0, b3, 3, "short");
    kit_run(&k);
    ask_write(&k, 2, 0, b3, 6, "more");
    kit_run(&k);
    assert_int_equal(kit_waiting(&k, 0, 2, PAXOS_MSG_WROTE), 3);
    free(text);
    kit_release(&k);
}

static void lower_ballot_is_rejected_and_told_why(void **state)
{
    (void)state;
    struct kit k;
    struct paxos_message m;
    quiet(&k);
    ask_promise(&k, 2, 0, b3);
    kit_run(&k);
    ask_promise(&k, 1, 0, b2);
    kit_run(&k);
    assert_int_equal(answer_type(&k, 1, &m), PAXOS_MSG_REJECTED);
    assert_int_equal(paxos_ballot_cmp(&m.promised, &b3), 0);
    assert_int_equal(paxos_ballot_cmp(&m.ballot, &b2), 0);
    paxos_message_release(&m);
    ask_write(&k, 1, 0, b2, 1, "x");
    assert_int_equal(answer_type(&k, 1, &m), PAXOS_MSG_REJECTED);
    paxos_message_release(&m);
    assert_int_equal(k.nodes[0].p->accepted.count, 0);
    kit_release(&k);
}

/* The answer was lost: it is given again. */
static void same_ballot_is_promised_again(void **state)
{
    (void)state;
    struct kit k;
    struct paxos_message m;
    quiet(&k);
    for (int turn = 0; turn < 2; turn++) {
        ask_promise(&k, 1, 0, b2);
        kit_run(&k);
        assert_int_equal(answer_type(&k, 1, &m), PAXOS_MSG_PROMISED);
        paxos_message_release(&m);
    }
    kit_release(&k);
}

static void nothing_is_answered_before_it_is_durable(void **state)
{
    (void)state;
    struct kit k;
    struct paxos_message m;
    quiet(&k);
    k.nodes[0].holds_disk = true;
    ask_promise(&k, 1, 0, b2);
    ask_write(&k, 1, 0, b2, 1, "x");
    ask_write(&k, 1, 0, b2, 1, "x"); /* once more: still not durable */
    kit_run(&k);
    assert_int_equal(kit_waiting(&k, 0, 1, KIT_ANY), 0);
    assert_int_equal(k.nodes[0].writes.count, 2);
    kit_durable(&k, 0, 1);
    assert_int_equal(answer_type(&k, 1, &m), PAXOS_MSG_PROMISED);
    paxos_message_release(&m);
    assert_int_equal(kit_waiting(&k, 0, 1, KIT_ANY), 0);
    kit_durable(&k, 0, 1);
    assert_int_equal(answer_type(&k, 1, &m), PAXOS_MSG_WROTE);
    paxos_message_release(&m);
    ask_write(&k, 1, 0, b2, 1, "x");
    assert_int_equal(answer_type(&k, 1, &m), PAXOS_MSG_WROTE); /* nothing new to write */
    paxos_message_release(&m);
    kit_release(&k);
}

/* A promise that is durable after a higher one was given says nothing. */
static void promise_that_is_overtaken_is_not_given(void **state)
{
    (void)state;
    struct kit k;
    struct paxos_message m;
    quiet(&k);
    k.nodes[0].holds_disk = true;
    ask_promise(&k, 1, 0, b2);
    ask_promise(&k, 2, 0, b3);
    kit_durable(&k, 0, 2);
    assert_int_equal(kit_waiting(&k, 0, 1, KIT_ANY), 0);
    assert_int_equal(answer_type(&k, 2, &m), PAXOS_MSG_PROMISED);
    paxos_message_release(&m);
    kit_release(&k);
}

static void promise_tells_what_was_accepted(void **state)
{
    (void)state;
    struct kit k;
    struct paxos_message m;
    quiet(&k);
    ask_write(&k, 1, 0, b2, 1, "one");
    ask_write(&k, 1, 0, b2, 3, "three");
    kit_run(&k);
    kit_drop(&k, 0, KIT_ANY, PAXOS_MSG_WROTE);
    ask_promise(&k, 2, 0, b3);
    kit_run(&k);
    assert_int_equal(answer_type(&k, 2, &m), PAXOS_MSG_PROMISED);
    assert_int_equal(m.count, 2);
    assert_int_equal(m.records[0].position, 1);
    assert_int_equal(m.records[1].position, 3);
    assert_memory_equal(m.records[1].value->bytes, "three", 5);
    assert_int_equal(paxos_ballot_cmp(&m.records[1].ballot, &b2), 0);
    assert_int_equal(m.committed, 0);
    paxos_message_release(&m);
    kit_release(&k);
}

static void promises_and_votes_come_back_after_a_restart(void **state)
{
    (void)state;
    struct kit k;
    struct paxos_message m;
    quiet(&k);
    ask_write(&k, 1, 0, b2, 1, "one");
    ask_promise(&k, 2, 0, b3);
    kit_run(&k);
    kit_crash(&k, 0);
    kit_start(&k, 0);
    kit_connect_all(&k);
    assert_int_equal(paxos_ballot_cmp(&k.nodes[0].p->promised, &b3), 0);
    ask_write(&k, 1, 0, b2, 2, "two");
    kit_run(&k);
    assert_true(kit_take(&k, 0, 1, PAXOS_MSG_REJECTED, &m));
    paxos_message_release(&m);
    ask_promise(&k, 2, 0, b3);
    kit_run(&k);
    assert_true(kit_take(&k, 0, 2, PAXOS_MSG_PROMISED, &m));
    assert_int_equal(m.count, 1);
    assert_memory_equal(m.records[0].value->bytes, "one", 3);
    paxos_message_release(&m);
    kit_release(&k);
}

/* What was not durable was not told, and may be gone. */
static void lost_writes_were_told_to_nobody(void **state)
{
    (void)state;
    struct kit k;
    quiet(&k);
    k.nodes[0].holds_disk = true;
    ask_write(&k, 1, 0, b2, 1, "one");
    kit_run(&k);
    kit_crash(&k, 0);
    kit_start(&k, 0);
    assert_int_equal(k.nodes[0].p->accepted.count, 0);
    assert_int_equal(kit_view(&k, 0).promised.epoch, 0);
    assert_int_equal(kit_waiting(&k, 0, 1, PAXOS_MSG_WROTE), 0);
    kit_release(&k);
}

static void replica_that_does_not_vote_says_so(void **state)
{
    (void)state;
    struct kit k;
    struct paxos_message m;
    kit_init(&k, 2, 2); /* no third: nobody votes */
    kit_connect_all(&k);
    kit_pass(&k, 1000);
    kit_hold(&k, 0, KIT_ANY, KIT_ANY);
    ask_promise(&k, 1, 0, b2);
    assert_int_equal(answer_type(&k, 1, &m), PAXOS_MSG_IGNORED);
    assert_int_equal(m.status, PAXOS_EMPTY);
    assert_int_equal(paxos_ballot_cmp(&m.ballot, &b2), 0);
    paxos_message_release(&m);
    ask_write(&k, 1, 0, b2, 1, "x");
    assert_int_equal(answer_type(&k, 1, &m), PAXOS_MSG_IGNORED);
    paxos_message_release(&m);
    assert_int_equal(kit_view(&k, 0).promised.epoch, 0);
    kit_release(&k);
}

static void late_write_to_a_chosen_position_is_harmless(void **state)
{
    (void)state;
    struct kit k;
    struct paxos_message m;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 1, 1);
    kit_append(&k, 1, "x", "1");
    kit_pass(&k, 2000);
    assert_int_equal(kit_view(&k, 0).committed, 2);
    kit_hold(&k, 0, KIT_ANY, KIT_ANY);
    ask_write(&k, 2, 0, b3, 2, "another value, which nobody can have found");
    kit_run(&k);
    assert_int_equal(answer_type(&k, 2, &m), PAXOS_MSG_WROTE);
    paxos_message_release(&m);
    assert_string_equal(kit_get(&k, 0, "x"), "1");
    assert_int_equal(k.nodes[0].p->accepted.count, 0);
    kit_release(&k);
}

/* COMMITTED makes true what stands here under that ballot, and nothing else. */
static void hint_of_another_ballot_is_not_believed(void **state)
{
    (void)state;
    struct kit k;
    struct paxos_message m;
    quiet(&k);
    ask_write(&k, 1, 0, b2, 1, "x");
    kit_run(&k);
    assert_int_equal(answer_type(&k, 1, &m), PAXOS_MSG_WROTE);
    paxos_message_release(&m);
    struct paxos_message told = {
        .type = PAXOS_MSG_COMMITTED, .ballot = b3, .committed = 1};
    kit_say(&k, 2, 0, &told);
    assert_int_equal(kit_view(&k, 0).committed, 0);
    assert_int_equal(answer_type(&k, 2, &m), PAXOS_MSG_FETCH); /* it asks for it */
    paxos_message_release(&m);
    told.ballot = b2;
    kit_say(&k, 1, 0, &told);
    assert_int_equal(kit_view(&k, 0).committed, 1);
    kit_release(&k);
}

static void positions_far_ahead_are_not_remembered(void **state)
{
    (void)state;
    struct kit k;
    quiet(&k);
    ask_write(&k, 1, 0, b2, PAXOS_WINDOW, "last of the window");
    ask_write(&k, 1, 0, b2, (uint64_t)PAXOS_WINDOW + 1, "behind it");
    ask_write(&k, 1, 0, b2, UINT64_MAX, "behind everything");
    kit_run(&k);
    assert_int_equal(kit_waiting(&k, 0, 1, PAXOS_MSG_WROTE), 1);
    assert_int_equal(k.nodes[0].p->accepted.count, PAXOS_WINDOW);
    kit_release(&k);
}

static void bytes_that_are_no_message_are_dropped(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    struct paxos_effects fx = {0};
    struct paxos_event ev = {.type = PAXOS_EV_MESSAGE,
                             .now_ms = k.now_ms,
                             .peer = k.nodes[1].id,
                             .data = "\1\2nonsense",
                             .len = 10};
    paxos_step(k.nodes[0].p, &ev, &fx);
    assert_int_equal(fx.count, 1);
    assert_int_equal(fx.v[0].type, PAXOS_FX_LOG);
    assert_non_null(strstr(fx.v[0].text, "a message of another replica is dropped"));
    paxos_effects_release(&fx);
    kit_must_lead(&k, 0, 1);
    kit_release(&k);
}

/* ---- the journal ---- */

static void journal_is_put_down_anew(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    for (int i = 0; i < 12; i++) { /* all but the last are dead */
        kit_append_bytes(&k, 0, "big", 512 * 1024);
        kit_append(&k, 0, "small", "1");
        kit_run(&k);
    }
    kit_pass(&k, 3000);
    assert_true(k.nodes[1].rewrites > 0);
    size_t bytes = 0;
    for (size_t i = 0; i < k.nodes[1].journal.count; i++) {
        bytes += k.nodes[1].journal.v[i].len;
    }
    assert_true(bytes < 12 * 512 * 1024);
    kit_append(&k, 0, "behind", "1");
    kit_pass(&k, 3000);
    for (int i = 1; i < 3; i++) {
        uint64_t id = k.nodes[i].id;
        kit_crash(&k, i);
        kit_start(&k, i);
        assert_true(k.nodes[i].id == id);
        assert_true(kit_votes(&k, i));
        kit_assert_same(&k, 0, i);
    }
    kit_release(&k);
}

static int replay(struct kit *k, struct paxos_entry *e)
{
    struct mu_buf b;
    struct mu_error err;
    mu_buf_init(&b, SIZE_MAX / 2);
    paxos_entry_encode(&b, e);
    int rc = paxos_replay(k->nodes[0].p, mu_buf_str(&b), b.len, &err);
    mu_buf_release(&b);
    return rc;
}

static void damaged_entry_is_refused(void **state)
{
    (void)state;
    struct kit k;
    struct mu_error err;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    kit_append(&k, 0, "x", "1");
    kit_pass(&k, 2000);
    kit_crash(&k, 0);
    for (size_t i = 0; i < k.nodes[0].journal.count; i++) { /* each, cut short */
        struct mu_buf *e = &k.nodes[0].journal.v[i];
        e->len--;
        assert_int_equal(kit_replay(&k, 0, &err), MU_E_CORRUPT);
        e->len++;
        paxos_destroy(k.nodes[0].p);
        k.nodes[0].p = NULL;
    }
    struct mu_buf *e = &k.nodes[0].journal.v[1];
    char kind = e->data[0];
    e->data[0] = '?';
    assert_int_equal(kit_replay(&k, 0, &err), MU_E_UNSUPPORTED);
    e->data[0] = kind;
    paxos_destroy(k.nodes[0].p);
    k.nodes[0].p = NULL;
    assert_int_equal(kit_replay(&k, 0, &err), 0);
    kit_release(&k);
}

/* Entries that are well formed, and cannot stand where they do. */
static void entry_at_a_wrong_place_is_refused(void **state)
{
    (void)state;
    struct kit k;
    struct mu_error err;
    kit_init_voting(&k, 3, 2);
    kit_crash(&k, 0);
    assert_int_equal(kit_replay(&k, 0, &err), 0);
    struct paxos_value *v = paxos_value_create(PAXOS_NOTHING, NULL, 0);
    static const struct {
        uint8_t kind;
        uint64_t position;
    } wrong[] = {
        {PAXOS_ENTRY_COMMITTED, 7}, /* nothing is there */
        {PAXOS_ENTRY_ACCEPT, 3 * (uint64_t)PAXOS_WINDOW},
        {PAXOS_ENTRY_CHOSEN, 5},
        {PAXOS_ENTRY_SNAPSHOT, UINT64_MAX},
        {PAXOS_ENTRY_IDENTITY, 0}, /* of nobody */
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct paxos_entry e = {
            .kind = wrong[i].kind, .position = wrong[i].position, .value = v};
        assert_int_equal(replay(&k, &e), MU_E_CORRUPT);
    }
    paxos_value_unref(v);
    kit_release(&k);
}

/* A log that is old: no step is proportional to its length. */
static void map_at_a_large_position_is_taken_at_once(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_crash(&k, 0);
    struct mu_error err;
    assert_int_equal(kit_replay(&k, 0, &err), 0);
    struct paxos_entry far = {.kind = PAXOS_ENTRY_SNAPSHOT,
                              .position = 99999999999999999u, /* 17 digits */
                              .members = k.nodes[0].p->members};
    assert_int_equal(replay(&k, &far), 0);
    struct paxos_value *v = paxos_value_create(PAXOS_NOTHING, NULL, 0);
    for (uint64_t i = 1; i < 4; i++) { /* and over to 18 */
        struct paxos_entry next = {
            .kind = PAXOS_ENTRY_CHOSEN, .position = far.position + i, .value = v};
        assert_int_equal(replay(&k, &next), 0);
    }
    paxos_value_unref(v);
    assert_true(kit_view(&k, 0).committed == far.position + 3);
    kit_release(&k);
}

/* It would be chosen, and stop each replica that reads it. */
static void batch_that_nobody_can_read_is_not_written(void **state)
{
    (void)state;
    static const char bad[] = "B\1\0\0\0\0\0\0\0\2\0\0\0rest";
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    struct paxos_effects fx = {0};
    struct paxos_event ev = {.type = PAXOS_EV_APPEND,
                             .now_ms = k.now_ms,
                             .data = bad,
                             .len = sizeof(bad) - 1,
                             .token = 1};
    paxos_step(k.nodes[0].p, &ev, &fx);
    assert_int_equal(fx.count, 1);
    assert_int_equal(fx.v[0].type, PAXOS_FX_DONE);
    assert_int_equal(fx.v[0].status, MU_E_INVALID);
    paxos_effects_release(&fx);
    assert_int_equal(kit_view(&k, 0).in_flight, 0);
    kit_release(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(higher_ballot_is_promised),
        cmocka_unit_test(accepted_bytes_are_bounded),
        cmocka_unit_test(lower_ballot_is_rejected_and_told_why),
        cmocka_unit_test(same_ballot_is_promised_again),
        cmocka_unit_test(nothing_is_answered_before_it_is_durable),
        cmocka_unit_test(promise_that_is_overtaken_is_not_given),
        cmocka_unit_test(promise_tells_what_was_accepted),
        cmocka_unit_test(promises_and_votes_come_back_after_a_restart),
        cmocka_unit_test(lost_writes_were_told_to_nobody),
        cmocka_unit_test(replica_that_does_not_vote_says_so),
        cmocka_unit_test(late_write_to_a_chosen_position_is_harmless),
        cmocka_unit_test(hint_of_another_ballot_is_not_believed),
        cmocka_unit_test(positions_far_ahead_are_not_remembered),
        cmocka_unit_test(bytes_that_are_no_message_are_dropped),
        cmocka_unit_test(journal_is_put_down_anew),
        cmocka_unit_test(damaged_entry_is_refused),
        cmocka_unit_test(entry_at_a_wrong_place_is_refused),
        cmocka_unit_test(map_at_a_large_position_is_taken_at_once),
        cmocka_unit_test(batch_that_nobody_can_read_is_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
