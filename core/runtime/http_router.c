/* Routes are kept in the order in which they win, so the first that fits is the answer.
 *
 * A few dozen patterns per listener: a linear walk, where one memcmp of the literal
 * prefix throws out nearly all of them, beats a tree. That short cut compares raw bytes,
 * so it is skipped for a path with escapes.
 */
#include "runtime/http_router.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"

/* Index is the bit in struct route.methods. */
static const char *const methods[] = {"GET",   "HEAD",   "POST",   "PUT",
                                      "PATCH", "DELETE", "OPTIONS"};
enum { METHOD_GET, METHOD_HEAD, METHOD_OPTIONS = 6, METHOD_COUNT };

enum segment_kind { SEGMENT_LITERAL, SEGMENT_ONE, SEGMENT_TAIL };

struct segment {
    enum segment_kind kind;
    const char *text; /* of a literal; inside route->pattern */
    size_t len;
};

struct target {
    mu_http_handler_cb handler; /* NULL: this method has no route */
    void *arg;
};

struct route {
    char *pattern;
    struct segment *segments;
    size_t segment_count;
    size_t prefix_len;  /* literal bytes before the first hole */
    size_t literal_len; /* literal bytes in all */
    bool has_tail;
    struct target targets[METHOD_COUNT];
};

struct http_router {
    struct route **routes;
    size_t count, cap;
};

static int method_index(const char *method)
{
    for (int i = 0; i < METHOD_COUNT; i++) {
        if (strcmp(methods[i], method) == 0) {
            return i;
        }
    }
    return -1;
}

static void route_destroy(struct route *r)
{
    if (r != NULL) {
        free(r->segments);
        free(r->pattern);
        free(r);
    }
}

struct http_router *http_router_create(void)
{
    return MU_NEW(struct http_router);
}

void http_router_destroy(struct http_router *r)
{
    if (r == NULL) {
        return;
    }
    for (size_t i = 0; i < r->count; i++) {
        route_destroy(r->routes[i]);
    }
    free(r->routes);
    free(r);
}

/* ---- patterns ---- */

static bool hole_name_ok(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
                  (c >= '0' && c <= '9');
        if (!ok) {
            return false;
        }
    }
    return len > 0;
}

/* One segment of a pattern, at[0..len). */
static int
parse_segment(const char *at, size_t len, struct segment *out, struct mu_error *err)
{
    if (len == 0 || at[0] != '{') {
        if (memchr(at, '{', len) != NULL || memchr(at, '}', len) != NULL) {
            return mu_fail(err, MU_E_INVALID, "a hole must be a whole segment");
        }
        *out = (struct segment){.kind = SEGMENT_LITERAL, .text = at, .len = len};
        return 0;
    }
    if (at[len - 1] != '}') {
        return mu_fail(err, MU_E_INVALID, "a hole must be a whole segment");
    }
    size_t name_len = len - 2;
    enum segment_kind kind = SEGMENT_ONE;
    if (name_len > 3 && memcmp(at + 1 + name_len - 3, "...", 3) == 0) {
        kind = SEGMENT_TAIL;
        name_len -= 3;
    }
    if (!hole_name_ok(at + 1, name_len)) {
        return mu_fail(err, MU_E_INVALID, "a hole needs a name of letters and digits");
    }
    *out = (struct segment){.kind = kind};
    return 0;
}

static int parse_pattern(struct route *r, struct mu_error *err)
{
    if (r->pattern[0] != '/') {
        return mu_fail(err, MU_E_INVALID, "it must begin with '/'");
    }
    size_t holes = 0;
    const char *at = r->pattern + 1;
    for (;;) {
        size_t len = strcspn(at, "/");
        if (r->has_tail) {
            return mu_fail(err, MU_E_INVALID, "nothing may follow a {tail...}");
        }
        struct segment seg;
        int status = parse_segment(at, len, &seg, err);
        if (status < 0) {
            return status;
        }
        r->segments =
            mu_xrealloc_array(r->segments, r->segment_count + 1, sizeof(r->segments[0]));
        r->segments[r->segment_count++] = seg;
        if (seg.kind == SEGMENT_LITERAL) {
            r->literal_len += seg.len + 1;
        } else {
            holes++;
            r->has_tail = seg.kind == SEGMENT_TAIL;
        }
        if (at[len] == '\0') {
            break;
        }
        at += len + 1;
    }
    if (holes > HTTP_ROUTE_HOLES_MAX) {
        return mu_fail(err, MU_E_INVALID, "more than %d holes",
                       (int)HTTP_ROUTE_HOLES_MAX);
    }
    r->prefix_len = strcspn(r->pattern, "{");
    return 0;
}

