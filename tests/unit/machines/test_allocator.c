/* The allocator by itself: order, filters, and work in proportion to what changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <muster/time.h>

#include "base/check.h"
#include "master/allocator.h"

#define N 8

struct agent {
    struct alloc_agent alloc;
    struct mu_resources free;
    bool given;
};

struct world {
    struct allocator al;
    struct quantity_names names;
    struct agent agents[N];
    struct alloc_framework frameworks[N];
    size_t agent_count, framework_count;
    char trace[256]; /* framework ids in the order of giving */
    size_t asked;
};

static const struct mu_resources *
free_of(void *arg, struct alloc_agent *a, const char *role)
{
    struct world *w = arg;
    (void)role;
    w->asked++;
    struct agent *agent = mu_container_of(a, struct agent, alloc);
    return agent->given ? NULL : &agent->free;
}

static void give(void *arg, struct alloc_framework *f, struct alloc_agent *a)
{
    struct world *w = arg;
    struct agent *agent = mu_container_of(a, struct agent, alloc);
    agent->given = true;
    allocator_charge(&w->al, f, &agent->free, 1);
    size_t at = strlen(w->trace);
    (void)snprintf(w->trace + at, sizeof(w->trace) - at, "%s", f->id);
}

static void world_create(struct world *w)
{
    memset(w, 0, sizeof(*w));
    allocator_init(&w->al, &w->names);
}

static struct agent *add_agent(struct world *w, const char *resources)
{
    struct agent *a = &w->agents[w->agent_count++];
    assert_int_equal(mu_resources_parse(resources, "*", &a->free, NULL), 0);
    allocator_add_agent(&w->al, &a->alloc, &a->free);
    allocator_activate_agent(&w->al, &a->alloc, true);
    return a;
}

static struct alloc_framework *
add_framework(struct world *w, const char *id, const char *role)
{
    struct alloc_framework *f = &w->frameworks[w->framework_count++];
    allocator_add_framework(&w->al, f, id, role);
    allocator_activate_framework(&w->al, f, true);
    return f;
}

static void take_back(struct world *w, struct alloc_framework *f, struct agent *a)
{
    allocator_charge(&w->al, f, &a->free, -1);
    a->given = false;
    allocator_touch(&w->al, &a->alloc);
}

static const char *run(struct world *w, uint64_t now_ms)
{
    static const struct allocator_calls calls = {free_of, give};
    w->trace[0] = '\0';
    w->asked = 0;
    allocator_run(&w->al, now_ms, &calls, w);
    return w->trace;
}

static void world_destroy(struct world *w)
{
    for (size_t i = 0; i < w->framework_count; i++) {
        allocator_remove_framework(&w->al, &w->frameworks[i]);
    }
    for (size_t i = 0; i < w->agent_count; i++) {
        allocator_remove_agent(&w->al, &w->agents[i].alloc);
        mu_resources_release(&w->agents[i].free);
    }
    allocator_release(&w->al);
    quantity_names_release(&w->names);
}

static void equal_shares_alternate_by_id(void **state)
{
    (void)state;
    struct world w;
    world_create(&w);
    add_framework(&w, "b", "*");
    add_framework(&w, "a", "*");
    for (int i = 0; i < 4; i++) {
        add_agent(&w, "cpus:1;mem:100");
    }
    assert_string_equal(run(&w, 0), "abab");
    world_destroy(&w);
}

static void equal_shares_go_to_the_one_served_less_often(void **state)
{
    (void)state;
    struct world w;
    world_create(&w);
    struct alloc_framework *a = add_framework(&w, "a", "*");
    add_framework(&w, "b", "*");
    struct agent *agent = add_agent(&w, "cpus:1;mem:100");
    assert_string_equal(run(&w, 0), "a");
    take_back(&w, a, agent);
    assert_string_equal(run(&w, 0), "b"); /* both hold nothing */
    world_destroy(&w);
}

static void dominant_resource_decides(void **state)
{
    (void)state;
    struct world w;
    world_create(&w);
    struct alloc_framework *a = add_framework(&w, "a", "*");
    struct alloc_framework *b = add_framework(&w, "b", "*");
    struct mu_resources much_cpu = {0};
    struct mu_resources much_mem = {0};
    assert_int_equal(mu_resources_parse("cpus:3;mem:10", "*", &much_cpu, NULL), 0);
    assert_int_equal(mu_resources_parse("cpus:1;mem:800", "*", &much_mem, NULL), 0);
    add_agent(&w, "cpus:10;mem:1000");
    run(&w, 0);
    take_back(&w, a, &w.agents[0]);
    allocator_charge(&w.al, a, &much_mem, 1); /* 80 % of the memory */
    allocator_charge(&w.al, b, &much_cpu, 1); /* 30 % of the cpus */
    allocator_touch(&w.al, &w.agents[0].alloc);
    assert_string_equal(run(&w, 0), "b");
    mu_resources_release(&much_cpu);
    mu_resources_release(&much_mem);
    world_destroy(&w);
}

