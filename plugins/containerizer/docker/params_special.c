/* Docker command line options with a syntax of their own; see the table in params.c. */
#include "params_special.h"

#include <stdio.h>

#include <muster/resources.h>

#include "util.h"
#include "values.h"

DKR_SPECIAL(env)
{
    const char *equals = strchr(value, '=');
    if (equals == NULL || equals == value) {
        return mu_fail(err, MU_E_INVALID, "'%s' is not NAME=value", value);
    }
    dkr_fields_string(t->fields, path, NULL, value);
    return 0;
}

DKR_SPECIAL(label)
{
    size_t len = strcspn(value, "=");
    if (len == 0) {
        return mu_fail(err, MU_E_INVALID, "'%s' is not key=value", value);
    }
    char *key = dkr_strndup(value, len);
    dkr_fields_string(t->fields, path, key, value[len] == '=' ? value + len + 1 : "");
    free(key);
    return 0;
}

DKR_SPECIAL(entrypoint)
{
    (void)err;
    dkr_fields_unset(t->fields, path);
    dkr_fields_string(t->fields, "Entrypoint.+", NULL, value);
    return 0;
}

DKR_SPECIAL(mac_address)
{
    (void)err;
    if (t->api_version >= 144) { /* the top-level field is no longer read */
        dkr_fields_string(t->fields, "NetworkingConfig.EndpointsConfig.*.MacAddress",
                          t->network, value);
    } else {
        dkr_fields_string(t->fields, path, NULL, value);
    }
    return 0;
}

void dkr_fields_publish(struct dkr_fields *f,
                        uint16_t container_port,
                        const char *protocol,
                        const char *host_ip,
                        const char *host_port)
{
    char key[32];
    (void)snprintf(key, sizeof(key), "%u/%s", container_port, protocol); /* fits */
    dkr_fields_empty(f, "ExposedPorts.*", key);
    if (host_port != NULL) {
        dkr_fields_string(f, "HostConfig.PortBindings.*.+.HostIp", key, host_ip);
        dkr_fields_string(f, "HostConfig.PortBindings.*.$.HostPort", key, host_port);
    }
}

DKR_SPECIAL(expose)
{
    struct dkr_port_range range;
    (void)path;
    int rc = dkr_parse_ports(value, &range, err);
    if (rc < 0) {
        return rc;
    }
    for (unsigned port = range.first; port <= range.last; port++) {
        dkr_fields_publish(t->fields, (uint16_t)port, range.protocol, NULL, NULL);
    }
    return 0;
}

/* The text in front of the last ':' that is outside brackets; NULL: there is none. */
static const char *last_colon(const char *text)
{
    const char *found = NULL;
    int depth = 0;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '[') {
            depth++;
        } else if (*p == ']') {
            depth--;
        } else if (*p == ':' && depth == 0) {
            found = p;
        }
    }
    return found;
}

/* Split "ip:host" or "host" (host may be empty: any free port). The ip loses its
 * brackets. */
static void split_host(char *text, const char **out_ip, const char **out_ports)
{
    const char *colon = last_colon(text);
    *out_ip = "";
    *out_ports = text;
    if (colon != NULL) {
        char *end = text + (colon - text);
        *end = '\0';
        *out_ports = end + 1;
        *out_ip = text;
        if (text[0] == '[' && end > text && end[-1] == ']') {
            end[-1] = '\0';
            *out_ip = text + 1;
        }
    }
}

static int publish(struct dkr_params_target *t,
                   char *host_part,
                   const char *container_part,
                   struct mu_error *err)
{
    struct dkr_port_range inside;
    struct dkr_port_range outside = {0};
    const char *ip = "";
    const char *ports = "";
    int rc = dkr_parse_ports(container_part, &inside, err);
    if (rc < 0) {
        return rc;
    }
    split_host(host_part, &ip, &ports);
    bool is_fixed = *ports != '\0';
    if (is_fixed) {
        rc = dkr_parse_ports(ports, &outside, err);
        if (rc < 0) {
            return rc;
        }
        if (outside.last - outside.first != inside.last - inside.first) {
            return mu_fail(err, MU_E_INVALID, "the ranges differ in length");
        }
    }
    for (unsigned i = 0; i <= (unsigned)(inside.last - inside.first); i++) {
        char host_port[8] = "";
        if (is_fixed) {
            (void)snprintf(host_port, sizeof(host_port), "%u", outside.first + i);
        }
        dkr_fields_publish(t->fields, (uint16_t)(inside.first + i), inside.protocol, ip,
                           host_port);
    }
    return 0;
}

DKR_SPECIAL(publish)
{
    const char *colon = last_colon(value);
    const char *inside = colon == NULL ? value : colon + 1;
    char *host_part = dkr_strndup(value, colon == NULL ? 0 : (size_t)(colon - value));

    (void)path;
    int rc = publish(t, host_part, inside, err); /* no host part: the engine picks */
    free(host_part);
    return rc;
}

