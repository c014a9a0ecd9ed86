/* List, vector, maps and heap, the latter three against naive models under random use. */
#include "cm.h"

#include <stdio.h>
#include <string.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/omap.h"
#include "base/prng.h"
#include "base/vec.h"

struct item {
    int n;
    struct mu_list link;
};

static void list_keeps_order_and_tolerates_removal(void **state)
{
    (void)state;
    struct mu_list head;
    mu_list_init(&head);
    struct item items[4];
    for (int i = 0; i < 4; i++) {
        items[i].n = i;
        mu_list_init(&items[i].link);
        assert_false(mu_list_linked(&items[i].link));
        mu_list_append(&head, &items[i].link);
    }
    mu_list_foreach_safe (node, &head) {
        struct item *x = mu_list_entry(node, struct item, link);
        if (x->n % 2 == 0) {
            mu_list_remove(node);
            mu_list_remove(node); /* twice is harmless */
        }
    }
    int seen = 0;
    mu_list_foreach (node, &head) {
        seen = seen * 10 + mu_list_entry(node, struct item, link)->n;
    }
    assert_int_equal(seen, 13);
    mu_list_prepend(&head, &items[0].link);
    assert_ptr_equal(mu_list_pop(&head), &items[0].link);
    assert_ptr_equal(mu_list_pop(&head), &items[1].link);
    assert_ptr_equal(mu_list_pop(&head), &items[3].link);
    assert_null(mu_list_pop(&head));
    assert_true(mu_list_empty(&head));
}

static void list_splice_moves_all_to_the_end(void **state)
{
    (void)state;
    struct mu_list a;
    struct mu_list b;
    struct mu_list n[3];
    mu_list_init(&a);
    mu_list_init(&b);
    mu_list_append(&a, &n[0]);
    mu_list_append(&b, &n[1]);
    mu_list_append(&b, &n[2]);
    mu_list_splice(&a, &b);
    assert_true(mu_list_empty(&b));
    for (int i = 0; i < 3; i++) {
        assert_ptr_equal(mu_list_pop(&a), &n[i]);
    }
    mu_list_splice(&a, &b); /* empty onto empty */
    assert_true(mu_list_empty(&a));
}

static void vec_insert_and_remove_move_the_rest(void **state)
{
    (void)state;
    MU_VEC(int) v = {0};
    for (int i = 0; i < 100; i++) {
        MU_VEC_PUSH(&v, i);
    }
    MU_VEC_INSERT(&v, 0, -1);
    MU_VEC_INSERT(&v, 101, 100);
    assert_int_equal(v.count, 102);
    for (int i = 0; i < 102; i++) {
        assert_int_equal(v.v[i], i - 1);
    }
    MU_VEC_REMOVE(&v, 0);
    assert_int_equal(v.v[0], 0);
    MU_VEC_REMOVE_SWAP(&v, 0);
    assert_int_equal(v.v[0], 100);
    assert_int_equal(v.v[1], 1);
    assert_int_equal(v.count, 100);
    MU_VEC_PUSH_ZERO(&v);
    assert_int_equal(v.v[100], 0);
    MU_VEC_CLEAR(&v);
    assert_int_equal(v.count, 0);
    MU_VEC_RELEASE(&v);
    assert_null(v.v);
}

static void map_iterates_in_order_of_insertion(void **state)
{
    (void)state;
    struct mu_map m;
    mu_map_init(&m, 7);
    int values[3] = {0};
    assert_null(mu_map_get(&m, "a"));
    assert_null(mu_map_remove(&m, "a"));
    assert_null(mu_map_put(&m, "z", &values[0]));
    assert_null(mu_map_put(&m, "a", &values[1]));
    assert_null(mu_map_put(&m, "m", &values[2]));
    assert_ptr_equal(mu_map_put(&m, "z", &values[1]), &values[0]);
    char keys[8] = "";
    mu_map_foreach (e, &m) {
        (void)snprintf(keys + strlen(keys), 4, "%s", e->key);
    }
    assert_string_equal(keys, "zam");
    assert_ptr_equal(mu_map_get_len(&m, "abc", 1), &values[1]);
    assert_null(mu_map_get_len(&m, "", 0));
    mu_map_foreach_safe (e, &m) {
        if (e->key[0] == 'a') {
            assert_ptr_equal(mu_map_remove(&m, e->key), &values[1]);
        }
    }
    assert_int_equal(m.count, 2);
    mu_map_release(&m);
    assert_null(mu_map_get(&m, "z"));
}

