#include "spec.h"

#include <stdio.h>

#include <muster/buf.h>

#include "params.h"
#include "util.h"

enum {
    TEXT_MAX = 128 * 1024, /* one Env entry or path; the kernel allows no longer one */
    CFS_PERIOD_US = 100000,
    CFS_QUOTA_MIN_US = 1000,
    CPU_SHARES_PER_CPU = 1024,
    CPU_SHARES_MIN = 2,
};
static const int64_t mib = 1024 * 1024;
static const int64_t memory_min_mib = 32;

struct build {
    const struct mu_container_spec *in;
    const struct mu_task_info *task;
    const struct mu_container_info *container;
    const struct dkr_spec_options *options;
    struct dkr_fields *fields;
    const char *image, *network;
};

void dkr_spec_name(const struct mu_container_id *id, char out[DKR_NAME_MAX])
{
    (void)snprintf(out, DKR_NAME_MAX, DKR_NAME_PREFIX "%s", id->s); /* fits */
}

char *dkr_image_with_tag(const char *image)
{
    const char *slash = strrchr(image, '/');
    const char *name = slash == NULL ? image : slash + 1;
    if (strpbrk(name, ":@") != NULL) {
        return dkr_strdup(image);
    }
    size_t len = strlen(image);
    char *tagged = dkr_alloc(len + sizeof(":latest"));
    memcpy(tagged, image, len);
    memcpy(tagged + len, ":latest", sizeof(":latest"));
    return tagged;
}

static int find_network(struct build *b, struct mu_error *err)
{
    const char *asked = dkr_params_network(&b->container->parameters);
    if (asked != NULL) {
        if (*asked == '\0' || strchr(asked, '=') != NULL || strchr(asked, ',') != NULL) {
            return mu_fail(err, MU_E_INVALID, "network '%s' is not a name", asked);
        }
        b->network = asked;
        return 0;
    }
    switch (b->container->network) {
    case 0: /* not said: as Mesos does */
    case MU_NETWORK_HOST:
        b->network = "host";
        return 0;
    case MU_NETWORK_BRIDGE:
        b->network = "bridge";
        return 0;
    case MU_NETWORK_NONE:
        b->network = "none";
        return 0;
    case MU_NETWORK_USER:
        b->network = b->container->network_name;
        if (b->network == NULL || *b->network == '\0') {
            return mu_fail(err, MU_E_INVALID, "network mode USER without a network name");
        }
        return 0;
    default:
        return mu_fail(err, MU_E_INVALID, "network mode %u is not known",
                       b->container->network);
    }
}

static void add_env(struct build *b, const char *name, const char *value)
{
    struct mu_buf text;
    mu_buf_init(&text, TEXT_MAX);
    (void)mu_buf_printf(&text, "%s=%s", name, value == NULL ? "" : value);
    dkr_fields_string(b->fields, "Env.+", NULL, mu_buf_str(&text));
    mu_buf_release(&text);
}

static int build_env(struct build *b, struct mu_error *err)
{
    char name[DKR_NAME_MAX];

    for (size_t i = 0; b->in->env != NULL && i < b->in->env->count; i++) {
        const struct mu_pair *pair = &b->in->env->v[i];
        size_t value_len = pair->value == NULL ? 0 : strlen(pair->value);
        if (*pair->key == '\0' || strchr(pair->key, '=') != NULL) {
            return mu_fail(err, MU_E_INVALID,
                           "'%s' is no name of an environment variable", pair->key);
        }
        if (strlen(pair->key) + value_len + 2 > TEXT_MAX) {
            return mu_fail(err, MU_E_INVALID,
                           "environment variable '%s' is longer than %d bytes", pair->key,
                           TEXT_MAX);
        }
        if (!dkr_equal(pair->key, "MESOS_SANDBOX")) {
            add_env(b, pair->key, pair->value);
        }
    }
    dkr_spec_name(&b->in->id, name);
    add_env(b, "MESOS_SANDBOX", b->options->sandbox_directory);
    add_env(b, "MESOS_CONTAINER_NAME", name);
    return 0;
}

static int build_command(struct build *b, struct mu_error *err)
{
    const struct mu_command *command = &b->task->command;

    if (command->shell) {
        if (!command->has_value || command->value == NULL) {
            return mu_fail(err, MU_E_INVALID, "a shell command without a value");
        }
        dkr_fields_string(b->fields, "Entrypoint.+", NULL, "/bin/sh");
        dkr_fields_string(b->fields, "Cmd.+", NULL, "-c");
        dkr_fields_string(b->fields, "Cmd.+", NULL, command->value);
        return 0;
    }
    /* neither value nor arguments: what the image says */
    if (command->has_value && command->value != NULL) {
        dkr_fields_string(b->fields, "Cmd.+", NULL, command->value);
    }
    for (size_t i = 0; i < command->args.count; i++) {
        dkr_fields_string(b->fields, "Cmd.+", NULL, command->args.v[i]);
    }
    return 0;
}

