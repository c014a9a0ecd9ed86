/* Fuzzes patterns and paths. Input: lines; the last is the path, the others patterns. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "runtime/http_router.h"

static void
handler(void *arg, struct mu_http_exchange *x, const struct mu_http_request *r)
{
    (void)arg;
    (void)x;
    (void)r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[2048];
    if (size >= sizeof(text)) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    struct http_router *r = http_router_create();
    char *at = text;
    char *newline;
    while ((newline = strchr(at, '\n')) != NULL) {
        struct mu_error err;
        *newline = '\0';
        if (http_router_add(r, "GET", at, handler, at, &err) < 0) {
            assert(err.text[0] != '\0');
        }
        at = newline + 1;
    }
    struct http_route_match m;
    size_t len = strlen(at);
    if (http_router_match(r, "GET", at, len, &m) == HTTP_ROUTE_FOUND) {
        assert(m.handler == handler && m.hole_count <= HTTP_ROUTE_HOLES_MAX);
        for (size_t i = 0; i < m.hole_count; i++) {
            assert(m.holes[i].at > at && m.holes[i].at + m.holes[i].len <= at + len);
        }
        assert(http_router_match(r, "PUT", at, len, &m) == HTTP_ROUTE_NO_METHOD);
        char allow[HTTP_ALLOW_TEXT_MAX];
        assert(strcmp(http_router_format_allow(m.allow, allow), "GET, HEAD, OPTIONS") ==
               0);
    }
    http_router_destroy(r);
    return 0;
}
