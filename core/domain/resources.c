/* Lists of resources: entries under (name, role), kept sorted and without empty ones.
 *
 * Add and subtract look first and change afterwards, so a refusal leaves dst as it was.
 * Arithmetic on one value is in resource_value.c, the text form in resources_text.c.
 */
#include <muster/resources.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/vec.h"
#include "domain/resource_value.h"
#include "domain/role.h"

#define ANY_ROLE "*"

void mu_resources_init(struct mu_resources *r)
{
    *r = (struct mu_resources){0};
}

static void release_entry(struct mu_resource *e)
{
    resource_value_release(e);
    free(e->name);
    free(e->role);
}

void mu_resources_release(struct mu_resources *r)
{
    for (size_t i = 0; i < r->count; i++) {
        release_entry(&r->v[i]);
    }
    MU_VEC_RELEASE(r);
}

static struct mu_resource copy_entry(const struct mu_resource *e)
{
    struct mu_resource copy = {.name = mu_xstrdup(e->name), .role = mu_xstrdup(e->role)};
    resource_value_copy(&copy, e);
    return copy;
}

void mu_resources_copy(struct mu_resources *dst, const struct mu_resources *src)
{
    struct mu_resources copy = {0};
    if (src->count > 0) {
        MU_VEC_RESERVE(&copy, src->count);
    }
    for (size_t i = 0; i < src->count; i++) {
        MU_VEC_PUSH(&copy, copy_entry(&src->v[i]));
    }
    mu_resources_release(dst);
    *dst = copy;
}

bool mu_resources_empty(const struct mu_resources *r)
{
    return r->count == 0;
}

static int compare(const struct mu_resource *e, const char *name, const char *role)
{
    int order = strcmp(e->name, name);
    return order != 0 ? order : strcmp(e->role, role);
}

/* Index of the first entry that is not before (name, role). */
static size_t
lower_bound(const struct mu_resources *r, const char *name, const char *role)
{
    size_t low = 0;
    size_t high = r->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&r->v[middle], name, role) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Index of the entry, or count. */
static size_t find(const struct mu_resources *r, const char *name, const char *role)
{
    size_t i = lower_bound(r, name, role);
    return i < r->count && compare(&r->v[i], name, role) == 0 ? i : r->count;
}

const struct mu_resource *
mu_resources_find(const struct mu_resources *r, const char *name, const char *role)
{
    size_t i = lower_bound(r, name, role != NULL ? role : "");
    bool found = i < r->count && strcmp(r->v[i].name, name) == 0 &&
                 (role == NULL || strcmp(r->v[i].role, role) == 0);
    return found ? &r->v[i] : NULL;
}

bool mu_resources_equal(const struct mu_resources *a, const struct mu_resources *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (compare(&a->v[i], b->v[i].name, b->v[i].role) != 0 ||
            !resource_value_equal(&a->v[i], &b->v[i])) {
            return false;
        }
    }
    return true;
}

/* The first entry of part that whole does not contain, or NULL. */
static const struct mu_resource *missing(const struct mu_resources *whole,
                                         const struct mu_resources *part)
{
    for (size_t i = 0; i < part->count; i++) {
        const struct mu_resource *want = &part->v[i];
        size_t at = find(whole, want->name, want->role);
        if (at == whole->count || !resource_value_contains(&whole->v[at], want)) {
            return want;
        }
    }
    return NULL;
}

bool mu_resources_contains(const struct mu_resources *whole,
                           const struct mu_resources *part)
{
    return missing(whole, part) == NULL;
}

static int check_add(const struct mu_resources *dst,
                     const struct mu_resource *more,
                     struct mu_error *err)
{
    const struct mu_resource *same_name = mu_resources_find(dst, more->name, NULL);
    if (same_name != NULL && same_name->type != more->type) {
        return mu_fail(err, MU_E_INVALID, "resource '%s' has values of two types",
                       more->name);
    }
    size_t at = find(dst, more->name, more->role);
    if (at < dst->count && !resource_value_can_add(&dst->v[at], more)) {
        return mu_fail(err, MU_E_INVALID, "resource '%s' grows too big", more->name);
    }
    return 0;
}

static void add_entry(struct mu_resources *dst, const struct mu_resource *more)
{
    size_t at = lower_bound(dst, more->name, more->role);
    if (at < dst->count && compare(&dst->v[at], more->name, more->role) == 0) {
        resource_value_add(&dst->v[at], more);
    } else {
        MU_VEC_INSERT(dst, at, copy_entry(more));
    }
}

int mu_resources_add(struct mu_resources *dst,
                     const struct mu_resources *more,
                     struct mu_error *err)
{
    if (dst == more) {
        struct mu_resources copy = {0};
        mu_resources_copy(&copy, more);
        int status = mu_resources_add(dst, &copy, err);
        mu_resources_release(&copy);
        return status;
    }
    for (size_t i = 0; i < more->count; i++) {
        int status = check_add(dst, &more->v[i], err);
        if (status < 0) {
            return status;
        }
    }
    for (size_t i = 0; i < more->count; i++) {
        add_entry(dst, &more->v[i]);
    }
    return 0;
}

