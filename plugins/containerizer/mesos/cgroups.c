#include "cgroups.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helper/procs.h"

static bool exists(const char *dir, const char *name)
{
    char path[NAT_CGROUP_PATH_MAX];
    struct stat st;
    return nat_join(path, sizeof(path), dir, name) == 0 && stat(path, &st) == 0;
}

static void miss(struct mu_buf *missing, const char *what, int rc)
{
    if (missing->len > 0) {
        mu_buf_puts(missing, ", ");
    }
    mu_buf_printf(missing, "%s", what);
    if (rc < 0) {
        mu_buf_printf(missing, " (%s)", mu_strerror(rc));
    }
}

/* mkdir -p of root below dir, in place. visit (may be NULL) sees each level before the
 * next is made. */
static int make_below(char *path,
                      size_t size,
                      const char *dir,
                      const char *root,
                      void (*visit)(const char *level))
{
    size_t len = strlen(dir);
    if (len + strlen(root) + 2 > size) {
        path[0] = '\0';
        return -ENAMETOOLONG;
    }
    memcpy(path, dir, len + 1);
    while (*root != '\0') {
        if (visit != NULL) {
            visit(path);
        }
        size_t part = strcspn(root, "/");
        path[len] = '/';
        memcpy(path + len + 1, root, part);
        len += part > 0 ? part + 1 : 0;
        path[len] = '\0';
        root += part + strspn(root + part, "/");
        if (mkdir(path, 0755) < 0 && errno != EEXIST) {
            return -errno;
        }
    }
    return 0;
}

/* The root group of one v1 hierarchy, or "" with a phrase in missing. */
static void use_v1(const struct nat_cgroups_config *config,
                   const char *controller,
                   const char *what,
                   char *out,
                   struct mu_buf *missing)
{
    const size_t size = sizeof(((struct nat_layout *)NULL)->cpu);
    char dir[NAT_CGROUP_PATH_MAX];
    int rc = nat_join(dir, sizeof(dir), config->hierarchy, controller);
    bool is_there = rc == 0 && exists(dir, "cgroup.procs");
    rc = -ENOENT;
    if (is_there) {
        rc = make_below(out, size, dir, config->root, NULL);
        if (rc == 0 && access(out, W_OK) < 0) {
            rc = -errno;
        }
    }
    if (rc < 0) {
        out[0] = '\0';
        miss(missing, what, rc);
    }
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat sa;
    struct stat sb;
    return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}

static void detect_v1(const struct nat_cgroups_config *config,
                      struct nat_layout *out,
                      struct mu_buf *missing)
{
    use_v1(config, "cpu", "cpu limits", out->cpu, missing);
    use_v1(config, "cpuacct", "cpu accounting", out->cpuacct, missing);
    use_v1(config, "memory", "memory limits", out->memory, missing);
    out->has_cpu = out->cpu[0] != '\0';
    out->has_memory = out->memory[0] != '\0';
    out->has_swap = out->has_memory && exists(out->memory, "memory.memsw.limit_in_bytes");
    if (out->cpuacct[0] != '\0' && is_same_file(out->cpu, out->cpuacct)) {
        out->cpuacct[0] = '\0'; /* mounted together, as "cpu,cpuacct" */
    }
}

/* Hand the controllers down; one that cannot be is seen by its absence below. */
static void enable_v2(const char *level)
{
    static const char *const controllers[] = {"+cpu", "+memory"};
    char path[NAT_CGROUP_PATH_MAX];
    (void)nat_join(path, sizeof(path), level,
                   "cgroup.subtree_control"); /* "" fails too */
    for (size_t i = 0; i < sizeof(controllers) / sizeof(controllers[0]); i++) {
        (void)nat_write_file(path, controllers[i]);
    }
}

static bool has_word(const char *text, const char *word)
{
    size_t len = strlen(word);
    for (const char *p = strstr(text, word); p != NULL; p = strstr(p + 1, word)) {
        bool is_end = p[len] == '\0' || p[len] == ' ' || p[len] == '\n';
        if (is_end && (p == text || p[-1] == ' ')) {
            return true;
        }
    }
    return false;
}

static void detect_v2(const struct nat_cgroups_config *config,
                      struct nat_layout *out,
                      struct mu_buf *missing)
{
    out->is_v2 = true;
    char *path = out->unified;
    int rc = make_below(path, sizeof(out->unified), config->hierarchy, config->root,
                        enable_v2);
    if (rc == 0 && access(path, W_OK) < 0) {
        rc = -errno;
    }
    if (rc < 0) {
        path[0] = '\0';
        miss(missing, "cgroups", rc);
        return;
    }
    enable_v2(path);
    char file[NAT_CGROUP_PATH_MAX];
    char text[512] = "";
    (void)nat_join(file, sizeof(file), path, "cgroup.subtree_control");
    (void)nat_read_file(AT_FDCWD, file, text, sizeof(text)); /* "" has no controllers */
    out->has_cpu = has_word(text, "cpu");
    out->has_memory = has_word(text, "memory");
    if (!out->has_cpu) {
        miss(missing, "cpu limits", 0);
    }
    if (!out->has_memory) {
        miss(missing, "memory limits", 0);
    }
}