static bool same_shape(const struct route *a, const struct route *b)
{
    if (a->segment_count != b->segment_count) {
        return false;
    }
    for (size_t i = 0; i < a->segment_count; i++) {
        const struct segment *x = &a->segments[i];
        const struct segment *y = &b->segments[i];
        if (x->kind != y->kind || x->len != y->len ||
            (x->len > 0 && memcmp(x->text, y->text, x->len) != 0)) {
            return false;
        }
    }
    return true;
}

/* Does a win over b when both fit? */
static bool wins(const struct route *a, const struct route *b)
{
    if (a->prefix_len != b->prefix_len) {
        return a->prefix_len > b->prefix_len;
    }
    if (a->literal_len != b->literal_len) {
        return a->literal_len > b->literal_len;
    }
    return !a->has_tail && b->has_tail;
}

/* Put r where it belongs: behind all that win over it or are its equals. */
static void insert(struct http_router *router, struct route *r)
{
    if (router->count == router->cap) {
        router->cap = router->cap == 0 ? 16 : router->cap * 2;
        router->routes =
            mu_xrealloc_array(router->routes, router->cap, sizeof(router->routes[0]));
    }
    size_t at = router->count;
    while (at > 0 && wins(r, router->routes[at - 1])) {
        router->routes[at] = router->routes[at - 1];
        at--;
    }
    router->routes[at] = r;
    router->count++;
}

static struct route *find_shape(const struct http_router *router, const struct route *r)
{
    for (size_t i = 0; i < router->count; i++) {
        if (same_shape(router->routes[i], r)) {
            return router->routes[i];
        }
    }
    return NULL;
}

int http_router_add(struct http_router *router,
                    const char *method,
                    const char *pattern,
                    mu_http_handler_cb handler,
                    void *arg,
                    struct mu_error *err)
{
    MU_PRE(handler != NULL);
    int m = method_index(method);
    if (m < 0 || m == METHOD_HEAD) {
        return mu_fail(err, MU_E_INVALID, "route '%s %s': no such method for a route",
                       method, pattern);
    }
    struct route *r = MU_NEW(struct route);
    r->pattern = mu_xstrdup(pattern);
    int status = parse_pattern(r, err);
    if (status < 0) {
        route_destroy(r);
        return mu_wrap(err, status, "route '%s %s'", method, pattern);
    }
    struct route *known = find_shape(router, r);
    if (known != NULL) {
        route_destroy(r);
        r = known;
        if (r->targets[m].handler != NULL) {
            return mu_fail(err, -EEXIST, "route '%s %s': taken already", method, pattern);
        }
    } else {
        insert(router, r);
    }
    r->targets[m] = (struct target){.handler = handler, .arg = arg};
    return 0;
}

void http_router_remove(struct http_router *router, const void *arg)
{
    size_t kept = 0;
    for (size_t i = 0; i < router->count; i++) {
        struct route *r = router->routes[i];
        bool used = false;
        for (size_t m = 0; m < METHOD_COUNT; m++) {
            if (r->targets[m].arg == arg) {
                r->targets[m] = (struct target){0};
            }
            used = used || r->targets[m].handler != NULL;
        }
        if (used) {
            router->routes[kept++] = r;
        } else {
            route_destroy(r);
        }
    }
    router->count = kept;
}

/* ---- matching ---- */

