/* What is asked of the HTTP client: checked, taken apart, and put into the bytes of a
 * request. No I/O. */
#ifndef MU_RUNTIME_HTTP_ASK_H
#define MU_RUNTIME_HTTP_ASK_H

#include <muster/buf.h>
#include <muster/http.h>

struct http_target {
    bool is_plain;    /* http without a user name: not libcurl's */
    char host[256];   /* without the brackets of an IPv6 address */
    char port[6];     /* decimal */
    char place[264];  /* for Host: as in the url, without the port 80 */
    const char *path; /* borrowed from the url: "/...", "?...", "" */
    size_t path_len;  /* up to the fragment */
};

/* MU_E_INVALID when the method, a header or the url cannot be. */
MU_NODISCARD int http_ask_check(const struct mu_http_ask *ask,
                                struct http_target *out,
                                struct mu_error *err);
/* Request line and headers. */
void http_ask_compose(const struct mu_http_ask *ask,
                      const struct http_target *target,
                      const char *user_agent,
                      struct mu_buf *out);

#endif
