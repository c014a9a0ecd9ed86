/* The table of docker command line options and the kinds of value that most of them have.
 *
 * One line per option: its names, how its value is read, and the field of the Engine API
 * that it sets. Options with a syntax of their own are in params_special.c. A repeated
 * option of an appending kind appends; of the others the last one wins, as on the command
 * line.
 */
#include "params.h"

#include "params_special.h"
#include "util.h"
#include "values.h"

typedef int (*param_apply_cb)(struct dkr_params_target *t,
                              const char *path,
                              const char *value,
                              struct mu_error *err);

struct param {
    const char *names; /* separated by blanks */
    param_apply_cb apply;
    const char *path; /* for params that are refused: the reason */
};

static int as_string(struct dkr_params_target *t,
                     const char *path,
                     const char *value,
                     struct mu_error *err)
{
    (void)err;
    dkr_fields_string(t->fields, path, NULL, value);
    return 0;
}

static int as_int(struct dkr_params_target *t,
                  const char *path,
                  const char *value,
                  struct mu_error *err)
{
    int64_t number = 0;
    int rc = dkr_parse_int(value, &number, err);
    if (rc == 0) {
        dkr_fields_int(t->fields, path, number);
    }
    return rc;
}

static int as_bool(struct dkr_params_target *t,
                   const char *path,
                   const char *value,
                   struct mu_error *err)
{
    bool on = false;
    int rc = dkr_parse_bool(value, &on, err);
    if (rc == 0) {
        dkr_fields_bool(t->fields, path, on);
    }
    return rc;
}

static int as_size(struct dkr_params_target *t,
                   const char *path,
                   const char *value,
                   struct mu_error *err)
{
    int64_t bytes = 0;
    int rc = dkr_parse_size(value, &bytes, err);
    if (rc == 0) {
        dkr_fields_int(t->fields, path, bytes);
    }
    return rc;
}

static int as_duration(struct dkr_params_target *t,
                       const char *path,
                       const char *value,
                       struct mu_error *err)
{
    int64_t ns = 0;
    int rc = dkr_parse_duration_ns(value, &ns, err);
    if (rc == 0) {
        dkr_fields_int(t->fields, path, ns);
    }
    return rc;
}

/* path ends with "*": "key=value" */
static int as_pair(struct dkr_params_target *t,
                   const char *path,
                   const char *value,
                   struct mu_error *err)
{
    const char *equals = strchr(value, '=');
    if (equals == NULL || equals == value) {
        return mu_fail(err, MU_E_INVALID, "'%s' is not key=value", value);
    }
    char *key = dkr_strndup(value, (size_t)(equals - value));
    dkr_fields_string(t->fields, path, key, equals + 1);
    free(key);
    return 0;
}

/* Taken into account elsewhere (the network), or without effect and harmless. */
static int handled(struct dkr_params_target *t,
                   const char *path,
                   const char *value,
                   struct mu_error *err)
{
    (void)t, (void)path, (void)value, (void)err;
    return 0;
}

static int ignored(struct dkr_params_target *t,
                   const char *path,
                   const char *value,
                   struct mu_error *err)
{
    (void)value, (void)err;
    mu_strings_add(&t->ignored, path);
    return 0;
}

static int refused(struct dkr_params_target *t,
                   const char *path,
                   const char *value,
                   struct mu_error *err)
{
    (void)t, (void)value;
    return mu_fail(err, MU_E_INVALID, "not allowed: %s", path);
}