static void key_of(uint64_t n, char *out)
{
    (void)snprintf(out, 24, "k%llu", (unsigned long long)n);
}

#define MODEL_KEYS 400

/* Both maps against an array of values (and, for insertion order, of stamps). */
static void maps_agree_with_a_model_under_random_use(void **state)
{
    (void)state;
    static char values[64];
    void *model[MODEL_KEYS] = {0};
    uint64_t stamp[MODEL_KEYS] = {0};
    struct mu_map m = {0};
    struct mu_omap o = {0};
    struct mu_prng rng;
    mu_prng_seed(&rng, 42);
    for (uint64_t step = 1; step <= 20000; step++) {
        uint64_t n = mu_prng_below(&rng, MODEL_KEYS);
        char key[24];
        key_of(n, key);
        if (mu_prng_chance(&rng, 500000)) {
            void *value = &values[mu_prng_below(&rng, sizeof(values))];
            assert_ptr_equal(mu_map_put(&m, key, value), model[n]);
            assert_ptr_equal(mu_omap_put(&o, key, value), model[n]);
            stamp[n] = model[n] == NULL ? step : stamp[n];
            model[n] = value;
        } else {
            assert_ptr_equal(mu_map_remove(&m, key), model[n]);
            assert_ptr_equal(mu_omap_remove(&o, key), model[n]);
            model[n] = NULL;
        }
        assert_ptr_equal(mu_map_get(&m, key), model[n]);
        assert_ptr_equal(mu_omap_get(&o, key), model[n]);
        assert_int_equal(m.count, o.count);
    }
    size_t count = 0;
    uint64_t last = 0;
    mu_map_foreach (e, &m) {
        uint64_t n = strtoull(e->key + 1, NULL, 10);
        assert_ptr_equal(e->value, model[n]);
        assert_true(stamp[n] > last);
        last = stamp[n];
        count++;
    }
    assert_int_equal(count, m.count);
    const struct mu_omap_entry *before = NULL;
    mu_omap_foreach (e, &o) {
        assert_ptr_equal(e->value, model[strtoull(e->key + 1, NULL, 10)]);
        assert_ptr_equal(e->prev, before);
        assert_true(before == NULL || strcmp(before->key, e->key) < 0);
        before = e;
        count--;
    }
    assert_int_equal(count, 0);
    assert_ptr_equal(o.last, before);
    mu_map_release(&m);
    mu_omap_release(&o);
}

static size_t depth(const struct mu_omap_entry *e)
{
    if (e == NULL) {
        return 0;
    }
    size_t a = depth(e->child[0]);
    size_t b = depth(e->child[1]);
    return 1 + (a > b ? a : b);
}

static void omap_stays_shallow_when_filled_in_order(void **state)
{
    (void)state;
    static char value;
    struct mu_omap o;
    mu_omap_init(&o);
    for (unsigned i = 0; i < 10000; i++) {
        char key[24];
        (void)snprintf(key, sizeof(key), "%08u", i);
        (void)mu_omap_put(&o, key, &value);
    }
    assert_true(depth(o.root) < 50);
    mu_omap_release(&o);
    assert_null(o.first);
}

