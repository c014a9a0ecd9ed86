/* See codec.h.
 *
 * `ip` is the IPv4 address as Mesos keeps it: its bytes in network order, read as an
 * integer of a little-endian machine (127.0.0.1 is 16777343). */
#include "codec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include <jansson.h>

#include "codec_protobuf.h"
#include "zk/alloc.h"

#define DATA_MAX (64u * 1024)
#define ID_LEN_MAX 255
#define HOST_LEN_MAX 255

static uint32_t ip_number(const char *ip)
{
    unsigned char b[4] = {0};
    (void)inet_pton(AF_INET, ip, b); /* another kind of address: 0, as in Mesos */
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
           (uint32_t)b[3] << 24;
}

static char *ip_text(uint32_t number)
{
    char text[16];
    (void)snprintf(text, sizeof(text), "%u.%u.%u.%u", number & 0xffu, number >> 8 & 0xffu,
                   number >> 16 & 0xffu, number >> 24);
    return zks_copy(text, strlen(text));
}

void zke_member_encode(struct mu_buf *out, const struct mu_member *m)
{
    char pid[128];
    (void)snprintf(pid, sizeof(pid), "master@%s:%u", m->ip, m->port);
    json_t *root = json_pack(
        "{s:{s:s, s:s, s:I}, s:I, s:[{s:s}, {s:s}, {s:s}], s:s, s:s, s:I, s:s, s:I, s:s}",
        "address", "hostname", m->hostname, "ip", m->ip, "port", (json_int_t)m->port,
        "app_port", (json_int_t)m->app_port, "capabilities", "type", "AGENT_UPDATE",
        "type", "AGENT_DRAINING", "type", "QUOTA_V2", "hostname", m->hostname, "id",
        m->id, "ip", (json_int_t)ip_number(m->ip), "pid", pid, "port",
        (json_int_t)m->port, "version", m->version != NULL ? m->version : "");
    char *text = root != NULL ? json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    (void)mu_buf_puts(out, text != NULL ? text : "");
    free(text);
    json_decref(root);
}

/* Ours to free: what the struct shows as const. */
static char *take(const char *s)
{
    return zks_copy(s, strlen(s));
}

static bool port_of(const json_t *object, const char *key, uint32_t *out)
{
    const json_t *v = json_object_get(object, key);
    json_int_t n = json_is_integer(v) ? json_integer_value(v) : -1;
    if (n < 1 || n > 65535) {
        return false;
    }
    *out = (uint32_t)n;
    return true;
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* These go into headers, URLs and logs. */
static bool is_plain(const char *s, size_t max_len)
{
    size_t len = strlen(s);
    for (size_t i = 0; i < len; i++) {
        if (s[i] <= ' ' || s[i] > '~' || strchr("\"'\\<>", s[i]) != NULL) {
            return false;
        }
    }
    return len > 0 && len <= max_len;
}

static int from_json(const json_t *root, struct mu_member *m, struct mu_error *err)
{
    const json_t *address = json_object_get(root, "address");
    const char *id = text_of(root, "id");
    const char *hostname = text_of(address, "hostname");
    const char *ip = text_of(address, "ip");
    const char *version = text_of(root, "version");
    const json_t *number = json_object_get(root, "ip");
    if (hostname == NULL) {
        hostname = text_of(root, "hostname");
    }
    if (id == NULL || id[0] == '\0') {
        return mu_fail(err, MU_E_PROTOCOL, "MasterInfo without 'id'");
    }
    if (!port_of(address, "port", &m->port) && !port_of(root, "port", &m->port)) {
        return mu_fail(err, MU_E_PROTOCOL, "MasterInfo without a valid 'port'");
    }
    if (ip == NULL && (!json_is_integer(number) || json_integer_value(number) < 0 ||
                       json_integer_value(number) > UINT32_MAX)) {
        return mu_fail(err, MU_E_PROTOCOL, "MasterInfo without 'ip'");
    }
    m->id = take(id);
    m->ip = ip != NULL ? take(ip) : ip_text((uint32_t)json_integer_value(number));
    m->hostname = take(hostname != NULL ? hostname : m->ip);
    m->version = version != NULL && is_plain(version, ID_LEN_MAX) ? take(version) : NULL;
    if (!port_of(root, "app_port", &m->app_port)) {
        m->app_port = 0; /* another system's leader */
    }
    return 0;
}

static int
decode_json(const char *data, size_t len, struct mu_member *m, struct mu_error *err)
{
    json_error_t at;
    json_t *root = json_loadb(data, len, JSON_REJECT_DUPLICATES, &at);
    int rc = json_is_object(root)
                 ? from_json(root, m, err)
                 : mu_fail(err, MU_E_PROTOCOL, "MasterInfo is not a JSON object");
    json_decref(root);
    return rc;
}

/* "master@10.0.0.1:5050" */
static int
decode_text(const char *data, size_t len, struct mu_member *m, struct mu_error *err)
{
    char text[128], ip[64];
    unsigned port = 0;
    int end = 0;
    if (len < sizeof(text)) {
        memcpy(text, data, len);
        text[len] = '\0';
        if (sscanf(text, "master@%63[^:]:%5u%n", ip, &port, &end) == 2 &&
            text[end] == '\0' && port >= 1 && port <= 65535) {
            m->id = take(text);
            m->ip = take(ip);
            m->hostname = take(ip);
            m->port = port;
            return 0;
        }
    }
    return mu_fail(err, MU_E_PROTOCOL, "it is not of the form master@IP:PORT");
}

static bool is_host(const char *s)
{
    return is_plain(s, HOST_LEN_MAX) && strcspn(s, "/?#@") == strlen(s);
}

static int check_member(const struct mu_member *m, struct mu_error *err)
{
    if (!is_plain(m->id, ID_LEN_MAX)) {
        return mu_fail(err, MU_E_PROTOCOL, "MasterInfo whose 'id' is not an id");
    }
    if (!is_host(m->hostname) || !is_host(m->ip)) {
        return mu_fail(err, MU_E_PROTOCOL,
                       "MasterInfo whose 'hostname' or 'ip' is not a host's");
    }
    return 0;
}

int zke_member_decode(enum zke_label label,
                      const char *data,
                      size_t len,
                      struct mu_member *out,
                      struct mu_error *err)
{
    *out = (struct mu_member){.struct_size = sizeof(*out)};
    if (len > DATA_MAX) {
        return mu_fail(err, -E2BIG, "MasterInfo of %zu bytes, %u are allowed", len,
                       DATA_MAX);
    }
    int rc = 0;
    switch (label) {
    case ZKE_LABEL_JSON:
        rc = decode_json(data, len, out, err);
        break;
    case ZKE_LABEL_PROTOBUF: {
        struct zke_protobuf_info info;
        rc = zke_protobuf_parse(data, len, &info, err);
        if (rc == 0) {
            out->id = take(info.id);
            out->ip = ip_text(info.ip);
            out->hostname =
                info.hostname[0] != '\0' ? take(info.hostname) : take(out->ip);
            out->port = info.port;
        }
        break;
    }
    case ZKE_LABEL_TEXT:
        rc = decode_text(data, len, out, err);
        break;
    }
    if (rc == 0) {
        rc = check_member(out, err);
    }
    if (rc < 0) {
        zke_member_release(out);
    }
    return rc;
}
