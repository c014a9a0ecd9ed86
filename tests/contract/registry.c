/* The contract of registry plugins (core/include/muster/kind/registry.h); see
 * contract_kit.h for how it is run. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <muster/buf.h>
#include <muster/json_writer.h>
#include <muster/kind/registry.h>

#include "base/alloc.h"
#include "contract/contract_kit.h"

static struct kit kit; /* what main loaded */
static const struct mu_registry_ops *ops;

#define PENDING 12345 /* no status: not answered yet */

/* A store and what it heard. */
struct subject {
    struct mu_registry_store *store;
    size_t fenced;
    bool was_fenced;
};

static void heard_fenced(void *arg)
{
    struct subject *s = arg;
    s->fenced++;
    s->was_fenced = true;
}

static const struct mu_registry_events events = {heard_fenced};

/* One answer. */
struct answer {
    int status;
    size_t count;
    bool is_done;
    struct mu_buf entries; /* of a recover: "key=value;" */
    size_t entry_count;
    struct order *order; /* may be NULL */
    void (*then)(void *arg);
    void *then_arg;
};

/* In which order answers came. */
struct order {
    const struct answer *v[64];
    size_t count;
};

static void answer_init(struct answer *a)
{
    *a = (struct answer){.status = PENDING};
    mu_buf_init(&a->entries, 64 * 1024 * 1024);
}

static void on_entry(void *arg, const char *key, const void *value, size_t len)
{
    struct answer *a = arg;
    assert_int_equal(a->count, 0); /* entries before the answer */
    a->entry_count++;
    mu_buf_puts(&a->entries, key);
    mu_buf_putc(&a->entries, '=');
    mu_buf_append(&a->entries, value, len);
    mu_buf_putc(&a->entries, ';');
}

static void on_answer(void *arg, int status, const char *text)
{
    struct answer *a = arg;
    assert_int_equal(a->count, 0); /* exactly once */
    assert_true(status == 0 || text != NULL);
    a->count++;
    a->status = status;
    a->is_done = true;
    if (a->order != NULL) {
        a->order->v[a->order->count++] = a;
    }
    if (a->then != NULL) {
        a->then(a->then_arg);
    }
}

static void open_store(struct subject *s, const char *name)
{
    struct mu_error err;
    *s = (struct subject){0};
    if (ops->open(kit.instance, name, &events, s, &s->store, &err) < 0) {
        fail_msg("open: %s", err.text);
    }
}

static void close_store(struct subject *s)
{
    bool closed = false;
    ops->close(s->store, kit_set_flag, &closed);
    assert_false(closed);
    assert_true(kit_run_until(&kit, &closed));
    s->store = NULL;
}

static void ask_recover(struct subject *s, uint64_t epoch, struct answer *a)
{
    struct mu_error err;
    answer_init(a);
    if (ops->recover(s->store, epoch, on_entry, on_answer, a, &err) < 0) {
        fail_msg("recover: %s", err.text);
    }
    assert_false(a->is_done); /* never inline */
    assert_int_equal(a->entry_count, 0);
}

/* Recovers; entries as "key=value;..." must be these. */
static void recover_expect(struct subject *s, uint64_t epoch, const char *entries)
{
    struct answer a;
    ask_recover(s, epoch, &a);
    assert_true(kit_run_until(&kit, &a.is_done));
    assert_int_equal(a.status, 0);
    assert_string_equal(mu_buf_str(&a.entries), entries);
    mu_buf_release(&a.entries);
}

static struct mu_registry_op put(const char *key, const char *value)
{
    return (struct mu_registry_op){key, value, strlen(value)};
}

static struct mu_registry_op drop(const char *key)
{
    return (struct mu_registry_op){key, NULL, 0};
}

static void
ask_commit(struct subject *s, const struct mu_registry_op *v, size_t n, struct answer *a)
{
    struct mu_error err;
    answer_init(a);
    if (ops->commit(s->store, v, n, on_answer, a, &err) < 0) {
        fail_msg("commit: %s", err.text);
    }
    assert_false(a->is_done); /* never inline */
}

static int commit(struct subject *s, const struct mu_registry_op *v, size_t n)
{
    struct answer a;
    ask_commit(s, v, n, &a);
    assert_true(kit_run_until(&kit, &a.is_done));
    return a.status;
}

static int put_one(struct subject *s, const char *key, const char *value)
{
    const struct mu_registry_op op = put(key, value);
    return commit(s, &op, 1);
}