static void filter_holds_until_its_time_and_for_parts_only(void **state)
{
    (void)state;
    struct world w;
    world_create(&w);
    struct alloc_framework *a = add_framework(&w, "a", "*");
    struct agent *agent = add_agent(&w, "cpus:2;mem:100");
    struct mu_resources smaller = {0};
    assert_int_equal(mu_resources_parse("cpus:1;mem:100", "*", &smaller, NULL), 0);
    allocator_refuse(&w.al, a, &agent->alloc, &smaller, 1000);
    assert_string_equal(run(&w, 0), "a"); /* more than what was refused */
    take_back(&w, a, agent);
    allocator_refuse(&w.al, a, &agent->alloc, &agent->free, 5000);
    assert_string_equal(run(&w, 0), "");
    assert_int_equal(allocator_deadline_ms(&w.al), 5000); /* the smaller one is covered */
    assert_string_equal(run(&w, 4999), "");
    assert_string_equal(run(&w, 5000), "a");
    assert_true(allocator_deadline_ms(&w.al) == MU_NEVER_MS);
    mu_resources_release(&smaller);
    world_destroy(&w);
}

static void filters_of_one_pair_are_bounded(void **state)
{
    (void)state;
    struct world w;
    world_create(&w);
    struct alloc_framework *a = add_framework(&w, "a", "*");
    struct agent *agent = add_agent(&w, "cpus:2;mem:100");
    for (uint64_t i = 0; i < 1000; i++) {
        struct mu_resources r = {0};
        assert_int_equal(mu_resources_add_range(&r, "ports", "*", i * 2, i * 2, NULL), 0);
        allocator_refuse(&w.al, a, &agent->alloc, &r, 1000 + i);
        mu_resources_release(&r);
    }
    assert_true(w.al.filters.count <= 8);
    world_destroy(&w);
}

static void only_touched_agents_are_looked_at(void **state)
{
    (void)state;
    struct world w;
    world_create(&w);
    struct alloc_framework *a = add_framework(&w, "a", "*");
    for (int i = 0; i < 5; i++) {
        add_agent(&w, "cpus:1;mem:100");
    }
    assert_string_equal(run(&w, 0), "aaaaa");
    assert_false(allocator_wants_run(&w.al));
    run(&w, 0);
    assert_int_equal(w.asked, 0);
    take_back(&w, a, &w.agents[3]);
    assert_string_equal(run(&w, 0), "a");
    assert_int_equal(w.asked, 1);
    world_destroy(&w);
}

static void inactive_agents_and_frameworks_take_no_part(void **state)
{
    (void)state;
    struct world w;
    world_create(&w);
    struct alloc_framework *a = add_framework(&w, "a", "*");
    struct agent *agent = add_agent(&w, "cpus:1;mem:100");
    allocator_activate_agent(&w.al, &agent->alloc, false);
    assert_string_equal(run(&w, 0), "");
    allocator_activate_agent(&w.al, &agent->alloc, true);
    allocator_suppress(&w.al, a);
    assert_string_equal(run(&w, 0), "");
    allocator_revive(&w.al, a);
    allocator_activate_framework(&w.al, a, false);
    assert_string_equal(run(&w, 0), "");
    allocator_activate_framework(&w.al, a, true);
    assert_string_equal(run(&w, 0), "a");
    world_destroy(&w);
}

static void change_of_role_moves_what_is_held(void **state)
{
    (void)state;
    struct world w;
    world_create(&w);
    struct alloc_framework *a = add_framework(&w, "a", "web");
    add_framework(&w, "b", "*");
    add_framework(&w, "c", "web");
    add_agent(&w, "cpus:1;mem:100");
    add_agent(&w, "cpus:1;mem:100");
    assert_string_equal(run(&w, 0), "ba"); /* role "*" before role "web" */
    allocator_set_role(&w.al, a, "*");     /* now "*" holds both */
    add_agent(&w, "cpus:1;mem:100");
    assert_string_equal(run(&w, 0), "c");
    world_destroy(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_shares_alternate_by_id),
        cmocka_unit_test(equal_shares_go_to_the_one_served_less_often),
        cmocka_unit_test(dominant_resource_decides),
        cmocka_unit_test(filter_holds_until_its_time_and_for_parts_only),
        cmocka_unit_test(filters_of_one_pair_are_bounded),
        cmocka_unit_test(only_touched_agents_are_looked_at),
        cmocka_unit_test(inactive_agents_and_frameworks_take_no_part),
        cmocka_unit_test(change_of_role_moves_what_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
