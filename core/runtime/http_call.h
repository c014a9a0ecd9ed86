/* One request of the HTTP client: its libcurl handle, what it collects, and its end.
 * Between http_client.c (the loop's side) and http_call.c (libcurl's easy side) only. */
#ifndef MU_RUNTIME_HTTP_CALL_H
#define MU_RUNTIME_HTTP_CALL_H

#include <curl/curl.h>

#include <muster/buf.h>
#include <muster/http.h>

#include "base/list.h"

struct http_client;

enum http_call_state {
    CALL_QUEUED,  /* not yet given to libcurl */
    CALL_RUNNING, /* in the multi handle */
    CALL_ENDED,   /* out of it; on_done is running or has run */
};

struct http_call_header {
    size_t name, value; /* offsets in text, which may move while it grows */
};

struct mu_http_call {
    struct http_client *client;
    struct mu_list link; /* in client->calls */
    enum http_call_state state;
    bool cancelled;
    struct mu_http_ask ask; /* callbacks and limits; its pointers are not kept */
    char *method, *url;
    CURL *easy;
    struct curl_slist *headers_out;
    char *body_out;
    char curl_error[CURL_ERROR_SIZE];
    int failure; /* ours, where libcurl only knows that a callback said no */
    struct mu_error failure_text;
    bool has_status; /* the current block of headers began with a status line */
    bool head_done;
    struct mu_buf head; /* names and values, each NUL-terminated */
    struct http_call_header *spans;
    struct mu_http_header *headers;
    size_t header_count, header_cap;
    struct mu_buf body;
};

MU_NODISCARD int http_call_create(struct http_client *client,
                                  const char *user_agent,
                                  size_t max_header_bytes,
                                  const struct mu_http_ask *ask,
                                  struct mu_http_call **out,
                                  struct mu_error *err);
/* on_done for what libcurl said, then frees the call. It is in no multi handle. */
void http_call_end(struct mu_http_call *call, CURLcode result);

#endif
