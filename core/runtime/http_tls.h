/* The half of the HTTP client that speaks TLS: libcurl's multi interface in the process's
 * libuv loop. Used by http_client.c, which has checked what is asked and offers users the
 * whole; the same rules for callbacks hold here. */
#ifndef MU_RUNTIME_HTTP_TLS_H
#define MU_RUNTIME_HTTP_TLS_H

#include <muster/host.h>
#include <muster/http.h>

struct http_tls;
struct http_tls_call;
struct uv_loop_s;

struct http_tls_config {
    const char *user_agent; /* copied */
    size_t max_idle, max_header_bytes;
};

/* MU_E_UNSUPPORTED: libcurl cannot be loaded. */
MU_NODISCARD int http_tls_create(struct uv_loop_s *loop,
                                 const struct http_tls_config *cfg,
                                 struct http_tls **out,
                                 struct mu_error *err);
/* The call is dead once on_done runs. */
MU_NODISCARD int http_tls_request(struct http_tls *c,
                                  const struct mu_http_ask *ask,
                                  struct http_tls_call **out_call,
                                  struct mu_error *err);
void http_tls_cancel(struct http_tls_call *call);
/* Once. Cancels all calls, frees c, then cb. */
void http_tls_close(struct http_tls *c, mu_cb cb, void *arg);

#endif