static int setup(void **state)
{
    (void)state;
    ops = kit.plugin->ops;
    kit_host_open(&kit);
    kit_create(&kit);
    kit_start(&kit);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kit_destroy(&kit, true);
    kit_host_close(&kit);
    return 0;
}

static void new_store_is_empty(void **state)
{
    (void)state;
    struct subject s;
    open_store(&s, "master");
    recover_expect(&s, 1, "");
    close_store(&s);
}

static void entries_come_in_key_order_whatever_order_they_were_put_in(void **state)
{
    (void)state;
    struct subject s;
    open_store(&s, "master");
    recover_expect(&s, 1, "");
    const struct mu_registry_op first[] = {put("b", "2"), put("a/b", "4"),
                                           put("\xc3\xa9", "8"), put("a", "1")};
    assert_int_equal(commit(&s, first, 4), 0);
    const struct mu_registry_op second[] = {put("a-b", "3"), put("B", "0"),
                                            put("aa", "5")};
    assert_int_equal(commit(&s, second, 3), 0);
    recover_expect(&s, 2, "B=0;a=1;a-b=3;a/b=4;aa=5;b=2;\xc3\xa9=8;");
    close_store(&s);
}

static void batch_puts_replaces_and_deletes_in_its_own_order(void **state)
{
    (void)state;
    struct subject s;
    open_store(&s, "master");
    recover_expect(&s, 1, "");
    const struct mu_registry_op first[] = {put("a", "1"), put("b", "1"), put("c", "1")};
    assert_int_equal(commit(&s, first, 3), 0);
    const struct mu_registry_op second[] = {
        put("a", "longer than it was"),
        drop("b"),
        drop("never there"),
        put("c", "2"),
        drop("c"),
        drop("d"),
        put("d", "3"),
    };
    assert_int_equal(commit(&s, second, 7), 0);
    recover_expect(&s, 2, "a=longer than it was;d=3;");
    close_store(&s);
}

static void empty_batch_and_empty_value_are_fine(void **state)
{
    (void)state;
    struct subject s;
    open_store(&s, "master");
    recover_expect(&s, 1, "");
    assert_int_equal(commit(&s, NULL, 0), 0);
    assert_int_equal(put_one(&s, "empty", ""), 0);
    recover_expect(&s, 1, "empty=;");
    close_store(&s);
}

static void values_are_bytes_and_are_copied(void **state)
{
    (void)state;
    struct subject s;
    open_store(&s, "master");
    recover_expect(&s, 1, "");
    char key[] = "key";
    char value[] = {'a', '\0', '\xff', ';'};
    const struct mu_registry_op op = {key, value, sizeof(value)};
    struct answer a;
    ask_commit(&s, &op, 1, &a);
    memset(key, 'x', 3);
    memset(value, 'x', sizeof(value));
    assert_true(kit_run_until(&kit, &a.is_done));
    ask_recover(&s, 1, &a);
    assert_true(kit_run_until(&kit, &a.is_done));
    assert_int_equal(a.entries.len, 9);
    assert_memory_equal(a.entries.data, "key=a\0\xff;;", 9);
    mu_buf_release(&a.entries);
    close_store(&s);
}

static int
refused(struct subject *s, const struct mu_registry_op *v, size_t n, char *text)
{
    struct mu_error err = {0};
    struct answer a;
    answer_init(&a);
    int rc = ops->commit(s->store, v, n, on_answer, &a, &err);
    kit_turn(&kit);
    assert_false(a.is_done); /* refused: the callback never runs */
    memcpy(text, err.text, sizeof(err.text));
    return rc;
}

