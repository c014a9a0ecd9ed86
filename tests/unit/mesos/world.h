/* The api plugin `mesos` between a fake host and a fake core.
 *
 *     struct world *w = world_open(MU_ROLE_MASTER);
 *     w->master.leading = true;
 *     const struct world_answer *a = world_ask(w, "GET", "/state");
 *     assert_int_equal(a->status, 200);
 *     world_close(w);
 *
 * Routes are matched by the server's real router; HEAD comes as GET, as the server sends
 * it. What the core would show is filled into the rows. */
#ifndef TESTS_UNIT_MESOS_WORLD_H
#define TESTS_UNIT_MESOS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include <muster/kind/api.h>
#include <muster/plugin.h>

struct world;
struct http_router;

/* 404 and 405 stand for what the server answers without a handler. */
struct world_answer {
    int status;
    char *type, *location, *retry_after; /* headers; NULL: not there */
    struct mu_buf body;
};

struct world_rows {
    const void *v;
    size_t count, size; /* size of one row */
};

struct world {
    struct mu_host host;
    struct mu_core core;
    void *instance;
    struct http_router *router;
    struct mu_master_row master;
    struct mu_process_row process;
    struct mu_agent_row local_agent;
    struct world_rows agents, frameworks, tasks; /* tasks: of every framework */
    struct world_rows stores;                    /* of the registry */
    size_t task_queries;
    struct world_answer answer;
    mu_cb timer_cb; /* the one of a stop */
    void *timer_arg;
    bool stopped;
};

struct world *world_open(uint32_t roles);
void world_close(struct world *w);
/* Of the last request; dead with the next one. */
const struct world_answer *
world_ask(struct world *w, const char *method, const char *target);
/* 200 and a JSON object, which the caller lets go. */
json_t *world_get(struct world *w, const char *target);

#endif
