/* See url.h. */
#include "url.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

#define SCHEME "zk://"
#define DEFAULT_PORT "2181"
#define PATH_LEN_MAX 255 /* paths are built in buffers that allow for it */

static bool is_port(const char *s, size_t len)
{
    unsigned value = 0;
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9' || len > 5) {
            return false;
        }
        value = value * 10 + (unsigned)(s[i] - '0');
    }
    return value >= 1 && value <= 65535;
}

/* One "host[:port]" of the list, appended to hosts. "[::1]:2181" has its colons inside.
 */
static int add_host(const char *at, size_t len, char *hosts, struct mu_error *err)
{
    const char *bracket = memchr(at, ']', len);
    const char *from = bracket != NULL ? bracket : at;
    const char *colon = memchr(from, ':', len - (size_t)(from - at));
    size_t name_len = colon != NULL ? (size_t)(colon - at) : len;
    if (name_len == 0) {
        return mu_fail(err, MU_E_INVALID, "ZooKeeper URL: '%.*s' names no server",
                       (int)len, at);
    }
    if (colon != NULL && !is_port(colon + 1, len - name_len - 1)) {
        return mu_fail(err, MU_E_INVALID,
                       "ZooKeeper URL: the port of '%.*s' is not between 1 and 65535",
                       (int)len, at);
    }
    char *end = hosts + strlen(hosts);
    if (end != hosts) {
        *end++ = ',';
    }
    memcpy(end, at, len);
    end[len] = '\0';
    if (colon == NULL) {
        memcpy(end + len, ":" DEFAULT_PORT, sizeof(":" DEFAULT_PORT));
    }
    return 0;
}

static int
parse_hosts(const char *at, size_t len, struct zks_url *out, struct mu_error *err)
{
    size_t commas = 0;
    for (size_t i = 0; i < len; i++) {
        commas += at[i] == ',';
    }
    out->hosts = zks_calloc(1, len + (commas + 1) * sizeof(":" DEFAULT_PORT) + 1);
    const char *end = at + len;
    for (;;) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        size_t one = (size_t)((comma != NULL ? comma : end) - at);
        int rc = add_host(at, one, out->hosts, err);
        if (rc < 0 || comma == NULL) {
            return rc;
        }
        at = comma + 1;
    }
}

static int parse_path(const char *path, struct zks_url *out, struct mu_error *err)
{
    size_t len = path == NULL ? 0 : strlen(path);
    while (len > 0 && path[len - 1] == '/') {
        len--;
    }
    if (len == 0) {
        return mu_fail(err, MU_E_INVALID,
                       "ZooKeeper URL: a path is needed, as in zk://HOST:2181/mesos ('/' "
                       "alone is not taken)");
    }
    if (len > PATH_LEN_MAX) {
        return mu_fail(err, MU_E_INVALID,
                       "ZooKeeper URL: its path has %zu bytes, %d are allowed", len,
                       PATH_LEN_MAX);
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)path[i] < 0x21 ||
            (path[i] == '/' && i + 1 < len && path[i + 1] == '/')) {
            return mu_fail(err, MU_E_INVALID,
                           "ZooKeeper URL: '%s' is not a path of nodes", path);
        }
    }
    out->path = zks_copy(path, len);
    return 0;
}

int zks_url_parse(const char *text, struct zks_url *out, struct mu_error *err)
{
    *out = (struct zks_url){0};
    if (strncmp(text, SCHEME, strlen(SCHEME)) != 0) {
        return mu_fail(err, MU_E_INVALID, "ZooKeeper URL: it does not begin with zk://");
    }
    const char *at = text + strlen(SCHEME);
    const char *path = strchr(at, '/');
    size_t len = path != NULL ? (size_t)(path - at) : strlen(at);
    const char *sign = NULL; /* the last '@': a password may have one */
    for (size_t i = 0; i < len; i++) {
        sign = at[i] == '@' ? at + i : sign;
    }
    if (sign != NULL) {
        if (memchr(at, ':', (size_t)(sign - at)) == NULL || at[0] == ':') {
            return mu_fail(err, MU_E_INVALID,
                           "ZooKeeper URL: what stands before '@' is not USER:PASSWORD");
        }
        out->auth = zks_copy(at, (size_t)(sign - at));
        len -= (size_t)(sign + 1 - at);
        at = sign + 1;
    }
    int rc = parse_hosts(at, len, out, err);
    if (rc == 0) {
        rc = parse_path(path, out, err);
    }
    if (rc < 0) {
        zks_url_release(out);
    }
    return rc;
}

void zks_url_release(struct zks_url *url)
{
    free(url->hosts);
    free(url->path);
    free(url->auth);
    *url = (struct zks_url){0};
}