static void limits_are_named_and_a_refused_batch_changes_nothing(void **state)
{
    (void)state;
    struct subject s;
    struct mu_error text;
    open_store(&s, "master");
    recover_expect(&s, 1, "");
    mu_auto_free char *value = mu_xcalloc(1, MU_REGISTRY_VALUE_MAX + 1);
    memset(value, 'v', MU_REGISTRY_VALUE_MAX);
    char key[MU_REGISTRY_KEY_MAX + 2] = {0};
    memset(key, 'k', MU_REGISTRY_KEY_MAX);

    struct mu_registry_op v[] = {put("good", "1"),
                                 {"big", value, MU_REGISTRY_VALUE_MAX + 1}};
    assert_int_equal(refused(&s, v, 2, text.text), -E2BIG);
    assert_non_null(strstr(text.text, "1 MiB"));
    assert_non_null(strstr(text.text, "'big'"));
    v[1] = (struct mu_registry_op){"", value, 1};
    assert_int_equal(refused(&s, v, 2, text.text), MU_E_INVALID);
    key[MU_REGISTRY_KEY_MAX] = 'k';
    v[1] = put(key, "1");
    assert_int_equal(refused(&s, v, 2, text.text), -E2BIG);
    assert_non_null(strstr(text.text, "512"));
    recover_expect(&s, 1, "");

    key[MU_REGISTRY_KEY_MAX] = '\0';
    v[0] = put(key, "1");
    v[1] = (struct mu_registry_op){"big", value, MU_REGISTRY_VALUE_MAX};
    assert_int_equal(commit(&s, v, 2), 0);
    struct answer a;
    ask_recover(&s, 1, &a);
    assert_true(kit_run_until(&kit, &a.is_done));
    assert_int_equal(a.entry_count, 2);
    assert_int_equal(a.entries.len, 5 + MU_REGISTRY_VALUE_MAX + MU_REGISTRY_KEY_MAX + 3);
    mu_buf_release(&a.entries);
    close_store(&s);
}

static void commit_before_recover_has_answered_is_refused(void **state)
{
    (void)state;
    struct subject s;
    struct mu_error text;
    struct answer a;
    open_store(&s, "master");
    const struct mu_registry_op op = put("a", "1");
    assert_int_equal(refused(&s, &op, 1, text.text), MU_E_INVALID);
    ask_recover(&s, 1, &a);
    struct answer b;
    struct mu_error err;
    answer_init(&b);
    assert_int_equal(ops->commit(s.store, &op, 1, on_answer, &b, &err), MU_E_INVALID);
    assert_true(kit_run_until(&kit, &a.is_done));
    assert_int_equal(put_one(&s, "a", "1"), 0);
    close_store(&s);
}

static void pipelined_commits_are_answered_in_order_and_all_count(void **state)
{
    (void)state;
    struct subject s;
    struct order order = {.count = 0};
    struct answer answers[50];
    open_store(&s, "master");
    recover_expect(&s, 1, "");
    for (int i = 0; i < 50; i++) {
        char value[8];
        snprintf(value, sizeof(value), "%d", i);
        const struct mu_registry_op v[] = {put("last", value), put(value, "x")};
        ask_commit(&s, v, 2, &answers[i]);
        answers[i].order = &order;
    }
    assert_true(kit_run_until(&kit, &answers[49].is_done));
    assert_int_equal(order.count, 50);
    for (int i = 0; i < 50; i++) {
        assert_ptr_equal(order.v[i], &answers[i]);
        assert_int_equal(answers[i].status, 0);
    }
    struct answer a;
    ask_recover(&s, 1, &a);
    assert_true(kit_run_until(&kit, &a.is_done));
    assert_int_equal(a.entry_count, 51);
    assert_non_null(strstr(mu_buf_str(&a.entries), "last=49;"));
    mu_buf_release(&a.entries);
    close_store(&s);
}

static void names_are_separate_stores(void **state)
{
    (void)state;
    struct subject master;
    struct subject apps;
    open_store(&master, "master");
    open_store(&apps, "apps");
    recover_expect(&master, 7, "");
    recover_expect(&apps, 3, "");
    assert_int_equal(put_one(&master, "a", "m"), 0);
    assert_int_equal(put_one(&apps, "a", "s"), 0);
    recover_expect(&master, 7, "a=m;");
    recover_expect(&apps, 3, "a=s;");
    assert_int_equal(master.fenced + apps.fenced, 0);
    close_store(&master);
    close_store(&apps);
}

static void lower_epoch_is_fenced_and_the_same_one_is_not(void **state)
{
    (void)state;
    struct subject s;
    struct answer a;
    open_store(&s, "master");
    recover_expect(&s, 5, "");
    assert_int_equal(put_one(&s, "a", "1"), 0);
    ask_recover(&s, 4, &a);
    assert_true(kit_run_until(&kit, &a.is_done));
    assert_int_equal(a.status, MU_E_FENCED);
    assert_int_equal(a.entry_count, 0);
    recover_expect(&s, 5, "a=1;");
    close_store(&s);
}

