/* The headers of a request that one master passes on to another, and of the answer on its
 * way back (RFC 9110, 7.6): what is of one connection only stays behind, Via and
 * X-Forwarded-For grow. Pure; borrowed texts are borrowed from the request, the answer or
 * the scratch. */
#ifndef MRT_HOPS_H
#define MRT_HOPS_H

#include <muster/buf.h>
#include <muster/http.h>

/* In a request: a master has passed it on. A Via alone may be any proxy's. */
#define MRT_PASSED_BY "X-Muster-Passed-By"
/* In an answer to such a request: nothing was done, it may be sent again. */
#define MRT_NOT_TAKEN "X-Muster-Not-Taken"

enum { MRT_HOPS_HEADERS_MAX = 160 };

struct mrt_hops {
    struct mu_http_header v[MRT_HOPS_HEADERS_MAX];
    size_t count;
    struct mu_buf via, forwarded; /* scratch */
};

bool mrt_hops_was_passed(const struct mu_http_request *req);
/* Has it been at `self` ("host:port") before? */
bool mrt_hops_is_loop(const struct mu_http_request *req, const char *self);
/* 0, or MU_E_LIMIT: more headers than are passed on. Release it in any case. */
int mrt_hops_request(struct mrt_hops *h,
                     const struct mu_http_request *req,
                     const char *self);
int mrt_hops_answer(struct mrt_hops *h,
                    const struct mu_http_header *headers,
                    size_t count,
                    const char *self);
void mrt_hops_release(struct mrt_hops *h);

#endif
