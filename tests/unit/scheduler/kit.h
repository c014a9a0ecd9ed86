/* Helpers of the scheduler's tests: cmocka in the order it wants, and apps in one line.
 */
#ifndef TEST_SCHEDULER_KIT_H
#define TEST_SCHEDULER_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <muster/app.h>

#include "base/alloc.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* cmd "sleep", one instance, cpus 0.1, mem 32; to be changed by the test. */
static inline struct mu_app *make_app(const char *id, uint32_t instances)
{
    struct mu_app *a = mu_app_create();
    a->id = mu_xstrdup(id);
    a->cmd = mu_xstrdup("sleep 1000");
    a->instances = instances;
    a->cpus_milli = 100;
    a->mem_milli = 32000;
    return a;
}

static inline void set_text(char **member, const char *text)
{
    free(*member);
    *member = mu_xstrdup(text);
}

static inline struct mu_constraint *
add_constraint(struct mu_app *a, const char *field, uint32_t op, const char *value)
{
    struct mu_constraint *c = mu_app_add_constraint(a);
    c->field = mu_xstrdup(field);
    c->op = op;
    c->value = mu_xstrdup(value);
    return c;
}

#endif