static void newer_epoch_fences_the_writer_before_it(void **state)
{
    (void)state;
    struct subject old;
    struct subject new;
    open_store(&old, "master");
    recover_expect(&old, 1, "");
    assert_int_equal(put_one(&old, "a", "1"), 0);
    open_store(&new, "master");
    kit_turn(&kit);
    assert_int_equal(old.fenced, 0); /* opening alone does nothing */
    recover_expect(&new, 2, "a=1;");
    assert_true(kit_run_until(&kit, &old.was_fenced));
    assert_int_equal(put_one(&old, "a", "stale"), MU_E_FENCED);
    assert_int_equal(put_one(&old, "b", "stale"), MU_E_FENCED);
    assert_int_equal(put_one(&new, "c", "1"), 0);
    recover_expect(&new, 2, "a=1;c=1;");
    assert_int_equal(old.fenced, 1);
    assert_int_equal(new.fenced, 0);
    close_store(&old);
    close_store(&new);
}

static void commit_under_way_at_the_fence_is_either_done_or_refused(void **state)
{
    (void)state;
    struct subject old;
    struct subject new;
    struct answer before;
    struct answer after;
    struct answer recovered;
    open_store(&old, "master");
    open_store(&new, "master");
    recover_expect(&old, 1, "");
    const struct mu_registry_op first = put("before", "1");
    const struct mu_registry_op second = put("after", "1");
    ask_commit(&old, &first, 1, &before);
    ask_recover(&new, 2, &recovered);
    ask_commit(&old, &second, 1, &after);
    assert_true(kit_run_until(&kit, &after.is_done));
    assert_true(kit_run_until(&kit, &before.is_done));
    assert_true(kit_run_until(&kit, &recovered.is_done));
    assert_int_equal(recovered.status, 0);
    const char *entries = mu_buf_str(&recovered.entries);
    assert_true(before.status == 0 || before.status == MU_E_FENCED);
    assert_int_equal(strstr(entries, "before=1;") != NULL, before.status == 0);
    /* when the fence comes into force is the plugin's affair: "after" may be in front of
     * it */
    assert_true(after.status == 0 || after.status == MU_E_FENCED);
    assert_int_equal(strstr(entries, "after=1;") != NULL, after.status == 0);
    mu_buf_release(&recovered.entries);
    assert_int_equal(put_one(&old, "late", "1"), MU_E_FENCED);
    close_store(&old);
    close_store(&new);
}

static void recover_overtaken_by_a_newer_one_is_fenced(void **state)
{
    (void)state;
    struct subject old;
    struct subject new;
    struct answer first;
    struct answer second;
    open_store(&old, "master");
    open_store(&new, "master");
    ask_recover(&old, 1, &first);
    ask_recover(&new, 2, &second);
    assert_true(kit_run_until(&kit, &first.is_done));
    assert_true(kit_run_until(&kit, &second.is_done));
    assert_int_equal(first.status, MU_E_FENCED);
    assert_int_equal(second.status, 0);
    close_store(&old);
    close_store(&new);
}

static void fenced_store_writes_again_after_a_recover_of_a_higher_epoch(void **state)
{
    (void)state;
    struct subject a;
    struct subject b;
    open_store(&a, "master");
    open_store(&b, "master");
    recover_expect(&a, 1, "");
    recover_expect(&b, 2, "");
    assert_true(kit_run_until(&kit, &a.was_fenced));
    recover_expect(&a, 3, "");
    assert_true(kit_run_until(&kit, &b.was_fenced));
    assert_int_equal(put_one(&a, "k", "a"), 0);
    assert_int_equal(put_one(&b, "k", "b"), MU_E_FENCED);
    assert_int_equal(a.fenced, 1);
    assert_int_equal(b.fenced, 1);
    close_store(&b);
    recover_expect(&a, 3, "k=a;");
    close_store(&a);
}

static void reopened_store_has_its_entries_and_its_epoch(void **state)
{
    (void)state;
    struct subject s;
    struct answer a;
    open_store(&s, "master");
    recover_expect(&s, 9, "");
    assert_int_equal(put_one(&s, "a", "1"), 0);
    close_store(&s);
    open_store(&s, "master");
    ask_recover(&s, 8, &a);
    assert_true(kit_run_until(&kit, &a.is_done));
    assert_int_equal(a.status, MU_E_FENCED);
    recover_expect(&s, 9, "a=1;");
    assert_int_equal(s.fenced, 0);
    close_store(&s);
}