/* Is this process in another group than the root of the hierarchy? tag as in
 * /proc/self/cgroup: "name=systemd", or "" for v2. */
static bool is_in_group(const char *tag)
{
    char text[4096];
    char wanted[64];
    snprintf(wanted, sizeof(wanted), ":%s:", tag);
    if (nat_read_file(AT_FDCWD, "/proc/self/cgroup", text, sizeof(text)) <= 0) {
        return false;
    }
    const char *line = text;
    while (line != NULL && *line != '\0') {
        const char *colon = strchr(line, ':');
        if (colon != NULL && strncmp(colon, wanted, strlen(wanted)) == 0) {
            const char *path = colon + strlen(wanted);
            return path[0] == '/' && path[1] != '\n' && path[1] != '\0';
        }
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return false;
}

/* Service managers follow a service by these two hierarchies. */
static void find_leaves(const struct nat_cgroups_config *config, struct nat_layout *out)
{
    const char *h = config->hierarchy;
    const size_t size = sizeof(out->leave_v1);
    char systemd[NAT_CGROUP_PATH_MAX];
    char unified[NAT_CGROUP_PATH_MAX];
    (void)nat_join(systemd, sizeof(systemd), h, "systemd");
    (void)nat_join(unified, sizeof(unified), h, out->is_v2 ? "" : "unified");
    if (!out->is_v2 && exists(systemd, "tasks") && is_in_group("name=systemd") &&
        make_below(out->leave_v1, size, systemd, config->root, NULL) < 0) {
        out->leave_v1[0] = '\0';
    }
    if (exists(unified, "cgroup.controllers") && is_in_group("") &&
        make_below(out->leave_v2, size, unified, config->root, NULL) < 0) {
        out->leave_v2[0] = '\0';
    }
}

/* Detect what this host has. */
void nat_cgroups_detect(const struct nat_cgroups_config *config,
                        struct nat_layout *out,
                        struct mu_buf *missing)
{
    *out = (struct nat_layout){0};
    if (exists(config->hierarchy, "cgroup.controllers")) {
        detect_v2(config, out, missing);
    } else {
        detect_v1(config, out, missing);
    }
    find_leaves(config, out);
}

static void add_group(struct nat_group_list *out,
                      const char *parent,
                      const char *id,
                      bool is_v2,
                      bool has_memory)
{
    if (parent[0] == '\0') {
        return;
    }
    size_t i = out->count++;
    (void)nat_join(out->v[i].path, sizeof(out->v[i].path), parent, id); /* it fits */
    out->v[i].is_v2 = is_v2;
    out->v[i].has_memory = has_memory;
}

/* List the groups of one container. */
void nat_cgroups_of(const struct nat_layout *layout,
                    const char *id,
                    struct nat_group_list *out)
{
    out->count = 0;
    add_group(out, layout->unified, id, true, layout->has_memory);
    add_group(out, layout->cpu, id, false, false);
    add_group(out, layout->cpuacct, id, false, false);
    add_group(out, layout->memory, id, false, true);
}

/* v2 kills to get below a new memory.max; v1 refuses by itself. */
static int check_fits(const char *path, const char *value, struct mu_error *err)
{
    const char *name = strrchr(path, '/');
    if (name == NULL || strcmp(name, "/memory.max") != 0) {
        return 0;
    }
    char file[NAT_CGROUP_PATH_MAX];
    char text[32];
    int len = (int)(name - path);
    snprintf(file, sizeof(file), "%.*s/memory.current", len, path);
    if (nat_read_file(AT_FDCWD, file, text, sizeof(text)) <= 0) {
        return 0;
    }
    const char *used = text;
    return nat_scan_u64(&used) > nat_scan_u64(&value)
               ? mu_fail(err, -EBUSY, "memory limit: more is in use")
               : 0;
}

/* Write settings. */
int nat_cgroups_apply(const struct mu_pairs *settings, struct mu_error *err)
{
    for (size_t i = 0; i < settings->count; i++) {
        const char *path = settings->v[i].key;
        int rc = check_fits(path, settings->v[i].value, err);
        if (rc < 0) {
            return rc;
        }
        rc = nat_write_file(path, settings->v[i].value);
        if (rc < 0) {
            return mu_fail(err, rc, "write '%s' to '%s': %s", settings->v[i].value, path,
                           mu_strerror(rc));
        }
    }
    return 0;
}
