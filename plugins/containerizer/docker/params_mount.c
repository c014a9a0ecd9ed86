/* The value of --mount: comma separated members such as
 * "type=bind,source=/srv,target=/data,readonly", in any order. */
#include "params_special.h"

#include <stdio.h>

#include "util.h"
#include "values.h"

struct mount {
    const char *type, *source, *target, *propagation, *consistency, *driver;
    bool read_only, no_copy;
    int64_t tmpfs_size, tmpfs_mode; /* -1: not given */
};

static const char *const types[] = {"bind", "volume", "tmpfs", "npipe"};

/* Volume options and labels are a map of their own; they are written after the mount. */
static bool is_repeatable(const char *name)
{
    return dkr_equal(name, "volume-opt") || dkr_equal(name, "volume-label");
}

static int parse_octal(const char *text, int64_t *out, struct mu_error *err)
{
    int64_t value = 0;
    if (*text == '\0' || strspn(text, "01234567") != strlen(text) || strlen(text) > 6) {
        return mu_fail(err, MU_E_INVALID, "'%s' is not an octal file mode", text);
    }
    for (const char *p = text; *p != '\0'; p++) {
        value = value * 8 + (*p - '0');
    }
    *out = value;
    return 0;
}

static bool set_text_member(struct mount *m, const char *name, const char *value)
{
    struct {
        const char *name;
        const char **slot;
    } const members[] = {
        {"type", &m->type},
        {"source", &m->source},
        {"src", &m->source},
        {"target", &m->target},
        {"destination", &m->target},
        {"dst", &m->target},
        {"bind-propagation", &m->propagation},
        {"consistency", &m->consistency},
        {"volume-driver", &m->driver},
    };
    for (size_t i = 0; i < DKR_COUNT(members); i++) {
        if (dkr_equal(name, members[i].name)) {
            *members[i].slot = value;
            return true;
        }
    }
    return false;
}

static int
set_member(struct mount *m, const char *name, const char *value, struct mu_error *err)
{
    if (set_text_member(m, name, value)) {
        return 0;
    }
    if (dkr_equal(name, "readonly") || dkr_equal(name, "ro")) {
        return dkr_parse_bool(value, &m->read_only, err);
    }
    if (dkr_equal(name, "volume-nocopy")) {
        return dkr_parse_bool(value, &m->no_copy, err);
    }
    if (dkr_equal(name, "tmpfs-size")) {
        return dkr_parse_size(value, &m->tmpfs_size, err);
    }
    if (dkr_equal(name, "tmpfs-mode")) {
        return parse_octal(value, &m->tmpfs_mode, err);
    }
    if (is_repeatable(name)) {
        return 0;
    }
    return mu_fail(err, MU_E_INVALID, "'%s' is not known", name);
}

static int check(const struct mount *m, struct mu_error *err)
{
    bool type_is_known = false;
    for (size_t i = 0; i < DKR_COUNT(types); i++) {
        type_is_known = type_is_known || dkr_equal(m->type, types[i]);
    }
    if (!type_is_known) {
        return mu_fail(err, MU_E_INVALID, "type '%s' is not known", m->type);
    }
    if (m->target == NULL || *m->target == '\0') {
        return mu_fail(err, MU_E_INVALID, "it has no target");
    }
    if (dkr_equal(m->type, "bind") && (m->source == NULL || *m->source == '\0')) {
        return mu_fail(err, MU_E_INVALID, "a bind mount needs a source");
    }
    return 0;
}

static void write_mount(struct dkr_fields *f, const struct mount *m)
{
    dkr_fields_string(f, "HostConfig.Mounts.+.Type", NULL, m->type);
    dkr_fields_string(f, "HostConfig.Mounts.$.Target", NULL, m->target);
    if (m->source != NULL) {
        dkr_fields_string(f, "HostConfig.Mounts.$.Source", NULL, m->source);
    }
    if (m->read_only) {
        dkr_fields_bool(f, "HostConfig.Mounts.$.ReadOnly", true);
    }
    if (m->consistency != NULL) {
        dkr_fields_string(f, "HostConfig.Mounts.$.Consistency", NULL, m->consistency);
    }
    if (m->propagation != NULL) {
        dkr_fields_string(f, "HostConfig.Mounts.$.BindOptions.Propagation", NULL,
                          m->propagation);
    }
    if (m->driver != NULL) {
        dkr_fields_string(f, "HostConfig.Mounts.$.VolumeOptions.DriverConfig.Name", NULL,
                          m->driver);
    }
    if (m->no_copy) {
        dkr_fields_bool(f, "HostConfig.Mounts.$.VolumeOptions.NoCopy", true);
    }
    if (m->tmpfs_size >= 0) {
        dkr_fields_int(f, "HostConfig.Mounts.$.TmpfsOptions.SizeBytes", m->tmpfs_size);
    }
    if (m->tmpfs_mode >= 0) {
        dkr_fields_int(f, "HostConfig.Mounts.$.TmpfsOptions.Mode", m->tmpfs_mode);
    }
}

/* value is "key=value" of a volume option or label */
static int write_repeatable(struct dkr_fields *f,
                            const char *name,
                            char *value,
                            struct mu_error *err)
{
    char *rest = value;
    char *key = dkr_cut(&rest, "=");
    if (rest == NULL || *key == '\0') {
        return mu_fail(err, MU_E_INVALID, "'%s' needs key=value", name);
    }
    dkr_fields_string(f,
                      dkr_equal(name, "volume-opt")
                          ? "HostConfig.Mounts.$.VolumeOptions.DriverConfig.Options.*"
                          : "HostConfig.Mounts.$.VolumeOptions.Labels.*",
                      key, rest);
    return 0;
}

/* First pass: read the members. Second pass, when the mount is written: the maps. */
static int each_member(struct dkr_params_target *t,
                       struct mount *m,
                       char *text,
                       bool only_repeatable,
                       struct mu_error *err)
{
    int rc = 0;
    char *rest = text;
    while (rest != NULL && rc == 0) {
        char *item = dkr_cut(&rest, ",");
        char *value = item;
        char *name = dkr_cut(&value, "=");
        if (value == NULL) {
            value = name + strlen(name); /* a bare word */
        }
        if (!only_repeatable) {
            rc = set_member(m, name, value, err);
        } else if (is_repeatable(name)) {
            rc = write_repeatable(t->fields, name, value, err);
        }
    }
    return rc;
}

DKR_SPECIAL(mount)
{
    struct mount m = {.type = "volume", .tmpfs_size = -1, .tmpfs_mode = -1};
    char *first = dkr_strdup(value); /* m borrows from it */
    char *second = dkr_strdup(value);

    (void)path;
    int rc = each_member(t, &m, first, false, err);
    if (rc == 0) {
        rc = check(&m, err);
    }
    if (rc == 0) {
        write_mount(t->fields, &m);
        rc = each_member(t, &m, second, true, err);
    }
    free(second);
    free(first);
    return rc;
}
