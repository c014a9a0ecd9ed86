/* The engine's answers -> structs; see codec.h. */
#include "codec.h"

#include <errno.h>
#include <stdio.h>

#include <jansson.h>

#include "spec.h"
#include "util.h"
#include "values.h"

/* Of a text that may be missing; cut to fit, which no id is long enough for. */
static void copy_text(char *out, size_t size, const json_t *text)
{
    const char *s = json_string_value(text);
    size_t len = s == NULL ? 0 : strlen(s);
    if (len >= size) {
        len = size - 1;
        while (len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80) { /* whole characters */
            len--;
        }
    }
    if (len > 0) {
        memcpy(out, s, len);
    }
    out[len] = '\0';
}

static void one_line(char *text)
{
    for (char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p < ' ') {
            *p = ' ';
        }
    }
    size_t len = strlen(text);
    while (len > 0 && text[len - 1] == ' ') {
        text[--len] = '\0';
    }
}

static json_t *
load(const char *body, size_t len, json_type type, const char *what, struct mu_error *err)
{
    json_error_t where;
    json_t *root = json_loadb(body, len, JSON_REJECT_DUPLICATES, &where);
    if (root == NULL) {
        (void)mu_fail(err, MU_E_PROTOCOL, "docker engine: %s: %s at byte %d", what,
                      where.text, where.position);
        return NULL;
    }
    if (json_typeof(root) != type) {
        (void)mu_fail(err, MU_E_PROTOCOL, "docker engine: %s has an unexpected form",
                      what);
        json_decref(root);
        return NULL;
    }
    return root;
}

/* "1.41" -> 141; 0 when it is not of that form */
static unsigned parse_api_version(const char *text)
{
    char major[8];
    int64_t numbers[2] = {0, 0};
    size_t len = text == NULL ? 0 : strcspn(text, ".");

    if (len == 0 || len >= sizeof(major) || text[len] == '\0') {
        return 0;
    }
    memcpy(major, text, len);
    major[len] = '\0';
    if (dkr_parse_int(major, &numbers[0], NULL) < 0 ||
        dkr_parse_int(text + len + 1, &numbers[1], NULL) < 0 || numbers[0] < 1 ||
        numbers[0] > 99 || numbers[1] < 0 || numbers[1] > 99) {
        return 0;
    }
    return (unsigned)(numbers[0] * 100 + numbers[1]);
}

int dkr_decode_version(const char *body,
                       size_t len,
                       struct dkr_version *out,
                       struct mu_error *err)
{
    json_auto_t *root = load(body, len, JSON_OBJECT, "version", err);
    if (root == NULL) {
        return MU_E_PROTOCOL;
    }
    const char *newest = json_string_value(json_object_get(root, "ApiVersion"));
    const char *oldest = json_string_value(json_object_get(root, "MinAPIVersion"));
    struct dkr_version v = {.newest = parse_api_version(newest),
                            .oldest = parse_api_version(oldest)};
    if (v.newest == 0) {
        return mu_fail(err, MU_E_PROTOCOL,
                       "docker engine: API version '%s' is not understood",
                       newest == NULL ? "" : newest);
    }
    copy_text(v.engine, sizeof(v.engine), json_object_get(root, "Version"));
    *out = v;
    return 0;
}

int dkr_decode_created(const char *body,
                       size_t len,
                       char out_id[DKR_ENGINE_ID_SIZE],
                       struct mu_error *err)
{
    json_auto_t *root = load(body, len, JSON_OBJECT, "created container", err);
    if (root == NULL) {
        return MU_E_PROTOCOL;
    }
    copy_text(out_id, DKR_ENGINE_ID_SIZE, json_object_get(root, "Id"));
    if (out_id[0] == '\0') {
        return mu_fail(err, MU_E_PROTOCOL,
                       "docker engine: created container without an id");
    }
    return 0;
}