DKR_SPECIAL(volume)
{
    if (*value == '\0') {
        return mu_fail(err, MU_E_INVALID, "it names no path");
    }
    if (strchr(value, ':') == NULL) { /* an anonymous volume */
        dkr_fields_empty(t->fields, "Volumes.*", value);
    } else {
        dkr_fields_string(t->fields, path, NULL, value);
    }
    return 0;
}

DKR_SPECIAL(tmpfs)
{
    size_t len = strcspn(value, ":");
    if (len == 0) {
        return mu_fail(err, MU_E_INVALID, "it names no path");
    }
    char *target = dkr_strndup(value, len);
    dkr_fields_string(t->fields, path, target, value[len] == ':' ? value + len + 1 : "");
    free(target);
    return 0;
}

DKR_SPECIAL(endpoint)
{
    if (!dkr_network_is_user_defined(t->network)) {
        return mu_fail(err, MU_E_INVALID,
                       "it needs a network made by a user, the network here is '%s'",
                       t->network);
    }
    dkr_fields_string(t->fields, path, t->network, value);
    return 0;
}

DKR_SPECIAL(link)
{
    (void)err;
    if (dkr_network_is_user_defined(t->network)) {
        dkr_fields_string(t->fields, "NetworkingConfig.EndpointsConfig.*.Links.+",
                          t->network, value);
    } else {
        dkr_fields_string(t->fields, path, NULL, value);
    }
    return 0;
}

DKR_SPECIAL(cpus)
{
    int64_t milli = 0;
    int rc = mu_milli_parse(value, &milli, err);
    if (rc < 0) {
        return rc;
    }
    if (milli <= 0 || milli > INT64_MAX / 1000000) {
        return mu_fail(err, MU_E_INVALID, "'%s' is not a number of processors", value);
    }
    /* the engine refuses both at once; the user's word wins over our quota */
    dkr_fields_unset(t->fields, "HostConfig.CpuQuota");
    dkr_fields_unset(t->fields, "HostConfig.CpuPeriod");
    dkr_fields_int(t->fields, path, milli * 1000000);
    return 0;
}

DKR_SPECIAL(ulimit)
{
    const char *equals = strchr(value, '=');
    int64_t soft = 0;
    int64_t hard = 0;

    if (equals == NULL || equals == value) {
        return mu_fail(err, MU_E_INVALID, "'%s' is not name=soft:hard", value);
    }
    size_t soft_len = strcspn(equals + 1, ":");
    char *soft_text = dkr_strndup(equals + 1, soft_len);
    int rc = dkr_parse_int(soft_text, &soft, err);
    free(soft_text);
    hard = soft;
    if (rc == 0 && equals[1 + soft_len] == ':') {
        rc = dkr_parse_int(equals + 1 + soft_len + 1, &hard, err);
    }
    if (rc < 0) {
        return rc;
    }
    char *name = dkr_strndup(value, (size_t)(equals - value));
    dkr_fields_string(t->fields, path, NULL, name);
    dkr_fields_int(t->fields, "HostConfig.Ulimits.$.Soft", soft);
    dkr_fields_int(t->fields, "HostConfig.Ulimits.$.Hard", hard);
    free(name);
    return 0;
}

static bool is_permissions(const char *text)
{
    return *text != '\0' && strspn(text, "rwm") == strlen(text);
}

DKR_SPECIAL(device)
{
    char *copy = dkr_strdup(value);
    char *rest = copy;
    const char *outside = dkr_cut(&rest, ":");
    const char *inside = rest == NULL ? outside : dkr_cut(&rest, ":");
    const char *rights = rest == NULL ? "rwm" : rest;
    int rc = 0;

    (void)path;
    if (rest == NULL && inside != outside && is_permissions(inside)) { /* device:rights */
        rights = inside;
        inside = outside;
    }
    if (*outside == '\0' || *inside == '\0' || !is_permissions(rights)) {
        rc = mu_fail(err, MU_E_INVALID, "'%s' is not device:path:permissions", value);
    } else {
        dkr_fields_string(t->fields, "HostConfig.Devices.+.PathOnHost", NULL, outside);
        dkr_fields_string(t->fields, "HostConfig.Devices.$.PathInContainer", NULL,
                          inside);
        dkr_fields_string(t->fields, "HostConfig.Devices.$.CgroupPermissions", NULL,
                          rights);
    }
    free(copy);
    return rc;
}

/* "path:value"; the caller frees *out_device. */
static int split_device(const char *value,
                        char **out_device,
                        const char **out_rest,
                        struct mu_error *err)
{
    const char *colon = strrchr(value, ':');
    if (colon == NULL || colon == value || colon[1] == '\0') {
        return mu_fail(err, MU_E_INVALID, "'%s' is not device:value", value);
    }
    *out_device = dkr_strndup(value, (size_t)(colon - value));
    *out_rest = colon + 1;
    return 0;
}

