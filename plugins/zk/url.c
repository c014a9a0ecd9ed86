/* See url.h. */
#include "url.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

#define SCHEME "zk://"
#define DEFAULT_PORT "2181"
#define BLANKS " \t\r\n"
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

/* One server of the list. '[' and ']' enclose an address with colons of its own. */
struct server {
    const char *name, *port;
    size_t name_len, port_len;
};

static bool split_server(const char *at, size_t len, struct server *out)
{
    const char *end = at + len;
    const char *rest = at; /* behind the name: nothing, or ':' and the port */
    if (len > 0 && at[0] == '[') {
        rest = memchr(at, ']', len);
        if (rest == NULL) {
            return false;
        }
        out->name = at + 1;
        out->name_len = (size_t)(rest - at - 1);
        rest++;
    } else {
        const char *colon = memchr(at, ':', len);
        rest = colon != NULL ? colon : end;
        out->name = at;
        out->name_len = (size_t)(rest - at);
    }
    out->port = rest < end ? rest + 1 : DEFAULT_PORT;
    out->port_len = rest < end ? (size_t)(end - out->port) : strlen(DEFAULT_PORT);
    return rest == end || *rest == ':';
}

static bool is_name(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)s[i] <= ' ' || s[i] == '[' || s[i] == ']' || s[i] == 0x7f) {
            return false;
        }
    }
    return len > 0;
}

/* Appended to hosts as "name:port": libzookeeper splits at the last colon and takes no
 * brackets. */
static int add_host(const char *at, size_t len, char *hosts, struct mu_error *err)
{
    struct server server;
    if (!split_server(at, len, &server) || !is_name(server.name, server.name_len)) {
        return mu_fail(err, MU_E_INVALID, "ZooKeeper URL: '%.*s' names no server",
                       (int)len, at);
    }
    if (!is_port(server.port, server.port_len)) {
        return mu_fail(err, MU_E_INVALID,
                       "ZooKeeper URL: the port of '%.*s' is not between 1 and 65535",
                       (int)len, at);
    }
    char *end = hosts + strlen(hosts);
    if (end != hosts) {
        *end++ = ',';
    }
    memcpy(end, server.name, server.name_len);
    end += server.name_len;
    *end++ = ':';
    memcpy(end, server.port, server.port_len);
    end[server.port_len] = '\0';
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

/* Between two slashes: what ZooKeeper takes as a node's name. */
static bool is_node_name(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)s[i] <= ' ' || s[i] == 0x7f) {
            return false;
        }
    }
    return len > 0 && !(len == 1 && s[0] == '.') &&
           !(len == 2 && s[0] == '.' && s[1] == '.');
}

static int
parse_path(const char *path, size_t len, struct zks_url *out, struct mu_error *err)
{
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
    for (size_t at = 1; at <= len;) {
        const char *slash = memchr(path + at, '/', len - at);
        size_t end = slash != NULL ? (size_t)(slash - path) : len;
        if (!is_node_name(path + at, end - at)) {
            return mu_fail(err, MU_E_INVALID,
                           "ZooKeeper URL: '%.*s' is not a path of nodes", (int)len,
                           path);
        }
        at = end + 1;
    }
    out->path = zks_copy(path, len);
    return 0;
}

int zks_url_parse(const char *text, struct zks_url *out, struct mu_error *err)
{
    *out = (struct zks_url){0};
    text += strspn(text, BLANKS);
    size_t text_len = strlen(text);
    while (text_len > 0 && strchr(BLANKS, text[text_len - 1]) != NULL) {
        text_len--;
    }
    if (strncmp(text, SCHEME, strlen(SCHEME)) != 0) {
        return mu_fail(err, MU_E_INVALID, "ZooKeeper URL: it does not begin with zk://");
    }
    const char *at = text + strlen(SCHEME);
    const char *end = text + text_len;
    const char *path = memchr(at, '/', (size_t)(end - at));
    size_t len = (size_t)((path != NULL ? path : end) - at);
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
        rc = parse_path(path, path != NULL ? (size_t)(end - path) : 0, out, err);
    }
    if (rc < 0) {
        zks_url_release(out);
        if (sign == NULL && path != NULL && memchr(path, '@', (size_t)(end - path))) {
            /* the parts of a password are not to be shown */
            return mu_fail(err, rc,
                           "ZooKeeper URL: '@' stands behind the first '/', which cannot "
                           "be in a password");
        }
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