/* Does the raw segment at[0..len) mean the literal seg? */
static bool literal_matches(const struct segment *seg, const char *at, size_t len)
{
    if (len == seg->len && (len == 0 || memcmp(at, seg->text, len) == 0)) {
        return true;
    }
    /* An escape takes three bytes for one, so only a longer text can still match. */
    if (len <= seg->len || len > seg->len * 3 || memchr(at, '%', len) == NULL) {
        return false;
    }
    char decoded[256];
    int n = mu_http_decode(at, len, false, decoded, sizeof(decoded));
    return n >= 0 && strlen(decoded) == seg->len &&
           memcmp(decoded, seg->text, seg->len) == 0;
}

static bool matches(const struct route *r,
                    const char *path,
                    const char *end,
                    struct http_route_match *out)
{
    const char *at = path + 1;
    out->hole_count = 0;
    for (size_t i = 0; i < r->segment_count; i++) {
        const struct segment *seg = &r->segments[i];
        const char *slash = memchr(at, '/', (size_t)(end - at));
        const char *seg_end = slash != NULL ? slash : end;
        if (seg->kind == SEGMENT_TAIL) {
            seg_end = end;
        }
        size_t len = (size_t)(seg_end - at);
        if (seg->kind == SEGMENT_LITERAL) {
            if (!literal_matches(seg, at, len)) {
                return false;
            }
        } else {
            if (seg->kind == SEGMENT_ONE && len == 0) {
                return false;
            }
            out->holes[out->hole_count].at = at;
            out->holes[out->hole_count].len = len;
            out->hole_count++;
        }
        bool last = i + 1 == r->segment_count;
        if (last != (seg_end == end)) {
            return false;
        }
        at = seg_end + 1;
    }
    return true;
}

static enum http_route_result match_exactly(const struct http_router *router,
                                            int method,
                                            const char *path,
                                            size_t len,
                                            struct http_route_match *out)
{
    bool escaped = memchr(path, '%', len) != NULL;
    out->allow = 0;
    for (size_t i = 0; i < router->count; i++) {
        const struct route *r = router->routes[i];
        if (!escaped &&
            (len < r->prefix_len || memcmp(path, r->pattern, r->prefix_len) != 0)) {
            continue;
        }
        if (!matches(r, path, path + len, out)) {
            continue;
        }
        if (method >= 0 && r->targets[method].handler != NULL) {
            out->handler = r->targets[method].handler;
            out->arg = r->targets[method].arg;
            return HTTP_ROUTE_FOUND;
        }
        for (int m = 0; m < METHOD_COUNT; m++) {
            out->allow |= r->targets[m].handler != NULL ? 1u << m : 0;
        }
    }
    return out->allow != 0 ? HTTP_ROUTE_NO_METHOD : HTTP_ROUTE_NO_PATH;
}

enum http_route_result http_router_match(const struct http_router *r,
                                         const char *method,
                                         const char *path,
                                         size_t len,
                                         struct http_route_match *out)
{
    out->allow = 0;
    if (r == NULL || len == 0 || path[0] != '/') {
        return HTTP_ROUTE_NO_PATH;
    }
    int m = method_index(method);
    enum http_route_result result = match_exactly(r, m, path, len, out);
    if (result == HTTP_ROUTE_NO_PATH && len > 1 && path[len - 1] == '/') {
        result = match_exactly(r, m, path, len - 1, out);
    }
    return result;
}

/* ---- Allow ---- */

const char *http_router_format_allow(uint32_t allow, char *out)
{
    allow |= 1u << METHOD_OPTIONS;
    if ((allow & (1u << METHOD_GET)) != 0) {
        allow |= 1u << METHOD_HEAD;
    }
    size_t n = 0;
    for (int m = 0; m < METHOD_COUNT; m++) {
        if ((allow & (1u << m)) == 0) {
            continue;
        }
        size_t len = strlen(methods[m]);
        MU_ASSERT(n + len + 3 <= HTTP_ALLOW_TEXT_MAX);
        if (n > 0) {
            memcpy(out + n, ", ", 2);
            n += 2;
        }
        memcpy(out + n, methods[m], len);
        n += len;
    }
    out[n] = '\0';
    return out;
}

uint32_t http_router_all_methods(void)
{
    return (1u << METHOD_COUNT) - 1;
}