static void close_answers_all_that_is_under_way_first(void **state)
{
    (void)state;
    struct subject s;
    struct answer answers[10];
    struct answer recovered;
    open_store(&s, "master");
    recover_expect(&s, 1, "");
    for (int i = 0; i < 10; i++) {
        char key[8];
        snprintf(key, sizeof(key), "%d", i);
        const struct mu_registry_op op = put(key, "x");
        ask_commit(&s, &op, 1, &answers[i]);
    }
    ask_recover(&s, 2, &recovered);
    close_store(&s);
    assert_true(recovered.is_done);
    mu_buf_release(&recovered.entries);
    bool is_open = true; /* a prefix is done, the rest cancelled */
    for (int i = 0; i < 10; i++) {
        assert_true(answers[i].is_done);
        assert_true(answers[i].status == (is_open ? 0 : -ECANCELED) ||
                    answers[i].status == -ECANCELED);
        is_open = answers[i].status == 0;
    }
    open_store(&s, "master");
    ask_recover(&s, 3, &recovered);
    assert_true(kit_run_until(&kit, &recovered.is_done));
    for (int i = 0; i < 10; i++) {
        char entry[8];
        snprintf(entry, sizeof(entry), "%d=x;", i);
        bool is_there = strstr(mu_buf_str(&recovered.entries), entry) != NULL;
        assert_true(is_there || answers[i].status != 0);
    }
    mu_buf_release(&recovered.entries);
    close_store(&s);
}

static void store_that_never_recovered_can_be_closed(void **state)
{
    (void)state;
    struct subject s;
    open_store(&s, "master");
    close_store(&s);
}

/* Callbacks may use the store. */
struct chain {
    struct subject s;
    struct answer recovered, committed, again;
    bool is_closed;
};
static void chain_closed(void *arg)
{
    struct chain *c = arg;
    c->is_closed = true;
}
static void chain_again(void *arg)
{
    struct chain *c = arg;
    assert_int_equal(c->again.status, 0);
    assert_string_equal(mu_buf_str(&c->again.entries), "a=1;");
    mu_buf_release(&c->again.entries);
    ops->close(c->s.store, chain_closed, c);
    assert_false(c->is_closed);
}
static void chain_committed(void *arg)
{
    struct chain *c = arg;
    assert_int_equal(c->committed.status, 0);
    ask_recover(&c->s, 2, &c->again);
    c->again.then = chain_again;
    c->again.then_arg = c;
}
static void chain_recovered(void *arg)
{
    struct chain *c = arg;
    assert_int_equal(c->recovered.status, 0);
    const struct mu_registry_op op = put("a", "1");
    ask_commit(&c->s, &op, 1, &c->committed);
    c->committed.then = chain_committed;
    c->committed.then_arg = c;
}

static void callbacks_may_commit_recover_and_close(void **state)
{
    (void)state;
    struct chain c = {.is_closed = false};
    open_store(&c.s, "master");
    ask_recover(&c.s, 1, &c.recovered);
    c.recovered.then = chain_recovered;
    c.recovered.then_arg = &c;
    assert_true(kit_run_until(&kit, &c.is_closed));
}

static void stop_closes_what_is_open_and_answers_it(void **state)
{
    (void)state;
    struct subject s;
    struct answer a;
    open_store(&s, "master");
    recover_expect(&s, 1, "");
    const struct mu_registry_op op = put("a", "1");
    ask_commit(&s, &op, 1, &a);
    kit_destroy(&kit, true);
    assert_true(a.is_done);
    kit_create(&kit); /* for teardown */
    kit_start(&kit);
}

/* Optional; what is written is members of one object, and a store that answers has no
 * reason not to. */
static void look_at(const char *name)
{
    struct mu_buf text;
    struct mu_jw w;
    mu_buf_init(&text, 1 << 20);
    if (MU_HAS(struct mu_registry_ops, ops, describe) && ops->describe != NULL) {
        mu_jw_init(&w, &text);
        mu_jw_object_begin(&w);
        ops->describe(kit.instance, name, &w);
        assert_int_equal(w.depth, 1);
        assert_false(w.after_key);
        mu_jw_object_end(&w);
        assert_true(mu_buf_ok(&text));
    }
    mu_buf_clear(&text);
    if (MU_HAS(struct mu_registry_ops, ops, explain) && ops->explain != NULL) {
        ops->explain(kit.instance, name, &text);
        assert_string_equal(mu_buf_str(&text), "");
    }
    mu_buf_release(&text);
}

