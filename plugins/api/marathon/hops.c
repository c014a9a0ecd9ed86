/* See hops.h. */
#include "hops.h"

#include <string.h>
#include <strings.h>

#include "arguments.h"

#define BLANKS " \t"

enum { TEXT_MAX = 256 * 1024 };

/* Of one connection, or made anew on each. Accept-Encoding too: the answer comes as it
 * is, and is compressed for whoever wants that on the last part of its way. */
static const char *const never[] = {
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "Expect",
    "Content-Length",
    "Date",
    "Proxy-Connection",
    NULL,
};
static const char *const never_up[] = {
    "Accept-Encoding", "Via", "X-Forwarded-For", MRT_PASSED_BY, NULL,
};

static bool is_one_of(const char *name, const char *const *list)
{
    for (size_t i = 0; list[i] != NULL; i++) {
        if (strcasecmp(name, list[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* The next element of a comma-separated list, without blanks around it; NULL: no more. */
static const char *next_element(const char **at, size_t *out_len)
{
    const char *p = *at + strspn(*at, BLANKS ",");
    size_t len = strcspn(p, ",");
    *at = p + len;
    while (len > 0 && strchr(BLANKS, p[len - 1]) != NULL) {
        len--;
    }
    *out_len = len;
    return len > 0 ? p : NULL;
}

/* Does a Connection header say that `name` is of this connection only? */
static bool
is_connections(const struct mu_http_header *headers, size_t count, const char *name)
{
    size_t name_len = strlen(name);
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(headers[i].name, "Connection") != 0) {
            continue;
        }
        const char *at = headers[i].value, *element;
        size_t len;
        while ((element = next_element(&at, &len)) != NULL) {
            if (len == name_len && strncasecmp(element, name, len) == 0) {
                return true;
            }
        }
    }
    return false;
}

static int add(struct mrt_hops *h, const char *name, const char *value)
{
    if (h->count == MRT_HOPS_HEADERS_MAX) {
        return MU_E_LIMIT;
    }
    h->v[h->count++] = (struct mu_http_header){name, value};
    return 0;
}

static void init(struct mrt_hops *h)
{
    h->count = 0;
    mu_buf_init(&h->via, TEXT_MAX);
    mu_buf_init(&h->forwarded, TEXT_MAX);
}

/* All values of that name, as one list, with `last` behind them. */
static void join(const struct mu_http_request *req,
                 const char *name,
                 const char *prefix,
                 const char *last,
                 struct mu_buf *out)
{
    for (size_t i = 0; i < req->header_count; i++) {
        if (strcasecmp(req->headers[i].name, name) == 0) {
            (void)mu_buf_printf(out, "%s, ", req->headers[i].value);
        }
    }
    (void)mu_buf_printf(out, "%s%s", prefix, last);
}

bool mrt_hops_was_passed(const struct mu_http_request *req)
{
    return mu_http_header_get(req->headers, req->header_count, MRT_PASSED_BY) != NULL;
}

/* An element of Via is "1.1 host:port", perhaps with a comment behind it. */
static bool names(const char *element, size_t len, const char *self)
{
    size_t protocol = strcspn(element, BLANKS ",");
    size_t at = protocol + strspn(element + protocol, BLANKS);
    size_t end = at + strcspn(element + at, BLANKS ",");
    return end <= len && end - at == strlen(self) &&
           strncasecmp(element + at, self, end - at) == 0;
}

bool mrt_hops_is_loop(const struct mu_http_request *req, const char *self)
{
    for (size_t i = 0; i < req->header_count && self[0] != '\0'; i++) {
        if (strcasecmp(req->headers[i].name, "Via") != 0) {
            continue;
        }
        const char *at = req->headers[i].value, *element;
        size_t len;
        while ((element = next_element(&at, &len)) != NULL) {
            if (names(element, len, self)) {
                return true;
            }
        }
    }
    return false;
}

int mrt_hops_request(struct mrt_hops *h,
                     const struct mu_http_request *req,
                     const char *self)
{
    char ip[64];
    int rc = 0;
    init(h);
    for (size_t i = 0; i < req->header_count && rc == 0; i++) {
        const char *name = req->headers[i].name;
        if (!is_one_of(name, never) && !is_one_of(name, never_up) &&
            !is_connections(req->headers, req->header_count, name)) {
            rc = add(h, name, req->headers[i].value);
        }
    }
    mrt_peer_ip(req->peer, ip, sizeof(ip));
    join(req, "X-Forwarded-For", "", ip, &h->forwarded);
    join(req, "Via", "1.1 ", self, &h->via);
    rc = rc < 0 ? rc : add(h, "X-Forwarded-For", mu_buf_str(&h->forwarded));
    rc = rc < 0 ? rc : add(h, "Via", mu_buf_str(&h->via));
    return rc < 0 ? rc : add(h, MRT_PASSED_BY, self);
}

int mrt_hops_answer(struct mrt_hops *h,
                    const struct mu_http_header *headers,
                    size_t count,
                    const char *self)
{
    int rc = 0;
    init(h);
    for (size_t i = 0; i < count && rc == 0; i++) {
        const char *name = headers[i].name;
        /* the server says by itself what varies with the encoding */
        bool is_vary = strcasecmp(name, "Vary") == 0 &&
                       strcasecmp(headers[i].value, "Accept-Encoding") == 0;
        if (!is_vary && !is_one_of(name, never) &&
            !is_connections(headers, count, name)) {
            rc = add(h, name, headers[i].value);
        }
    }
    (void)mu_buf_printf(&h->via, "1.1 %s", self);
    return rc < 0 ? rc : add(h, "Via", mu_buf_str(&h->via));
}

void mrt_hops_release(struct mrt_hops *h)
{
    mu_buf_release(&h->via);
    mu_buf_release(&h->forwarded);
}