/* Of the network it was started in; the top-level address is the old form. */
static void decode_ip(const json_t *root, char *out, size_t size)
{
    json_t *settings = json_object_get(root, "NetworkSettings");
    json_t *networks = json_object_get(settings, "Networks");
    const char *name = NULL;
    json_t *network = NULL;

    out[0] = '\0';
    json_object_foreach (networks, name, network) {
        if (out[0] == '\0') {
            copy_text(out, size, json_object_get(network, "IPAddress"));
        }
        if (out[0] == '\0') {
            copy_text(out, size, json_object_get(network, "GlobalIPv6Address"));
        }
    }
    if (out[0] == '\0') {
        copy_text(out, size, json_object_get(settings, "IPAddress"));
    }
}

static bool is_started(const json_t *state)
{
    const char *at = json_string_value(json_object_get(state, "StartedAt"));
    return at != NULL && *at != '\0' && !dkr_starts_with(at, "0001-");
}

int dkr_decode_inspect(const char *body,
                       size_t len,
                       const char *agent_label,
                       struct dkr_inspect *out,
                       struct mu_error *err)
{
    struct dkr_inspect made = {0};
    json_auto_t *root = load(body, len, JSON_OBJECT, "container", err);
    if (root == NULL) {
        return MU_E_PROTOCOL;
    }
    json_t *state = json_object_get(root, "State");
    json_t *labels = json_object_get(json_object_get(root, "Config"), "Labels");
    const char *agent = json_string_value(json_object_get(labels, DKR_LABEL_AGENT));

    copy_text(made.id, sizeof(made.id), json_object_get(root, "Id"));
    if (made.id[0] == '\0' || !json_is_object(state)) {
        return mu_fail(err, MU_E_PROTOCOL,
                       "docker engine: container without id or state");
    }
    made.is_ours = agent != NULL && dkr_equal(agent, agent_label);
    copy_text(made.container_id, sizeof(made.container_id),
              json_object_get(labels, DKR_LABEL_CONTAINER));
    made.is_running = json_is_true(json_object_get(state, "Running"));
    made.was_started = is_started(state);
    made.oom = json_is_true(json_object_get(state, "OOMKilled"));
    made.pid = json_integer_value(json_object_get(state, "Pid"));
    made.exit_code = json_integer_value(json_object_get(state, "ExitCode"));
    copy_text(made.error, sizeof(made.error), json_object_get(state, "Error"));
    one_line(made.error);
    decode_ip(root, made.ip, sizeof(made.ip));
    *out = made;
    return 0;
}

int dkr_decode_wait(const char *body, size_t len, int64_t *out_code, struct mu_error *err)
{
    json_auto_t *root = load(body, len, JSON_OBJECT, "wait", err);
    if (root == NULL) {
        return MU_E_PROTOCOL;
    }
    json_t *code = json_object_get(root, "StatusCode");
    json_t *error = json_object_get(root, "Error");
    if (!json_is_integer(code) || json_is_object(error)) {
        return mu_fail(err, MU_E_PROTOCOL, "docker engine: wait without a status: %s",
                       json_is_object(error)
                           ? json_string_value(json_object_get(error, "Message"))
                           : "");
    }
    *out_code = json_integer_value(code);
    return 0;
}

int dkr_decode_list(const char *body,
                    size_t len,
                    struct dkr_list *out,
                    struct mu_error *err)
{
    json_auto_t *root = load(body, len, JSON_ARRAY, "list of containers", err);
    if (root == NULL) {
        return MU_E_PROTOCOL;
    }
    size_t index = 0;
    json_t *item = NULL;
    struct dkr_list list = {.v = dkr_alloc(json_array_size(root) * sizeof(list.v[0]))};

    json_array_foreach (root, index, item) {
        struct dkr_listed *listed = &list.v[list.count];
        const char *state = json_string_value(json_object_get(item, "State"));
        json_t *labels = json_object_get(item, "Labels");
        copy_text(listed->id, sizeof(listed->id), json_object_get(item, "Id"));
        copy_text(listed->container_id, sizeof(listed->container_id),
                  json_object_get(labels, DKR_LABEL_CONTAINER));
        listed->is_running =
            state != NULL && (dkr_equal(state, "running") || dkr_equal(state, "paused") ||
                              dkr_equal(state, "restarting"));
        if (listed->id[0] != '\0') {
            list.count++;
        }
    }
    *out = list;
    return 0;
}