static int64_t memory_bytes(int64_t mem_milli)
{
    int64_t bytes = 0;
    if (__builtin_mul_overflow(mem_milli / 1000, mib, &bytes) ||
        __builtin_add_overflow(bytes, mem_milli % 1000 * mib / 1000, &bytes)) {
        return INT64_MAX;
    }
    return bytes > memory_min_mib * mib ? bytes : memory_min_mib * mib;
}

void dkr_spec_limits(const struct mu_resources *resources,
                     bool enable_cfs,
                     struct dkr_fields *out)
{
    int64_t cpus_milli = mu_resources_scalar(resources, "cpus");
    int64_t mem_milli = mu_resources_scalar(resources, "mem");

    if (cpus_milli > 0 && cpus_milli < INT64_MAX / CPU_SHARES_PER_CPU) {
        int64_t shares = cpus_milli * CPU_SHARES_PER_CPU / 1000;
        dkr_fields_int(out, "HostConfig.CpuShares",
                       shares > CPU_SHARES_MIN ? shares : CPU_SHARES_MIN);
        if (enable_cfs) {
            int64_t quota = cpus_milli * (CFS_PERIOD_US / 1000);
            dkr_fields_int(out, "HostConfig.CpuPeriod", CFS_PERIOD_US);
            dkr_fields_int(out, "HostConfig.CpuQuota",
                           quota > CFS_QUOTA_MIN_US ? quota : CFS_QUOTA_MIN_US);
        }
    }
    if (mem_milli > 0) {
        dkr_fields_int(out, "HostConfig.Memory", memory_bytes(mem_milli));
    }
}

/* Bind host onto target. A Bind (as "docker run -v") makes a host directory that is
 * missing, but its syntax has no room for a colon in a path: those go as a Mount. */
static void
add_bind(struct build *b, const char *host, const char *target, bool read_only)
{
    bool has_colon = strchr(host, ':') != NULL || strchr(target, ':') != NULL;
    if (has_colon && b->options->api_version >= 125) {
        dkr_fields_string(b->fields, "HostConfig.Mounts.+.Type", NULL, "bind");
        dkr_fields_string(b->fields, "HostConfig.Mounts.$.Source", NULL, host);
        dkr_fields_string(b->fields, "HostConfig.Mounts.$.Target", NULL, target);
        if (read_only) {
            dkr_fields_bool(b->fields, "HostConfig.Mounts.$.ReadOnly", true);
        }
        return;
    }
    struct mu_buf bind;
    mu_buf_init(&bind, TEXT_MAX);
    (void)mu_buf_printf(&bind, "%s:%s:%s", host, target, read_only ? "ro" : "rw");
    dkr_fields_string(b->fields, "HostConfig.Binds.+", NULL, mu_buf_str(&bind));
    mu_buf_release(&bind);
}

static bool has_dot_dot(const char *path)
{
    for (const char *p = path; *p != '\0'; p += strspn(p, "/")) {
        size_t len = strcspn(p, "/");
        if (len == 2 && memcmp(p, "..", 2) == 0) {
            return true;
        }
        p += len;
    }
    return false;
}

static char *join(const char *directory, const char *path)
{
    struct mu_buf text;
    mu_buf_init(&text, TEXT_MAX);
    (void)mu_buf_printf(&text, "%s/%s", directory, path);
    return mu_buf_take(&text);
}

static int
build_volume(struct build *b, const struct mu_volume *volume, struct mu_error *err)
{
    const char *inside = volume->container_path;
    const char *outside = volume->host_path;

    if (inside == NULL || *inside == '\0') {
        return mu_fail(err, MU_E_INVALID, "a volume without a container path");
    }
    if (outside == NULL || *outside == '\0') { /* a directory of the sandbox */
        outside = inside + strspn(inside, "/");
        if (*inside != '/') {
            return 0; /* it is below the sandbox already, which is mounted */
        }
    }
    if (*outside != '/' && *inside != '/') {
        return mu_fail(err, MU_E_INVALID,
                       "volume '%s': host path '%s' and container path are both relative",
                       inside, outside);
    }
    if (*outside != '/' && has_dot_dot(outside)) {
        return mu_fail(err, MU_E_INVALID,
                       "volume '%s': host path '%s' leaves the sandbox", inside, outside);
    }
    char *host = *outside == '/' ? dkr_strdup(outside) : join(b->in->sandbox, outside);
    char *target =
        *inside == '/' ? dkr_strdup(inside) : join(b->options->sandbox_directory, inside);
    add_bind(b, host, target, volume->read_only);
    free(host);
    free(target);
    return 0;
}