int mu_resources_subtract(struct mu_resources *dst,
                          const struct mu_resources *less,
                          struct mu_error *err)
{
    if (dst == less) {
        mu_resources_release(dst);
        return 0;
    }
    const struct mu_resource *lacking = missing(dst, less);
    if (lacking != NULL) {
        return mu_fail(err, MU_E_INVALID,
                       "resource '%s' of role '%s' is not there to be taken",
                       lacking->name, lacking->role);
    }
    for (size_t i = 0; i < less->count; i++) {
        size_t at = find(dst, less->v[i].name, less->v[i].role);
        resource_value_subtract(&dst->v[at], &less->v[i]);
        if (resource_value_empty(&dst->v[at])) {
            release_entry(&dst->v[at]);
            MU_VEC_REMOVE(dst, at);
        }
    }
    return 0;
}

/* Names stand in the text form, so its separators and brackets are kept out of them. */
static int check_name(const char *name, struct mu_error *err)
{
    if (name == NULL || name[0] == '\0') {
        return mu_fail(err, MU_E_INVALID, "resource name must not be empty");
    }
    for (const char *p = name; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        if (c <= 0x20 || c == 0x7f || strchr("()[]{}:;,", c) != NULL) {
            return mu_fail(err, MU_E_INVALID,
                           "resource name '%s' has a blank, a control character or one "
                           "of '()[]{}:;,'",
                           name);
        }
    }
    return 0;
}

static int check_item(const char *name, const char *item, struct mu_error *err)
{
    bool bad = item == NULL || item[0] == '\0';
    for (const char *p = item; !bad && *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        bad = c <= 0x20 || c == 0x7f || strchr("{},;", c) != NULL;
    }
    return bad ? mu_fail(err, MU_E_INVALID,
                         "resource '%s': item '%s' is empty or has a blank, a control "
                         "character or one of '{},;'",
                         name, item != NULL ? item : "")
               : 0;
}

/* Add one entry whose value is borrowed. */
static int
add_one(struct mu_resources *dst, struct mu_resource *value, struct mu_error *err)
{
    int status = check_name(value->name, err);
    if (status < 0) {
        return status;
    }
    status = mu_role_check(value->role, err);
    if (status < 0) {
        return mu_wrap(err, status, "resource '%s'", value->name);
    }
    status = check_add(dst, value, err);
    if (status < 0) {
        return status;
    }
    if (!resource_value_empty(value)) {
        add_entry(dst, value);
    }
    return 0;
}

/* An entry that lends the caller's texts for the length of a call. */
static struct mu_resource borrow(const char *name, const char *role, uint32_t type)
{
    return (struct mu_resource){
        .name = (char *)(uintptr_t)name,
        .role = (char *)(uintptr_t)(role != NULL ? role : ANY_ROLE),
        .type = type,
    };
}

int mu_resources_add_scalar(struct mu_resources *dst,
                            const char *name,
                            const char *role,
                            int64_t milli,
                            struct mu_error *err)
{
    if (milli < 0) {
        return mu_fail(err, MU_E_INVALID, "resource '%s' must not be negative", name);
    }
    struct mu_resource value = borrow(name, role, MU_VALUE_SCALAR);
    value.scalar_milli = milli;
    return add_one(dst, &value, err);
}

int mu_resources_add_range(struct mu_resources *dst,
                           const char *name,
                           const char *role,
                           uint64_t begin,
                           uint64_t end,
                           struct mu_error *err)
{
    if (begin > end) {
        return mu_fail(err, MU_E_INVALID,
                       "resource '%s': range %" PRIu64 "-%" PRIu64 " is upside down",
                       name, begin, end);
    }
    struct mu_range range = {begin, end};
    struct mu_resource value = borrow(name, role, MU_VALUE_RANGES);
    value.ranges = &range;
    value.range_count = 1;
    return add_one(dst, &value, err);
}

int mu_resources_add_item(struct mu_resources *dst,
                          const char *name,
                          const char *role,
                          const char *item,
                          struct mu_error *err)
{
    int status = check_item(name, item, err);
    if (status < 0) {
        return status;
    }
    char *items[1] = {(char *)(uintptr_t)item};
    struct mu_resource value = borrow(name, role, MU_VALUE_SET);
    value.items = items;
    value.item_count = 1;
    return add_one(dst, &value, err);
}

int64_t mu_resources_scalar(const struct mu_resources *r, const char *name)
{
    int64_t sum = 0;
    for (size_t i = lower_bound(r, name, "");
         i < r->count && strcmp(r->v[i].name, name) == 0; i++) {
        if (__builtin_add_overflow(sum, r->v[i].scalar_milli, &sum)) {
            return INT64_MAX; /* roles may sum up to more than one entry can hold */
        }
    }
    return sum;
}

bool mu_resources_has_port(const struct mu_resources *r, uint64_t port)
{
    for (size_t i = lower_bound(r, "ports", "");
         i < r->count && strcmp(r->v[i].name, "ports") == 0; i++) {
        if (resource_value_has(&r->v[i], port)) {
            return true;
        }
    }
    return false;
}
