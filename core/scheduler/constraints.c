/* Counting values is quadratic in the number of distinct values at worst; agents have few
 * racks and the hosts of one app are few.
 */
#include "scheduler/constraints.h"

#include <string.h>

#include <muster/resources.h>

#include "base/parse.h"
#include "base/vec.h"
#include "scheduler/pattern.h"

const char *constraint_field_value(const char *field,
                                   const char *host,
                                   const struct mu_pairs *attributes)
{
    if (strcmp(field, "hostname") == 0 || strcmp(field, "@hostname") == 0) {
        return host;
    }
    return attributes != NULL ? mu_pairs_get(attributes, field) : NULL;
}

const char *constraint_op_name(uint32_t op)
{
    switch ((enum mu_constraint_op)op) {
    case MU_OP_UNIQUE:
        return "UNIQUE";
    case MU_OP_CLUSTER:
        return "CLUSTER";
    case MU_OP_GROUP_BY:
        return "GROUP_BY";
    case MU_OP_LIKE:
        return "LIKE";
    case MU_OP_UNLIKE:
        return "UNLIKE";
    case MU_OP_MAX_PER:
        return "MAX_PER";
    case MU_OP_IS:
        return "IS";
    }
    return "?";
}

struct tally { /* how many instances per value */
    const char *value;
    uint64_t count;
};
struct tallies {
    struct tally *v;
    size_t count, cap;
};

static void count_values(const char *field,
                         const struct constraint_place *placed,
                         size_t count,
                         struct tallies *out)
{
    for (size_t i = 0; i < count; i++) {
        const char *value =
            constraint_field_value(field, placed[i].host, placed[i].attributes);
        if (value == NULL) {
            continue;
        }
        size_t t = 0;
        while (t < out->count && strcmp(out->v[t].value, value) != 0) {
            t++;
        }
        if (t == out->count) {
            MU_VEC_PUSH(out, ((struct tally){.value = value}));
        }
        out->v[t].count++;
    }
}

static uint64_t count_of(const struct tallies *t, const char *value)
{
    for (size_t i = 0; i < t->count; i++) {
        if (strcmp(t->v[i].value, value) == 0) {
            return t->v[i].count;
        }
    }
    return 0;
}

/* With a number of groups: each group gets instances / groups, some one more. */
static bool group_by_number(const struct tallies *t,
                            uint64_t groups,
                            uint32_t instances,
                            const char *value)
{
    uint64_t desired = instances / groups, remainder = instances % groups, used = 0;
    for (size_t i = 0; i < t->count; i++) {
        used += t->v[i].count > desired ? t->v[i].count - desired : 0;
    }
    uint64_t here = count_of(t, value);
    if (here == 0) {
        return t->count < groups;
    }
    return here < desired || (here == desired && used < remainder);
}

/* Without: new values are welcome, a used one only while it is among the smallest. */
static bool group_by_free(const struct tallies *t, const char *value)
{
    uint64_t here = count_of(t, value);
    for (size_t i = 0; i < t->count && here > 0; i++) {
        if (t->v[i].count < here) {
            return false;
        }
    }
    return true;
}

static bool group_by(const struct mu_constraint *c,
                     const struct tallies *t,
                     uint32_t instances,
                     const char *value)
{
    uint64_t groups = 0;
    if (c->value != NULL && mu_parse_u64(c->value, &groups, NULL) == 0 && groups > 0) {
        return group_by_number(t, groups, instances, value);
    }
    return group_by_free(t, value);
}

static bool matches(const char *expression, const char *value)
{
    struct pattern *p = pattern_create(expression != NULL ? expression : "", NULL);
    bool yes = p != NULL && pattern_matches(p, value);
    pattern_destroy(p);
    return yes;
}

/* Texts, or numbers that are equal to three decimals. */
static bool is_same(const char *wanted, const char *value)
{
    int64_t a, b;
    if (strcmp(wanted, value) == 0) {
        return true;
    }
    return mu_milli_parse(wanted, &a, NULL) == 0 &&
           mu_milli_parse(value, &b, NULL) == 0 && a == b;
}

static bool counted_allows(const struct mu_constraint *c,
                           uint32_t instances,
                           const char *value,
                           const struct constraint_place *placed,
                           size_t placed_count)
{
    struct tallies t = {0};
    count_values(c->field, placed, placed_count, &t);
    uint64_t limit = 0;
    bool yes = false;
    if (c->op == MU_OP_UNIQUE) {
        yes = count_of(&t, value) == 0;
    } else if (c->op == MU_OP_CLUSTER) {
        yes = t.count == 0 || count_of(&t, value) > 0;
    } else if (c->op == MU_OP_GROUP_BY) {
        yes = group_by(c, &t, instances, value);
    } else {
        yes = c->value != NULL && mu_parse_u64(c->value, &limit, NULL) == 0 &&
              count_of(&t, value) < limit;
    }
    MU_VEC_RELEASE(&t);
    return yes;
}

bool constraint_allows(const struct mu_constraint *c,
                       uint32_t instances,
                       const struct constraint_place *offered,
                       const struct constraint_place *placed,
                       size_t placed_count)
{
    const char *value =
        constraint_field_value(c->field, offered->host, offered->attributes);
    bool has_value = c->value != NULL && c->value[0] != '\0';
    if (value == NULL) {
        return c->op == MU_OP_UNLIKE;
    }
    switch ((enum mu_constraint_op)c->op) {
    case MU_OP_LIKE:
        return matches(c->value, value);
    case MU_OP_UNLIKE:
        return !matches(c->value, value);
    case MU_OP_IS:
        return has_value && is_same(c->value, value);
    case MU_OP_CLUSTER:
        if (has_value) {
            return strcmp(c->value, value) == 0;
        }
        return counted_allows(c, instances, value, placed, placed_count);
    case MU_OP_UNIQUE:
    case MU_OP_GROUP_BY:
    case MU_OP_MAX_PER:
        return counted_allows(c, instances, value, placed, placed_count);
    }
    return false;
}
