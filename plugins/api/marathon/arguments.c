/* See arguments.h. */
#include "arguments.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    VALUE_MAX = 256,
    REPEATS_MAX = 64, /* of one parameter; each is looked for from the beginning */
};

bool mrt_query_flag(const struct mu_http_request *req, const char *name, bool fallback)
{
    char value[VALUE_MAX];
    int n = mu_http_query_get(req->query, name, 0, value, sizeof(value));
    if (n == MU_E_NOT_FOUND) {
        return fallback;
    }
    return n == 0 ||
           (n > 0 && (strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0));
}

bool mrt_query_has(const struct mu_http_request *req, const char *name, const char *value)
{
    char got[VALUE_MAX];
    for (size_t i = 0; i < REPEATS_MAX; i++) {
        int n = mu_http_query_get(req->query, name, i, got, sizeof(got));
        if (n == MU_E_NOT_FOUND) {
            return false;
        }
        if (n >= 0 && strcmp(got, value) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- Accept ---- */

/* "q" of a media range's parameters, in thousandths. */
static int quality(const char *parameters, size_t len)
{
    for (const char *p = parameters, *end = parameters + len; p < end; p++) {
        if (*p != ';') {
            continue;
        }
        p += 1 + strspn(p + 1, " \t");
        if ((size_t)(end - p) < 3 || strncasecmp(p, "q=", 2) != 0) {
            p--;
            continue;
        }
        int q = p[2] == '1' ? 1000 : 0;
        if (p[2] == '0' && end - p > 4 && p[3] == '.') {
            int unit = 100;
            for (const char *d = p + 4; d < end && *d >= '0' && *d <= '9'; d++) {
                q += (*d - '0') * unit;
                unit /= 10;
            }
        }
        return q;
    }
    return 1000;
}

struct preference {
    int quality;  /* of the most specific range that fits; -1: none does */
    int specific; /* 2: the type itself, 1: type/ *, 0: all */
    int place;
};

static int specificity(const char *range, size_t len, const char *type)
{
    size_t slash = strcspn(type, "/");
    if (len == strlen(type) && strncasecmp(range, type, len) == 0) {
        return 2;
    }
    if (len == slash + 2 && strncasecmp(range, type, slash + 1) == 0 &&
        range[len - 1] == '*') {
        return 1;
    }
    return len == 3 && strncmp(range, "*/*", 3) == 0 ? 0 : -1;
}

static struct preference prefer(const char *accept, const char *type)
{
    struct preference best = {-1, -1, 0};
    int place = 0;
    for (const char *p = accept; *p != '\0'; place++) {
        p += strspn(p, " \t,");
        size_t whole = strcspn(p, ",");
        size_t len = strcspn(p, ",; \t");
        int specific = len > 0 ? specificity(p, len, type) : -1;
        if (specific > best.specific) {
            best = (struct preference){quality(p + len, whole - len), specific, place};
        }
        p += whole;
    }
    return best;
}

static const char *accept_of(const struct mu_http_request *req)
{
    const char *accept = mu_http_header_get(req->headers, req->header_count, "Accept");
    return accept == NULL || accept[0] == '\0' ? "*/*" : accept;
}

enum mrt_form mrt_accepted_form(const struct mu_http_request *req)
{
    const char *accept = accept_of(req);
    struct preference json = prefer(accept, "application/json");
    struct preference text = prefer(accept, "text/plain");
    if (text.quality <= 0 || text.quality < json.quality) {
        return MRT_FORM_JSON;
    }
    bool wins = text.quality > json.quality || text.specific > json.specific ||
                (text.specific == json.specific && text.place < json.place);
    return wins ? MRT_FORM_TEXT : MRT_FORM_JSON;
}

bool mrt_accepts_events(const struct mu_http_request *req)
{
    const char *accept = accept_of(req);
    struct preference events = prefer(accept, "text/event-stream");
    if (events.specific == 2) {
        return events.quality > 0;
    }
    /* a browser's "text/html,...,* / *;q=0.8" does not want an endless stream */
    return strspn(accept, " \t") + 3 <= strlen(accept) &&
           strncmp(accept + strspn(accept, " \t"), "*/*", 3) == 0;
}

/* ---- embed ---- */

static const struct {
    const char *name;
    uint32_t bits;
} embeds[] = {
    {"tasks", MRT_EMBED_TASKS | MRT_EMBED_DEPLOYMENTS},
    {"counts", MRT_EMBED_COUNTS},
    {"deployments", MRT_EMBED_DEPLOYMENTS},
    {"lastTaskFailure", MRT_EMBED_LAST_FAILURE},
    {"failures", MRT_EMBED_TASKS | MRT_EMBED_LAST_FAILURE | MRT_EMBED_DEPLOYMENTS},
    {"taskStats", MRT_EMBED_TASK_STATS},
    {"readiness", MRT_EMBED_READINESS},
};

static uint32_t embed_bits(const char *value, const char *const *prefixes)
{
    uint32_t bits = 0;
    for (; *prefixes != NULL; prefixes++) {
        size_t len = strlen(*prefixes);
        for (size_t i = 0; i < sizeof(embeds) / sizeof(embeds[0]); i++) {
            if (strncmp(value, *prefixes, len) == 0 &&
                strcmp(value + len, embeds[i].name) == 0) {
                bits |= embeds[i].bits;
            }
        }
    }
    return bits;
}

uint32_t mrt_query_embed(const struct mu_http_request *req, const char *const *prefixes)
{
    uint32_t bits = 0;
    char value[VALUE_MAX];
    for (size_t i = 0; i < REPEATS_MAX; i++) {
        int n = mu_http_query_get(req->query, "embed", i, value, sizeof(value));
        if (n == MU_E_NOT_FOUND) {
            break;
        }
        bits |= n < 0 ? 0 : embed_bits(value, prefixes);
    }
    return bits;
}

void mrt_peer_ip(const char *peer, char *out, size_t cap)
{
    const char *start = peer[0] == '[' ? peer + 1 : peer;
    const char *end = peer[0] == '[' ? strchr(start, ']') : strrchr(start, ':');
    size_t len = end != NULL ? (size_t)(end - start) : strlen(start);
    (void)snprintf(out, cap, "%.*s", (int)len, start);
}