/* clang-format off */
static const struct param params[] = {
    /* the process */
    {"env e", dkr_param_env, "Env.+"},
    {"label l", dkr_param_label, "Labels.*"},
    {"user u", as_string, "User"},
    {"workdir w", as_string, "WorkingDir"},
    {"hostname h", as_string, "Hostname"},
    {"domainname", as_string, "Domainname"},
    {"entrypoint", dkr_param_entrypoint, "Entrypoint"},
    {"tty t", as_bool, "Tty"},
    {"stop-signal", as_string, "StopSignal"},
    {"stop-timeout", as_int, "StopTimeout"},
    {"init", as_bool, "HostConfig.Init"},
    /* files */
    {"volume v", dkr_param_volume, "HostConfig.Binds.+"},
    {"mount", dkr_param_mount, "HostConfig.Mounts.+"},
    {"tmpfs", dkr_param_tmpfs, "HostConfig.Tmpfs.*"},
    {"volumes-from", as_string, "HostConfig.VolumesFrom.+"},
    {"volume-driver", as_string, "HostConfig.VolumeDriver"},
    {"read-only", as_bool, "HostConfig.ReadonlyRootfs"},
    {"storage-opt", as_pair, "HostConfig.StorageOpt.*"},
    {"shm-size", as_size, "HostConfig.ShmSize"},
    /* network */
    {"net network", handled, NULL},
    {"net-alias network-alias", dkr_param_endpoint, "NetworkingConfig.EndpointsConfig.*.Aliases.+"},
    {"ip", dkr_param_endpoint, "NetworkingConfig.EndpointsConfig.*.IPAMConfig.IPv4Address"},
    {"ip6", dkr_param_endpoint, "NetworkingConfig.EndpointsConfig.*.IPAMConfig.IPv6Address"},
    {"link-local-ip", dkr_param_endpoint, "NetworkingConfig.EndpointsConfig.*.IPAMConfig.LinkLocalIPs.+"},
    {"link", dkr_param_link, "HostConfig.Links.+"},
    {"mac-address", dkr_param_mac_address, "MacAddress"},
    {"expose", dkr_param_expose, NULL},
    {"publish p", dkr_param_publish, NULL},
    {"publish-all P", as_bool, "HostConfig.PublishAllPorts"},
    {"add-host", as_string, "HostConfig.ExtraHosts.+"},
    {"dns", as_string, "HostConfig.Dns.+"},
    {"dns-search", as_string, "HostConfig.DnsSearch.+"},
    {"dns-opt dns-option", as_string, "HostConfig.DnsOptions.+"},
    /* memory */
    {"memory m", as_size, "HostConfig.Memory"},
    {"memory-swap", as_size, "HostConfig.MemorySwap"},
    {"memory-reservation", as_size, "HostConfig.MemoryReservation"},
    {"memory-swappiness", as_int, "HostConfig.MemorySwappiness"},
    {"kernel-memory", as_size, "HostConfig.KernelMemory"},
    {"oom-kill-disable", as_bool, "HostConfig.OomKillDisable"},
    {"oom-score-adj", as_int, "HostConfig.OomScoreAdj"},
    /* processor */
    {"cpu-shares c", as_int, "HostConfig.CpuShares"},
    {"cpus", dkr_param_cpus, "HostConfig.NanoCpus"},
    {"cpu-period", as_int, "HostConfig.CpuPeriod"},
    {"cpu-quota", as_int, "HostConfig.CpuQuota"},
    {"cpu-rt-period", as_int, "HostConfig.CpuRealtimePeriod"},
    {"cpu-rt-runtime", as_int, "HostConfig.CpuRealtimeRuntime"},
    {"cpuset-cpus", as_string, "HostConfig.CpusetCpus"},
    {"cpuset-mems", as_string, "HostConfig.CpusetMems"},
    /* other limits */
    {"pids-limit", as_int, "HostConfig.PidsLimit"},
    {"ulimit", dkr_param_ulimit, "HostConfig.Ulimits.+.Name"},
    {"blkio-weight", as_int, "HostConfig.BlkioWeight"},
    {"blkio-weight-device", dkr_param_device_weight, NULL},
    {"device-read-bps", dkr_param_device_rate, "HostConfig.BlkioDeviceReadBps"},
    {"device-write-bps", dkr_param_device_rate, "HostConfig.BlkioDeviceWriteBps"},
    {"device-read-iops", dkr_param_device_iops, "HostConfig.BlkioDeviceReadIOps"},
    {"device-write-iops", dkr_param_device_iops, "HostConfig.BlkioDeviceWriteIOps"},
    /* rights and devices */
    {"privileged", as_bool, "HostConfig.Privileged"},
    {"cap-add", as_string, "HostConfig.CapAdd.+"},
    {"cap-drop", as_string, "HostConfig.CapDrop.+"},
    {"security-opt", dkr_param_security_opt, "HostConfig.SecurityOpt.+"},
    {"group-add", as_string, "HostConfig.GroupAdd.+"},
    {"device", dkr_param_device, NULL},
    {"device-cgroup-rule", as_string, "HostConfig.DeviceCgroupRules.+"},
    {"gpus", dkr_param_gpus, NULL},
    /* namespaces and runtime */
    {"userns", as_string, "HostConfig.UsernsMode"},
    {"pid", as_string, "HostConfig.PidMode"},
    {"ipc", as_string, "HostConfig.IpcMode"},
    {"uts", as_string, "HostConfig.UTSMode"},
    {"cgroupns", as_string, "HostConfig.CgroupnsMode"},
    {"cgroup-parent", as_string, "HostConfig.CgroupParent"},
    {"sysctl", as_pair, "HostConfig.Sysctls.*"},
    {"runtime", as_string, "HostConfig.Runtime"},
    {"isolation", as_string, "HostConfig.Isolation"},
    {"log-driver", as_string, "HostConfig.LogConfig.Type"},
    {"log-opt", as_pair, "HostConfig.LogConfig.Config.*"},
    /* health checks by the engine */
    {"health-cmd", dkr_param_health_cmd, "Healthcheck.Test"},
    {"health-interval", as_duration, "Healthcheck.Interval"},
    {"health-timeout", as_duration, "Healthcheck.Timeout"},
    {"health-start-period", as_duration, "Healthcheck.StartPeriod"},
    {"health-retries", as_int, "Healthcheck.Retries"},
    {"no-healthcheck", dkr_param_no_healthcheck, "Healthcheck.Test"},
    /* what would fight with our care for the container's life */
    {"interactive i", ignored, "interactive"},
    {"rm", ignored, "rm"},
    {"detach d", ignored, "detach"},
    {"sig-proxy", ignored, "sig-proxy"},
    {"attach a", ignored, "attach"},
    {"detach-keys", ignored, "detach-keys"},
    {"disable-content-trust", ignored, "disable-content-trust"},
    {"restart", dkr_param_restart, NULL},
    {"name", refused, "the container's name is how it is found again"},
    {"cidfile", refused, "there is no client that could write it"},
    {"env-file", refused, "there is no client that could read it; use env"},
    {"label-file", refused, "there is no client that could read it; use label"},
};
/* clang-format on */

