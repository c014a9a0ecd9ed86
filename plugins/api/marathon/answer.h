/* Answers: the headers that all of them have, JSON bodies, Marathon's error bodies. Each
 * of these ends the exchange. */
#ifndef MRT_ANSWER_H
#define MRT_ANSWER_H

#include <muster/json_writer.h>

#include "marathon.h"
#include "problems.h"

#define MRT_JSON "application/json"
#define MRT_TEXT "text/plain;charset=utf-8"

enum { MRT_EXTRA_MAX = 4, MRT_HEADERS_MAX = 12 + MRT_EXTRA_MAX };

/* Fills out (MRT_HEADERS_MAX) with the common headers, `type` and the extra ones; values
 * are borrowed from m, the request and scratch. Returns their number. */
struct mrt_header_text {
    char leader[MRT_NAME_MAX + 32];
};
size_t mrt_headers(struct mrt *m,
                   const struct mu_http_request *req,
                   const char *type,
                   struct mrt_header_text *scratch,
                   struct mu_http_header *out);

void mrt_answer(struct mrt *m,
                struct mu_http_exchange *x,
                int status,
                const struct mu_buf *body); /* JSON */
void mrt_answer_with(struct mrt *m,
                     struct mu_http_exchange *x,
                     int status,
                     const char *type, /* NULL: no body */
                     const struct mu_buf *body,
                     const struct mu_http_header *extra,
                     size_t extra_count);
/* {"message": ...} */
void mrt_answer_message(struct mrt *m,
                        struct mu_http_exchange *x,
                        int status,
                        const char *fmt,
                        ...) MU_PRINTF(4, 5);
void mrt_answer_problems(struct mrt *m,
                         struct mu_http_exchange *x,
                         const struct mrt_problems *p);
/* 400 for a body that is not JSON. */
void mrt_answer_not_json(struct mrt *m,
                         struct mu_http_exchange *x,
                         const struct mu_error *err);
/* 503 with Retry-After. */
void mrt_answer_retry(struct mrt *m, struct mu_http_exchange *x, const char *text);
/* The text of mrt_answer_not_ready; of a leader that loads its state, with what its
 * registry waits for. */
void mrt_not_ready_text(struct mrt *m, int code, struct mu_buf *out);
/* The same for a negative code of mrt_ready or of a query: nothing has been done, so a
 * master that has passed the request on may send it to another one (hops.h). */
void mrt_answer_not_ready(struct mrt *m, struct mu_http_exchange *x, int code);
/* A command that failed, in Marathon's words. */
void mrt_answer_failure(struct mrt *m,
                        struct mu_http_exchange *x,
                        const struct mu_command_result *r);
/* {"version": ..., "deploymentId": ...}; location NULL: none. */
void mrt_answer_result(struct mrt *m,
                       struct mu_http_exchange *x,
                       int status,
                       const struct mu_command_result *r,
                       const char *location);
/* For struct mu_host.http_error_body. */
void mrt_error_body(int status,
                    const char *text,
                    struct mu_buf *out,
                    const char **out_type);
/* "http://<host of the request><path><id>" for Location. */
void mrt_location(const struct mrt *m,
                  const struct mu_http_request *req,
                  const char *path,
                  const char *id,
                  struct mu_buf *out);

#endif
