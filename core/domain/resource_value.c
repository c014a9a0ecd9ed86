/* Exact arithmetic on the three kinds of values.
 *
 * Ranges are walked pairwise in order, so everything is linear in the number of ranges.
 * Both ends are inside a range, and an end may be UINT64_MAX: "the next number" is only
 * computed where it is known to exist.
 */
#include "domain/resource_value.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"

void resource_value_release(struct mu_resource *r)
{
    free(r->ranges);
    for (size_t i = 0; i < r->item_count; i++) {
        free(r->items[i]);
    }
    free(r->items);
    r->scalar_milli = 0;
    r->ranges = NULL;
    r->range_count = 0;
    r->items = NULL;
    r->item_count = 0;
}

void resource_value_copy(struct mu_resource *dst, const struct mu_resource *src)
{
    dst->type = src->type;
    dst->scalar_milli = src->scalar_milli;
    dst->range_count = src->range_count;
    dst->ranges = NULL;
    if (src->range_count > 0) {
        dst->ranges = mu_xmemdup(src->ranges, src->range_count * sizeof(*src->ranges));
    }
    dst->item_count = src->item_count;
    dst->items = NULL;
    if (src->item_count > 0) {
        dst->items = mu_xcalloc(src->item_count, sizeof(*src->items));
        for (size_t i = 0; i < src->item_count; i++) {
            dst->items[i] = mu_xstrdup(src->items[i]);
        }
    }
}

bool resource_value_empty(const struct mu_resource *r)
{
    return r->scalar_milli == 0 && r->range_count == 0 && r->item_count == 0;
}

bool resource_value_equal(const struct mu_resource *a, const struct mu_resource *b)
{
    if (a->type != b->type || a->scalar_milli != b->scalar_milli ||
        a->range_count != b->range_count || a->item_count != b->item_count) {
        return false;
    }
    for (size_t i = 0; i < a->range_count; i++) {
        if (a->ranges[i].begin != b->ranges[i].begin ||
            a->ranges[i].end != b->ranges[i].end) {
            return false;
        }
    }
    for (size_t i = 0; i < a->item_count; i++) {
        if (strcmp(a->items[i], b->items[i]) != 0) {
            return false;
        }
    }
    return true;
}

/* Index of the first range that ends at or behind v. */
static size_t find_range(const struct mu_resource *r, uint64_t v)
{
    size_t low = 0;
    size_t high = r->range_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->ranges[middle].end < v) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool resource_value_has(const struct mu_resource *r, uint64_t v)
{
    size_t i = find_range(r, v);
    return i < r->range_count && r->ranges[i].begin <= v;
}

static bool ranges_contain(const struct mu_resource *whole,
                           const struct mu_resource *part)
{
    for (size_t i = 0; i < part->range_count; i++) {
        const struct mu_range *want = &part->ranges[i];
        size_t at = find_range(whole, want->begin);
        if (at == whole->range_count || whole->ranges[at].begin > want->begin ||
            whole->ranges[at].end < want->end) {
            return false;
        }
    }
    return true;
}

static bool items_contain(const struct mu_resource *whole, const struct mu_resource *part)
{
    size_t at = 0;
    for (size_t i = 0; i < part->item_count; i++) {
        while (at < whole->item_count && strcmp(whole->items[at], part->items[i]) < 0) {
            at++;
        }
        if (at == whole->item_count || strcmp(whole->items[at], part->items[i]) != 0) {
            return false;
        }
    }
    return true;
}

bool resource_value_contains(const struct mu_resource *whole,
                             const struct mu_resource *part)
{
    return whole->type == part->type && whole->scalar_milli >= part->scalar_milli &&
           ranges_contain(whole, part) && items_contain(whole, part);
}

bool resource_value_can_add(const struct mu_resource *a, const struct mu_resource *b)
{
    int64_t sum;
    return a->type == b->type &&
           !__builtin_add_overflow(a->scalar_milli, b->scalar_milli, &sum);
}