static void omap_bounds_find_prefixes(void **state)
{
    (void)state;
    static char value;
    struct mu_omap o = {0};
    const char *keys[] = {"apps/b", "agents/2", "agents/1", "apps/a"};
    for (size_t i = 0; i < MU_COUNT_OF(keys); i++) {
        (void)mu_omap_put(&o, keys[i], &value);
    }
    assert_string_equal(mu_omap_lower_bound(&o, "apps/")->key, "apps/a");
    assert_string_equal(mu_omap_lower_bound(&o, "apps/a")->key, "apps/a");
    assert_string_equal(mu_omap_upper_bound(&o, "apps/a")->key, "apps/b");
    assert_string_equal(mu_omap_lower_bound(&o, "")->key, "agents/1");
    assert_null(mu_omap_lower_bound(&o, "b"));
    assert_null(mu_omap_upper_bound(&o, "apps/b"));
    assert_string_equal(mu_omap_find(&o, "agents/2")->next->key, "apps/a");
    mu_omap_foreach_safe (e, &o) {
        (void)mu_omap_remove(&o, e->key);
    }
    assert_int_equal(o.count, 0);
    assert_null(o.root);
    assert_null(o.last);
    mu_omap_release(&o);
}

static void heap_pops_equal_keys_first_in_first_out(void **state)
{
    (void)state;
    struct mu_heap h;
    mu_heap_init(&h);
    struct mu_heap_node n[6] = {0};
    const uint64_t keys[6] = {5, 1, 5, 1, 0, 5};
    for (int i = 0; i < 6; i++) {
        assert_false(mu_heap_has(&n[i]));
        mu_heap_push(&h, &n[i], keys[i]);
        assert_true(mu_heap_has(&n[i]));
    }
    const int order[6] = {4, 1, 3, 0, 2, 5};
    for (int i = 0; i < 6; i++) {
        assert_ptr_equal(mu_heap_top(&h), &n[order[i]]);
        assert_ptr_equal(mu_heap_pop(&h), &n[order[i]]);
    }
    assert_null(mu_heap_pop(&h));
    mu_heap_release(&h);
}

static void heap_orders_by_given_ties(void **state)
{
    (void)state;
    struct mu_heap h = {0};
    struct mu_heap_node a = {0};
    struct mu_heap_node b = {0};
    mu_heap_push_tie(&h, &a, 3, 9);
    mu_heap_push_tie(&h, &b, 3, 2);
    assert_ptr_equal(mu_heap_pop(&h), &b);
    mu_heap_release(&h);
    assert_false(mu_heap_has(&a));
}

static void heap_agrees_with_a_model_under_random_use(void **state)
{
    (void)state;
    struct mu_heap_node n[200] = {0};
    struct mu_heap h = {0};
    struct mu_prng rng;
    mu_prng_seed(&rng, 1);
    for (int step = 0; step < 20000; step++) {
        struct mu_heap_node *x = &n[mu_prng_below(&rng, 200)];
        if (mu_heap_has(x)) {
            mu_heap_remove(&h, x);
        } else {
            mu_heap_push(&h, x, mu_prng_below(&rng, 50));
        }
        const struct mu_heap_node *least = NULL;
        for (int i = 0; i < 200 && step % 7 == 0; i++) {
            const struct mu_heap_node *c = &n[i];
            if (mu_heap_has(c) && (least == NULL || c->key < least->key ||
                                   (c->key == least->key && c->tie < least->tie))) {
                least = c;
            }
        }
        if (step % 7 == 0) {
            assert_ptr_equal(mu_heap_top(&h), least);
        }
    }
    mu_heap_release(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_keeps_order_and_tolerates_removal),
        cmocka_unit_test(list_splice_moves_all_to_the_end),
        cmocka_unit_test(vec_insert_and_remove_move_the_rest),
        cmocka_unit_test(map_iterates_in_order_of_insertion),
        cmocka_unit_test(maps_agree_with_a_model_under_random_use),
        cmocka_unit_test(omap_stays_shallow_when_filled_in_order),
        cmocka_unit_test(omap_bounds_find_prefixes),
        cmocka_unit_test(heap_pops_equal_keys_first_in_first_out),
        cmocka_unit_test(heap_orders_by_given_ties),
        cmocka_unit_test(heap_agrees_with_a_model_under_random_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