static bool has_name(const char *names, const char *wanted)
{
    size_t len = strlen(wanted);
    for (const char *p = names; *p != '\0'; p += strspn(p, " ")) {
        size_t name_len = strcspn(p, " ");
        if (name_len == len && memcmp(p, wanted, len) == 0) {
            return true;
        }
        p += name_len;
    }
    return false;
}

static const char *without_dashes(const char *key)
{
    return key + strspn(key, "-");
}

static const struct param *find(const char *key)
{
    const char *name = without_dashes(key);
    for (size_t i = 0; *name != '\0' && i < DKR_COUNT(params); i++) {
        if (has_name(params[i].names, name)) {
            return &params[i];
        }
    }
    return NULL;
}

int dkr_params_apply(const struct mu_pairs *list,
                     struct dkr_params_target *target,
                     struct mu_error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *key = list->v[i].key;
        const char *value = list->v[i].value == NULL ? "" : list->v[i].value;
        const struct param *param = find(key);
        if (param == NULL) {
            return mu_fail(err, MU_E_INVALID, "docker parameter '%s' is not known", key);
        }
        int rc = param->apply(target, param->path, value, err);
        if (rc < 0) {
            return mu_wrap(err, rc, "docker parameter '%s'", key);
        }
    }
    return 0;
}

const char *dkr_params_network(const struct mu_pairs *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *name = without_dashes(list->v[i].key);
        if (dkr_equal(name, "net") || dkr_equal(name, "network")) {
            return list->v[i].value;
        }
    }
    return NULL;
}

bool dkr_network_is_user_defined(const char *network)
{
    static const char *const built_in[] = {"", "default", "bridge", "host", "none"};

    for (size_t i = 0; i < DKR_COUNT(built_in); i++) {
        if (dkr_equal(network, built_in[i])) {
            return false;
        }
    }
    return !dkr_starts_with(network, "container:");
}