static int build_volumes(struct build *b, struct mu_error *err)
{
    if (b->options->api_version >= 125) {
        /* a Mount: it exists, and no character of its path is special */
        dkr_fields_string(b->fields, "HostConfig.Mounts.+.Type", NULL, "bind");
        dkr_fields_string(b->fields, "HostConfig.Mounts.$.Source", NULL, b->in->sandbox);
        dkr_fields_string(b->fields, "HostConfig.Mounts.$.Target", NULL,
                          b->options->sandbox_directory);
    } else {
        add_bind(b, b->in->sandbox, b->options->sandbox_directory, false);
    }
    for (size_t i = 0; i < b->container->volumes.count; i++) {
        int rc = build_volume(b, &b->container->volumes.v[i], err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int build_ports(struct build *b, struct mu_error *err)
{
    const struct mu_port_mappings *ports = &b->container->ports;

    if (ports->count > 0 &&
        (dkr_equal(b->network, "host") || dkr_equal(b->network, "none"))) {
        return mu_fail(err, MU_E_INVALID,
                       "port mappings are not possible with network '%s'", b->network);
    }
    for (size_t i = 0; i < ports->count; i++) {
        const struct mu_port_mapping *port = &ports->v[i];
        char host_port[8];
        if (!mu_resources_has_port(&b->task->resources, port->host_port)) {
            return mu_fail(err, MU_E_INVALID, "Port [%u] not included in resources",
                           port->host_port);
        }
        if (port->container_port == 0) {
            return mu_fail(err, MU_E_INVALID, "a port mapping without a container port");
        }
        (void)snprintf(host_port, sizeof(host_port), "%u", port->host_port); /* fits */
        dkr_fields_publish(b->fields, port->container_port,
                           port->protocol[0] == '\0' ? "tcp" : port->protocol, "",
                           host_port);
    }
    return 0;
}

static int build_network(struct build *b, struct mu_error *err)
{
    const char *hostname = b->container->hostname;

    dkr_fields_string(b->fields, "HostConfig.NetworkMode", NULL, b->network);
    if (hostname != NULL && *hostname != '\0') {
        if (dkr_equal(b->network, "host")) {
            return mu_fail(err, MU_E_INVALID,
                           "a hostname is not possible with network 'host'");
        }
        dkr_fields_string(b->fields, "Hostname", NULL, hostname);
    }
    return build_ports(b, err);
}

/* Last, so that no parameter can take them away: they are how we know our own. */
static void build_labels(struct build *b)
{
    const struct mu_container_spec *in = b->in;

    dkr_fields_string(b->fields, "Labels.*", DKR_LABEL_AGENT, in->agent_label);
    dkr_fields_string(b->fields, "Labels.*", DKR_LABEL_CONTAINER, in->id.s);
    dkr_fields_string(b->fields, "Labels.*", DKR_LABEL_TASK, b->task->id.s);
    dkr_fields_string(b->fields, "Labels.*", DKR_LABEL_FRAMEWORK,
                      b->task->framework_id.s);
    dkr_fields_string(b->fields, "Labels.*", "MESOS_TASK_ID", b->task->id.s);
}

static int build_all(struct build *b, struct dkr_spec *out, struct mu_error *err)
{
    struct dkr_params_target target = {.fields = b->fields,
                                       .api_version = b->options->api_version};
    int rc = find_network(b, err);
    if (rc < 0) {
        return rc;
    }
    dkr_fields_string(b->fields, "Image", NULL, b->image);
    if ((rc = build_env(b, err)) < 0 || (rc = build_command(b, err)) < 0 ||
        (rc = build_volumes(b, err)) < 0 || (rc = build_network(b, err)) < 0) {
        return rc;
    }
    dkr_spec_limits(&b->task->resources, b->options->enable_cfs, b->fields);
    if (b->container->privileged) {
        dkr_fields_bool(b->fields, "HostConfig.Privileged", true);
    }
    target.network = b->network;
    rc = dkr_params_apply(&b->container->parameters, &target, err);
    out->ignored = target.ignored;
    if (rc < 0) {
        return rc;
    }
    build_labels(b);
    const struct dkr_field *tty = dkr_fields_find(b->fields, "Tty");
    out->has_tty = tty != NULL && tty->number != 0;
    return 0;
}

int dkr_spec_build(const struct mu_container_spec *in,
                   const struct dkr_spec_options *options,
                   struct dkr_spec *out,
                   struct mu_error *err)
{
    const struct mu_container_info *container = &in->task->container;
    struct dkr_spec made = {0};
    struct build b = {.in = in,
                      .task = in->task,
                      .container = container,
                      .options = options,
                      .fields = &made.fields,
                      .network = ""};

    if (container->image == NULL || *container->image == '\0') {
        return mu_fail(err, MU_E_INVALID, "a docker container without an image");
    }
    if (in->sandbox == NULL || in->sandbox[0] != '/') {
        return mu_fail(err, MU_E_INVALID, "the sandbox is no absolute path");
    }
    char *image = dkr_image_with_tag(container->image);
    b.image = image;
    int rc = build_all(&b, &made, err);
    made.image = image;
    if (rc < 0) {
        dkr_spec_release(&made);
        return rc;
    }
    *out = made;
    return 0;
}

void dkr_spec_release(struct dkr_spec *spec)
{
    dkr_fields_release(&spec->fields);
    mu_strings_release(&spec->ignored);
    free(spec->image);
    *spec = (struct dkr_spec){0};
}