/* Append next, which begins at or behind the last range's begin, merging what touches. */
static void append_range(struct mu_range *out, size_t *count, const struct mu_range *next)
{
    struct mu_range *last = *count > 0 ? &out[*count - 1] : NULL;
    if (last != NULL && (last->end == UINT64_MAX || next->begin <= last->end + 1)) {
        last->end = next->end > last->end ? next->end : last->end;
    } else {
        out[(*count)++] = *next;
    }
}

static void ranges_add(struct mu_resource *dst, const struct mu_resource *more)
{
    size_t total = dst->range_count + more->range_count;
    if (more->range_count == 0) {
        return;
    }
    struct mu_range *out = mu_xcalloc(total, sizeof(*out));
    size_t count = 0;
    size_t a = 0;
    size_t b = 0;
    while (a < dst->range_count || b < more->range_count) {
        bool from_dst =
            b == more->range_count ||
            (a < dst->range_count && dst->ranges[a].begin <= more->ranges[b].begin);
        append_range(out, &count, from_dst ? &dst->ranges[a++] : &more->ranges[b++]);
    }
    free(dst->ranges);
    dst->ranges = out;
    dst->range_count = count;
}

static void ranges_subtract(struct mu_resource *dst, const struct mu_resource *less)
{
    if (less->range_count == 0) {
        return;
    }
    /* Each range taken out splits at most one in two. */
    struct mu_range *out = mu_xcalloc(dst->range_count + less->range_count, sizeof(*out));
    size_t count = 0;
    size_t b = 0;
    for (size_t a = 0; a < dst->range_count; a++) {
        struct mu_range left = dst->ranges[a];
        bool all_taken = false;
        for (; b < less->range_count && less->ranges[b].end <= left.end; b++) {
            const struct mu_range *cut = &less->ranges[b];
            if (cut->begin > left.begin) {
                out[count++] = (struct mu_range){left.begin, cut->begin - 1};
            }
            all_taken = cut->end == left.end;
            left.begin = all_taken ? left.begin : cut->end + 1;
        }
        if (!all_taken) {
            out[count++] = left;
        }
    }
    free(dst->ranges);
    dst->ranges = count > 0 ? out : NULL;
    dst->range_count = count;
    if (count == 0) {
        free(out);
    }
}

static void items_add(struct mu_resource *dst, const struct mu_resource *more)
{
    if (more->item_count == 0) {
        return;
    }
    char **out = mu_xcalloc(dst->item_count + more->item_count, sizeof(*out));
    size_t count = 0;
    size_t a = 0;
    size_t b = 0;
    while (a < dst->item_count || b < more->item_count) {
        int order = a == dst->item_count    ? 1
                    : b == more->item_count ? -1
                                            : strcmp(dst->items[a], more->items[b]);
        out[count++] = order <= 0 ? dst->items[a] : mu_xstrdup(more->items[b]);
        a += order <= 0;
        b += order >= 0;
    }
    free(dst->items);
    dst->items = out;
    dst->item_count = count;
}

static void items_subtract(struct mu_resource *dst, const struct mu_resource *less)
{
    size_t count = 0;
    size_t b = 0;
    for (size_t a = 0; a < dst->item_count; a++) {
        if (b < less->item_count && strcmp(dst->items[a], less->items[b]) == 0) {
            free(dst->items[a]);
            b++;
        } else {
            dst->items[count++] = dst->items[a];
        }
    }
    dst->item_count = count;
    if (count == 0) {
        free(dst->items);
        dst->items = NULL;
    }
}

void resource_value_add(struct mu_resource *dst, const struct mu_resource *more)
{
    MU_PRE(resource_value_can_add(dst, more));
    dst->scalar_milli += more->scalar_milli;
    ranges_add(dst, more);
    items_add(dst, more);
}

void resource_value_subtract(struct mu_resource *dst, const struct mu_resource *less)
{
    dst->scalar_milli -= less->scalar_milli;
    ranges_subtract(dst, less);
    items_subtract(dst, less);
    MU_POST(dst->scalar_milli >= 0);
}
