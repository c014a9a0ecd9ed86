/* See app_id.h. */
#include "app_id.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ID_PATTERN                                                                       \
    "^(([a-z0-9]|[a-z0-9][a-z0-9\\-]*[a-z0-9])\\.)*([a-z0-9]|[a-z0-9][a-z0-9\\-]*[a-z0-" \
    "9])|(\\.|\\.\\.)$"

int mrt_app_id_normalise(const char *text, const char *base, char *out, size_t cap)
{
    char joined[2 * MU_APP_ID_MAX];
    int n = text[0] == '/' || base == NULL
                ? snprintf(joined, sizeof(joined), "/%s", text)
                : snprintf(joined, sizeof(joined), "%s/%s", base, text);
    if (n < 0 || (size_t)n >= sizeof(joined)) {
        return -E2BIG;
    }
    size_t len = 0;
    for (const char *p = joined; *p != '\0';) {
        p += strspn(p, "/");
        size_t seg = strcspn(p, "/");
        if (seg == 0 || (seg == 1 && p[0] == '.')) {
            p += seg;
            continue;
        }
        if (seg == 2 && p[0] == '.' && p[1] == '.') {
            while (len > 0 && out[--len] != '/') {
            }
            p += seg;
            continue;
        }
        if (len + seg + 2 > cap) {
            return -E2BIG;
        }
        out[len++] = '/';
        memcpy(out + len, p, seg);
        len += seg;
        p += seg;
    }
    if (len == 0) {
        out[len++] = '/';
    }
    out[len] = '\0';
    return 0;
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Dot-separated parts of lower-case letters, digits and inner hyphens. */
static bool segment_is_good(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool edge = i == 0 || i + 1 == len || s[i - 1] == '.' || s[i + 1] == '.';
        if (is_alnum(s[i])) {
            continue;
        }
        if ((s[i] == '-' && !edge) || (s[i] == '.' && i > 0 && i + 1 < len &&
                                       is_alnum(s[i - 1]) && is_alnum(s[i + 1]))) {
            continue;
        }
        return false;
    }
    return len > 0;
}

void mrt_app_id_check(const char *id, const char *path, struct mrt_problems *problems)
{
    static const char *const reserved[] = {"restart", "tasks", "versions"};
    if (strcmp(id, "/") == 0) {
        mrt_problem_add(problems, MRT_MODEL, path, "must not be root");
        return;
    }
    if (strlen(id) >= MU_APP_ID_MAX) {
        mrt_problem_add(problems, MRT_MODEL, path,
                        "must not be longer than %d characters", MU_APP_ID_MAX - 1);
        return;
    }
    for (const char *p = id; *p != '\0';) {
        p += strspn(p, "/");
        size_t seg = strcspn(p, "/");
        if (!segment_is_good(p, seg)) {
            mrt_problem_add(problems, MRT_MODEL, path,
                            "must fully match regular expression '%s'", ID_PATTERN);
            return;
        }
        p += seg;
    }
    const char *last = strrchr(id, '/') + 1;
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (strcmp(last, reserved[i]) == 0) {
            mrt_problem_add(problems, MRT_MODEL, path,
                            "must not end with any of the following reserved keywords: "
                            "restart, tasks, versions, ., ..");
        }
    }
}

void mrt_app_id_safe(const char *id, char *out, size_t cap)
{
    size_t n = 0;
    for (const char *p = id[0] == '/' ? id + 1 : id; *p != '\0' && n + 1 < cap; p++) {
        out[n++] = *p == '/' ? '_' : *p;
    }
    out[n] = '\0';
}

static bool is_uuid(const char *s)
{
    for (size_t i = 0; i < MU_UUID_TEXT - 1; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool hex = (s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f') ||
                   (s[i] >= 'A' && s[i] <= 'F');
        if (dash ? s[i] != '-' : !hex) {
            return false; /* also at the end of the text */
        }
    }
    return true;
}

/* The uuid that dot points in front of, or NULL. */
static const char *uuid_behind(const char *dot)
{
    static const char *const prefixes[] = {"", "marathon-", "instance-"};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        size_t len = strlen(prefixes[i]);
        const char *uuid = dot + 1 + len;
        if (strncmp(dot + 1, prefixes[i], len) != 0 || !is_uuid(uuid)) {
            continue;
        }
        char next = uuid[MU_UUID_TEXT - 1];
        if (next == '\0' || (next == '.' && uuid[MU_UUID_TEXT] != '\0')) {
            return uuid;
        }
    }
    return NULL;
}

int mrt_task_id_parse(const char *text, struct mrt_task_ref *out)
{
    const char *dot = text + strlen(text);
    const char *uuid = NULL;
    while (uuid == NULL && dot > text) {
        dot--;
        uuid = *dot == '.' ? uuid_behind(dot) : NULL;
    }
    size_t len = (size_t)(dot - text);
    if (uuid == NULL || len == 0 || len + 2 > sizeof(out->app_id)) {
        return MU_E_INVALID;
    }
    out->app_id[0] = '/';
    for (size_t i = 0; i < len; i++) {
        out->app_id[i + 1] = text[i] == '_' ? '/' : text[i];
    }
    out->app_id[len + 1] = '\0';
    (void)snprintf(out->task_id, sizeof(out->task_id), "%.*s.%.36s", (int)len, text,
                   uuid);
    return 0;
}

void mrt_instance_id(const char *task_id, char *out, size_t cap)
{
    const char *dot = strrchr(task_id, '.');
    if (dot == NULL) {
        (void)snprintf(out, cap, "%s", task_id);
        return;
    }
    (void)snprintf(out, cap, "%.*s.marathon-%s", (int)(dot - task_id), task_id, dot + 1);
}
