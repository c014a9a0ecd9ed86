/* HTTP client on libcurl's multi interface in the process's libuv loop.
 *
 * What to ask and what comes back is in <muster/http.h>. Connections are kept alive and
 * used again, to hosts and to unix sockets. Redirects are not followed, proxies in the
 * environment are ignored, nothing waits for 100 Continue. Loop thread only; all
 * callbacks come from the loop, never inside a call to one of these functions.
 */
#ifndef MU_RUNTIME_HTTP_CLIENT_H
#define MU_RUNTIME_HTTP_CLIENT_H

#include <muster/host.h>
#include <muster/http.h>

struct http_client;
struct uv_loop_s;

struct http_client_config {
    const char *user_agent;  /* copied; NULL: "muster" */
    size_t max_idle;         /* connections kept for later; 0: 64 */
    size_t max_header_bytes; /* of an answer; 0: 256 KiB */
};

/* cfg may be NULL. Errors: -ENOMEM (libcurl cannot start). */
MU_NODISCARD int http_client_create(struct uv_loop_s *loop,
                                    const struct http_client_config *cfg,
                                    struct http_client **out,
                                    struct mu_error *err);
/* As struct mu_host's http_request; out_call may be NULL. Errors: MU_E_INVALID (url,
 * method, header), -ECANCELED (the client is closing); then on_done never runs. The
 * call is dead once on_done runs. */
MU_NODISCARD int http_client_request(struct http_client *c,
                                     const struct mu_http_ask *ask,
                                     struct mu_http_call **out_call,
                                     struct mu_error *err);
/* on_done follows with -ECANCELED, and nothing else does. NULL is fine; twice too. */
void http_client_cancel(struct mu_http_call *call);
/* Cancels all calls (their on_done runs), closes all connections, frees c, then cb. */
void http_client_close(struct http_client *c, mu_cb cb, void *arg);

#endif