static void it_can_be_looked_at_whether_it_is_open_or_not(void **state)
{
    (void)state;
    struct subject s;
    struct answer a;
    look_at("master");
    open_store(&s, "master");
    look_at("master");
    recover_expect(&s, 1, "");
    look_at("master");
    const struct mu_registry_op op = put("k", "v");
    ask_commit(&s, &op, 1, &a);
    look_at("master"); /* asked a moment ago */
    assert_true(kit_run_until(&kit, &a.is_done));
    assert_int_equal(a.status, 0);
    mu_buf_release(&a.entries);
    look_at("master");
    look_at("other");
    close_store(&s);
    look_at("master");
}

static void nameless_store_is_refused(void **state)
{
    (void)state;
    struct subject s = {0};
    struct mu_error err;
    assert_int_equal(ops->open(kit.instance, "", &events, &s, &s.store, &err),
                     MU_E_INVALID);
    assert_null(s.store);
}

static void thousands_of_entries_come_back(void **state)
{
    (void)state;
    struct subject s;
    struct answer a;
    open_store(&s, "master");
    recover_expect(&s, 1, "");
    for (int batch = 0; batch < 50; batch++) {
        char keys[100][16];
        struct mu_registry_op v[100];
        for (int i = 0; i < 100; i++) {
            int number = (batch * 100 + i) * 7919 % 5000; /* each once, scattered */
            snprintf(keys[i], sizeof(keys[i]), "agents/%04d", number);
            v[i] = put(keys[i], keys[i]);
        }
        assert_int_equal(commit(&s, v, 100), 0);
    }
    ask_recover(&s, 2, &a);
    assert_true(kit_run_until(&kit, &a.is_done));
    assert_int_equal(a.entry_count, 5000);
    const char *at = mu_buf_str(&a.entries);
    for (int i = 0; i < 5000; i++) {
        char entry[32];
        snprintf(entry, sizeof(entry), "agents/%04d=agents/%04d;", i, i);
        assert_memory_equal(at, entry, strlen(entry));
        at += strlen(entry);
    }
    mu_buf_release(&a.entries);
    close_store(&s);
}

static void new_instance_has_what_was_acknowledged_if_it_is_durable(void **state)
{
    (void)state;
    struct subject s;
    struct answer a;
    open_store(&s, "master");
    recover_expect(&s, 5, "");
    assert_int_equal(put_one(&s, "a", "1"), 0);
    assert_int_equal(put_one(&s, "b", "2"), 0);
    close_store(&s);
    kit_destroy(&kit, true);
    kit_create(&kit);
    kit_start(&kit);
    open_store(&s, "master");
    ask_recover(&s, 4, &a);
    assert_true(kit_run_until(&kit, &a.is_done));
    assert_int_equal(a.status, kit.is_durable ? MU_E_FENCED : 0);
    recover_expect(&s, 5, kit.is_durable ? "a=1;b=2;" : "");
    close_store(&s);
}

int main(int argc, char **argv)
{
    kit_load(&kit, argc, argv, MU_KIND_REGISTRY);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(new_store_is_empty),
        TEST(entries_come_in_key_order_whatever_order_they_were_put_in),
        TEST(batch_puts_replaces_and_deletes_in_its_own_order),
        TEST(empty_batch_and_empty_value_are_fine),
        TEST(values_are_bytes_and_are_copied),
        TEST(limits_are_named_and_a_refused_batch_changes_nothing),
        TEST(commit_before_recover_has_answered_is_refused),
        TEST(pipelined_commits_are_answered_in_order_and_all_count),
        TEST(names_are_separate_stores),
        TEST(lower_epoch_is_fenced_and_the_same_one_is_not),
        TEST(newer_epoch_fences_the_writer_before_it),
        TEST(commit_under_way_at_the_fence_is_either_done_or_refused),
        TEST(recover_overtaken_by_a_newer_one_is_fenced),
        TEST(fenced_store_writes_again_after_a_recover_of_a_higher_epoch),
        TEST(reopened_store_has_its_entries_and_its_epoch),
        TEST(close_answers_all_that_is_under_way_first),
        TEST(store_that_never_recovered_can_be_closed),
        TEST(callbacks_may_commit_recover_and_close),
        TEST(stop_closes_what_is_open_and_answers_it),
        TEST(it_can_be_looked_at_whether_it_is_open_or_not),
        TEST(nameless_store_is_refused),
        TEST(thousands_of_entries_come_back),
        TEST(new_instance_has_what_was_acknowledged_if_it_is_durable),
    };
    int failed = cmocka_run_group_tests_name(kit.plugin->name, tests, NULL, NULL);
    kit_unload(&kit);
    return failed;
}