/* The four throttles differ in their array only. */
static void
add_throttle(struct dkr_fields *f, const char *array, const char *device, int64_t rate)
{
    static const struct {
        const char *array, *path, *rate;
    } throttles[] = {
#define THROTTLE(name)                                                                   \
    {"HostConfig." name, "HostConfig." name ".+.Path", "HostConfig." name ".$.Rate"}
        THROTTLE("BlkioDeviceReadBps"),
        THROTTLE("BlkioDeviceWriteBps"),
        THROTTLE("BlkioDeviceReadIOps"),
        THROTTLE("BlkioDeviceWriteIOps"),
#undef THROTTLE
    };
    for (size_t i = 0; i < DKR_COUNT(throttles); i++) {
        if (dkr_equal(throttles[i].array, array)) {
            dkr_fields_string(f, throttles[i].path, NULL, device);
            dkr_fields_int(f, throttles[i].rate, rate);
        }
    }
}

DKR_SPECIAL(device_rate)
{
    char *device = NULL;
    const char *rest = NULL;
    int64_t rate = 0;
    int rc = split_device(value, &device, &rest, err);
    if (rc == 0) {
        rc = dkr_parse_size(rest, &rate, err);
    }
    if (rc == 0) {
        add_throttle(t->fields, path, device, rate);
    }
    free(device);
    return rc;
}

DKR_SPECIAL(device_iops)
{
    char *device = NULL;
    const char *rest = NULL;
    int64_t rate = 0;
    int rc = split_device(value, &device, &rest, err);
    if (rc == 0) {
        rc = dkr_parse_int(rest, &rate, err);
    }
    if (rc == 0) {
        add_throttle(t->fields, path, device, rate);
    }
    free(device);
    return rc;
}

DKR_SPECIAL(device_weight)
{
    char *device = NULL;
    const char *rest = NULL;
    int64_t weight = 0;
    (void)path;
    int rc = split_device(value, &device, &rest, err);
    if (rc == 0) {
        rc = dkr_parse_int(rest, &weight, err);
    }
    if (rc == 0) {
        dkr_fields_string(t->fields, "HostConfig.BlkioWeightDevice.+.Path", NULL, device);
        dkr_fields_int(t->fields, "HostConfig.BlkioWeightDevice.$.Weight", weight);
    }
    free(device);
    return rc;
}

DKR_SPECIAL(gpus)
{
    int64_t count = -1;
    (void)path;
    if (dkr_starts_with(value, "device=")) {
        char *list = dkr_strdup(value + strlen("device="));
        dkr_fields_string(t->fields, "HostConfig.DeviceRequests.+.Driver", NULL, "");
        char *rest = list;
        while (rest != NULL) {
            const char *id = dkr_cut(&rest, ",");
            dkr_fields_string(t->fields, "HostConfig.DeviceRequests.$.DeviceIDs.+", NULL,
                              id);
        }
        free(list);
    } else {
        if (!dkr_equal(value, "all")) {
            int rc = dkr_parse_int(value, &count, err);
            if (rc < 0) {
                return rc;
            }
        }
        dkr_fields_int(t->fields, "HostConfig.DeviceRequests.+.Count", count);
    }
    dkr_fields_string(t->fields, "HostConfig.DeviceRequests.$.Capabilities.+.+", NULL,
                      "gpu");
    return 0;
}

DKR_SPECIAL(security_opt)
{
    /* the docker client reads the file and sends its content */
    if (dkr_starts_with(value, "seccomp=") && !dkr_equal(value, "seccomp=unconfined") &&
        !dkr_equal(value, "seccomp=builtin") && value[strlen("seccomp=")] != '{') {
        return mu_fail(err, MU_E_INVALID,
                       "a seccomp profile must be given as its JSON text, not as a file");
    }
    dkr_fields_string(t->fields, path, NULL, value);
    return 0;
}

DKR_SPECIAL(health_cmd)
{
    (void)err;
    dkr_fields_unset(t->fields, path);
    dkr_fields_string(t->fields, "Healthcheck.Test.+", NULL, "CMD-SHELL");
    dkr_fields_string(t->fields, "Healthcheck.Test.+", NULL, value);
    return 0;
}

DKR_SPECIAL(no_healthcheck)
{
    bool on = false;
    int rc = dkr_parse_bool(value, &on, err);
    if (rc == 0 && on) {
        dkr_fields_unset(t->fields, path);
        dkr_fields_string(t->fields, "Healthcheck.Test.+", NULL, "NONE");
    }
    return rc;
}

DKR_SPECIAL(restart)
{
    (void)path;
    if (!dkr_equal(value, "no")) {
        return mu_fail(err, MU_E_INVALID,
                       "not allowed: a task that ended is started anew by the scheduler");
    }
    mu_strings_add(&t->ignored, "restart");
    return 0;
}
