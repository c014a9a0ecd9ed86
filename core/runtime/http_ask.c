#include "runtime/http_ask.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return true;
        }
    }
    return false;
}

static int check_headers(const struct mu_http_ask *ask, struct mu_error *err)
{
    for (size_t i = 0; i < ask->header_count; i++) {
        const struct mu_http_header *h = &ask->headers[i];
        if (h->name[0] == '\0' || has_control(h->name) ||
            strpbrk(h->name, ":; ") != NULL || has_control(h->value)) {
            return mu_fail(err, MU_E_INVALID, "header %zu is not valid", i);
        }
    }
    return 0;
}

static bool copy(char *out, size_t size, const char *from, size_t len)
{
    if (len == 0 || len >= size) {
        return false;
    }
    memcpy(out, from, len);
    out[len] = '\0';
    return true;
}

static bool take_port(const char *text, size_t len, struct http_target *out)
{
    uint64_t port = 0;
    if (len == 0) { /* "host:" and "host" are the same */
        text = "80";
        len = 2;
    }
    return copy(out->port, sizeof(out->port), text, len) &&
           mu_parse_u64(out->port, &port, NULL) == 0 && port > 0 && port <= UINT16_MAX;
}

/* "host", "host:port", "[v6]", "[v6]:port" */
static bool take_authority(const char *at, size_t len, struct http_target *out)
{
    bool is_v6 = len > 0 && at[0] == '[';
    const char *end = at + len;
    const char *colon = memchr(at, is_v6 ? ']' : ':', len);
    if (is_v6) {
        if (colon == NULL ||
            !copy(out->host, sizeof(out->host), at + 1, (size_t)(colon - at - 1))) {
            return false;
        }
        colon++;
        if (colon < end && *colon != ':') {
            return false;
        }
    } else {
        colon = colon != NULL ? colon : end;
        if (!copy(out->host, sizeof(out->host), at, (size_t)(colon - at))) {
            return false;
        }
    }
    size_t host_len = (size_t)(colon - at);
    const char *port = colon < end ? colon + 1 : end;
    if (!take_port(port, (size_t)(end - port), out)) {
        return false;
    }
    size_t place_len = strcmp(out->port, "80") == 0 ? host_len : len;
    return copy(out->place, sizeof(out->place), at, place_len);
}

static int take_url(const char *url, struct http_target *out, struct mu_error *err)
{
    if (url == NULL || has_control(url) || strchr(url, ' ') != NULL) {
        return mu_fail(err, MU_E_INVALID, "the url is not valid");
    }
    bool is_http = strncasecmp(url, "http://", 7) == 0;
    if (!is_http && strncasecmp(url, "https://", 8) != 0) {
        return mu_fail(err, MU_E_INVALID, "the url '%s' is not one of http", url);
    }
    const char *authority = url + (is_http ? 7 : 8);
    size_t len = strcspn(authority, "/?#");
    out->is_plain = is_http && memchr(authority, '@', len) == NULL;
    if (out->is_plain && !take_authority(authority, len, out)) {
        return mu_fail(err, MU_E_INVALID, "the url '%s' has no valid host", url);
    }
    out->path = authority + len;
    out->path_len = strcspn(out->path, "#");
    return 0;
}

int http_ask_check(const struct mu_http_ask *ask,
                   struct http_target *out,
                   struct mu_error *err)
{
    int rc = take_url(ask->url, out, err);
    if (rc < 0) {
        return rc;
    }
    if (ask->method == NULL || ask->method[0] == '\0' ||
        strspn(ask->method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != strlen(ask->method)) {
        return mu_fail(err, MU_E_INVALID, "the method is not valid");
    }
    if (ask->unix_socket != NULL && ask->unix_socket[0] == '\0') {
        return mu_fail(err, MU_E_INVALID, "the socket path is empty");
    }
    return check_headers(ask, err);
}

static bool has_header(const struct mu_http_ask *ask, const char *name)
{
    return mu_http_header_get(ask->headers, ask->header_count, name) != NULL;
}

void http_ask_compose(const struct mu_http_ask *ask,
                      const struct http_target *target,
                      const char *user_agent,
                      struct mu_buf *out)
{
    const char *slash = target->path_len > 0 && target->path[0] == '/' ? "" : "/";
    mu_buf_printf(out, "%s %s", ask->method, slash);
    (void)mu_buf_append(out, target->path, target->path_len);
    mu_buf_puts(out, " HTTP/1.1\r\n");
    if (!has_header(ask, "host")) {
        mu_buf_printf(out, "Host: %s\r\n", target->place);
    }
    if (!has_header(ask, "user-agent")) {
        mu_buf_printf(out, "User-Agent: %s\r\n", user_agent);
    }
    if (!has_header(ask, "accept")) {
        mu_buf_puts(out, "Accept: */*\r\n");
    }
    for (size_t i = 0; i < ask->header_count; i++) {
        mu_buf_printf(out, "%s: %s\r\n", ask->headers[i].name, ask->headers[i].value);
    }
    bool wants_body = strcmp(ask->method, "POST") == 0 ||
                      strcmp(ask->method, "PUT") == 0 ||
                      strcmp(ask->method, "PATCH") == 0;
    if (ask->body_len > 0 || wants_body) {
        mu_buf_printf(out, "Content-Length: %zu\r\n", ask->body_len);
    }
    mu_buf_puts(out, "\r\n");
}
