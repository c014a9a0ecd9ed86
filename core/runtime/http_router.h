/* Which handler takes a path: patterns of literal segments, {one} and {tail...} holes.
 *
 * Paths are matched as sent: slashes are never collapsed, escapes are decoded segment by
 * segment, so "/v2/apps//ubuntu" matches "/v2/apps/{id...}" with "/ubuntu", and "%2f" in
 * a segment does not split it. The longest literal match wins: first by literal prefix,
 * then by all literal bytes, then {one} before {tail...}. A path that matches nothing is
 * tried once more without one trailing slash. No I/O; loop thread only.
 */
#ifndef MU_RUNTIME_HTTP_ROUTER_H
#define MU_RUNTIME_HTTP_ROUTER_H

#include <muster/http.h>

enum { HTTP_ROUTE_HOLES_MAX = 8 };

struct http_router; /* NULL is an empty one */

struct http_route_match {
    mu_http_handler_cb handler;
    void *arg;
    size_t hole_count;
    struct {
        const char *at; /* raw, inside the path */
        size_t len;
    } holes[HTTP_ROUTE_HOLES_MAX];
    uint32_t allow; /* when the path is known: methods, for http_router_format_allow */
};

enum http_route_result { HTTP_ROUTE_FOUND, HTTP_ROUTE_NO_PATH, HTTP_ROUTE_NO_METHOD };

struct http_router *http_router_create(void);
void http_router_destroy(struct http_router *r);
/* Errors: -EEXIST, MU_E_INVALID. */
MU_NODISCARD int http_router_add(struct http_router *r,
                                 const char *method,
                                 const char *pattern,
                                 mu_http_handler_cb handler,
                                 void *arg,
                                 struct mu_error *err);
void http_router_remove(struct http_router *r, const void *arg);
enum http_route_result http_router_match(const struct http_router *r,
                                         const char *method,
                                         const char *path,
                                         size_t len,
                                         struct http_route_match *out);

enum { HTTP_ALLOW_TEXT_MAX = 64 };
/* "GET, HEAD, POST, OPTIONS": HEAD comes with GET, OPTIONS always. Returns out, which
 * holds HTTP_ALLOW_TEXT_MAX bytes. */
const char *http_router_format_allow(uint32_t allow, char *out);
/* Every method a route can have, for "OPTIONS *". */
uint32_t http_router_all_methods(void);

#endif
