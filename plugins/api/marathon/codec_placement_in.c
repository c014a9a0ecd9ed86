/* Where an app may run and what it waits for: constraints, roles, dependencies. */
#include "codec_app_parts.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "app_id.h"

static const char *const operators[] = {"UNIQUE", "CLUSTER", "GROUP_BY", "LIKE",
                                        "UNLIKE", "MAX_PER", "IS",       NULL};

static bool is_whole_number(const char *s)
{
    return s[0] != '\0' && strspn(s, "0123456789") == strlen(s) && strlen(s) < 10;
}

/* What is wrong with this operator's value, or NULL. An expression's syntax is judged by
 * the scheduler, whose matcher it has to satisfy. */
static const char *constraint_fault(uint32_t op, const char *value)
{
    switch ((enum mu_constraint_op)op) {
    case MU_OP_UNIQUE:
        return value != NULL ? "UNIQUE does not accept a value" : NULL;
    case MU_OP_CLUSTER:
        return NULL;
    case MU_OP_GROUP_BY:
        return value != NULL && !is_whole_number(value) && strcmp(value, "inf") != 0
                   ? "GROUP BY must define an integer value or else no value at all"
                   : NULL;
    case MU_OP_LIKE:
    case MU_OP_UNLIKE:
        return value == NULL
                   ? "LIKE and UNLIKE require a non-empty, regular expression value"
                   : NULL;
    case MU_OP_MAX_PER:
        return value == NULL || !is_whole_number(value)
                   ? "MAX_PER requires an integer value"
                   : NULL;
    case MU_OP_IS:
        return value == NULL || strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP"
                                              "QRSTUVWXYZ0123456789_/.-") != strlen(value)
                   ? "IS only supports Mesos text and float values"
                   : NULL;
    }
    return NULL;
}

static void
decode_constraint(const struct mrt_at *at, size_t i, const json_t *e, struct mu_app *app)
{
    char path[MRT_PATH_MAX];
    mrt_path_index(at, "constraints", i, path);
    const char *part[3] = {NULL, NULL, NULL};
    char number[24];
    size_t n = json_array_size(e);
    if (!json_is_array(e) || n < 2 || n > 3) {
        mrt_problem_add(at->problems, MRT_MODEL, path,
                        "Each constraint must have either 2 or 3 fields");
        return;
    }
    for (size_t k = 0; k < n; k++) {
        part[k] = json_string_value(json_array_get(e, k));
        if (k == 2 && json_is_integer(json_array_get(e, k))) {
            (void)snprintf(number, sizeof(number), "%lld",
                           (long long)json_integer_value(json_array_get(e, k)));
            part[k] = number;
        }
        if (part[k] == NULL && !(k == 2 && json_is_null(json_array_get(e, k)))) {
            mrt_problem_add(at->problems, MRT_SHAPE, path, "error.expected.jsstring");
            return;
        }
    }
    uint32_t op = 0;
    for (uint32_t k = 0; operators[k] != NULL; k++) {
        if (strcasecmp(part[1], operators[k]) == 0) {
            op = k + 1;
        }
    }
    if (part[0][0] == '\0') {
        mrt_problem_add(at->problems, MRT_MODEL, path,
                        "missing field for constraint declaration");
    }
    if (op == 0) {
        mrt_problem_add(at->problems, MRT_MODEL, path,
                        "operator must be one of the following UNIQUE, CLUSTER, "
                        "GROUP_BY, LIKE, MAX_PER, UNLIKE or IS");
        return;
    }
    /* an empty third member is none: clients of 2014 sent it */
    const char *value = part[2] != NULL && part[2][0] != '\0' ? part[2] : NULL;
    const char *fault = constraint_fault(op, value);
    if (fault != NULL) {
        mrt_problem_add(at->problems, MRT_MODEL, path, "%s", fault);
        return;
    }
    struct mu_constraint *c = mu_app_add_constraint(app);
    mu_text_set(&c->field, part[0]);
    c->op = op;
    mu_text_set(&c->value, value);
}

void mrt_placement_decode(const struct mrt_at *at, const json_t *body, struct mu_app *app)
{
    json_t *list = mrt_read_array(at, body, "constraints");
    if (list != NULL) {
        mu_app_clear_constraints(app);
    }
    size_t i;
    json_t *e;
    json_array_foreach (list, i, e) {
        decode_constraint(at, i, e, app);
    }
    if (mrt_read_strings(at, body, "acceptedResourceRoles", &app->accepted_roles)) {
        app->has_accepted_roles = true;
        if (app->accepted_roles.count == 0) {
            mrt_refuse(at, "acceptedResourceRoles", "must not be empty");
        }
    }
    (void)mrt_read_text(at, body, "role", &app->role);
    struct mu_strings deps = {0};
    if (mrt_read_strings(at, body, "dependencies", &deps)) {
        mu_strings_release(&app->dependencies);
        for (size_t k = 0; k < deps.count; k++) {
            char id[MU_APP_ID_MAX], parent[MU_APP_ID_MAX + 4];
            (void)snprintf(parent, sizeof(parent), "%s/..",
                           app->id == NULL ? "" : app->id);
            if (mrt_app_id_normalise(deps.v[k], parent, id, sizeof(id)) == 0) {
                mu_strings_add(&app->dependencies, id);
            } else {
                mrt_refuse(at, "dependencies", "an id is too long");
            }
        }
    }
    mu_strings_release(&deps);
}