static uint64_t unsigned_member(const json_t *object, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(object, name));
    return value > 0 ? (uint64_t)value : 0;
}

int dkr_decode_usage(const char *body,
                     size_t len,
                     struct mu_container_usage *out,
                     struct mu_error *err)
{
    json_auto_t *root = load(body, len, JSON_OBJECT, "statistics", err);
    if (root == NULL) {
        return MU_E_PROTOCOL;
    }
    json_t *cpu = json_object_get(json_object_get(root, "cpu_stats"), "cpu_usage");
    json_t *memory = json_object_get(root, "memory_stats");
    json_t *detail = json_object_get(memory, "stats");
    struct mu_container_usage made = {.struct_size = sizeof(made)};

    if (!json_is_object(cpu) || !json_is_object(memory)) {
        return mu_fail(err, MU_E_PROTOCOL, "docker engine: statistics without figures");
    }
    made.cpu_user_us = unsigned_member(cpu, "usage_in_usermode") / 1000;
    made.cpu_system_us = unsigned_member(cpu, "usage_in_kernelmode") / 1000;
    made.mem_limit_bytes = unsigned_member(memory, "limit");
    /* cgroup v1 says rss, v2 anon; without both the whole usage */
    made.mem_rss_bytes = unsigned_member(detail, "rss");
    if (made.mem_rss_bytes == 0) {
        made.mem_rss_bytes = unsigned_member(detail, "anon");
    }
    if (made.mem_rss_bytes == 0) {
        made.mem_rss_bytes = unsigned_member(memory, "usage");
    }
    uint64_t processes = unsigned_member(json_object_get(root, "pids_stats"), "current");
    made.processes = processes > UINT32_MAX ? UINT32_MAX : (uint32_t)processes;
    *out = made;
    return 0;
}

int dkr_decode_pull_record(const char *record,
                           size_t len,
                           struct dkr_pull_record *out,
                           struct mu_error *err)
{
    json_auto_t *root = load(record, len, JSON_OBJECT, "pull", err);
    if (root == NULL) {
        return MU_E_PROTOCOL;
    }
    json_t *detail = json_object_get(root, "errorDetail");
    json_t *progress = json_object_get(root, "progressDetail");
    struct dkr_pull_record made = {0};

    copy_text(made.status, sizeof(made.status), json_object_get(root, "status"));
    copy_text(made.layer, sizeof(made.layer), json_object_get(root, "id"));
    made.current = json_integer_value(json_object_get(progress, "current"));
    made.total = json_integer_value(json_object_get(progress, "total"));
    copy_text(made.error, sizeof(made.error), json_object_get(detail, "message"));
    if (made.error[0] == '\0') {
        copy_text(made.error, sizeof(made.error), json_object_get(root, "error"));
    }
    if (made.error[0] == '\0' && (detail != NULL || json_object_get(root, "error"))) {
        (void)snprintf(made.error, sizeof(made.error), "no reason given"); /* fits */
    }
    one_line(made.error);
    *out = made;
    return 0;
}

void dkr_decode_error(int http_status,
                      const char *body,
                      size_t len,
                      char out[DKR_TEXT_SIZE])
{
    json_auto_t *root = json_loadb(body, len, 0, NULL);
    copy_text(out, DKR_TEXT_SIZE, json_object_get(root, "message"));
    if (out[0] == '\0') { /* plain text, as of engines before 1.24 and of proxies */
        size_t cut = len < DKR_TEXT_SIZE - 1 ? len : DKR_TEXT_SIZE - 1;
        if (cut > 0) {
            memcpy(out, body, cut);
        }
        out[cut] = '\0';
    }
    one_line(out);
    if (out[0] == '\0') {
        (void)snprintf(out, DKR_TEXT_SIZE, "HTTP status %d", http_status); /* fits */
    }
}
