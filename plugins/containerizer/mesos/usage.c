#include "cgroups.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "helper/procs.h"

#define NO_LIMIT (UINT64_C(1) << 60) /* v1 shows "none" as a number beyond this */

/* The number behind `name ` at the start of a line; name "" takes the first line's.
 * False: no such file or line. */
static bool
read_value(const char *dir, const char *file, const char *name, uint64_t *out_value)
{
    char path[NAT_CGROUP_PATH_MAX];
    char text[3072]; /* memory.stat of v2 is the longest; what we want comes early */
    if (nat_join(path, sizeof(path), dir, file) < 0 ||
        nat_read_file(AT_FDCWD, path, text, sizeof(text)) <= 0) {
        return false;
    }
    size_t len = strlen(name);
    const char *line = text;
    while (line != NULL && *line != '\0') {
        if (len == 0 || (strncmp(line, name, len) == 0 && line[len] == ' ')) {
            line += len > 0 ? len + 1 : 0;
            *out_value = nat_scan_u64(&line);
            return true;
        }
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return false;
}

static uint32_t count_processes(const char *dir)
{
    char path[NAT_CGROUP_PATH_MAX];
    FILE *f =
        nat_join(path, sizeof(path), dir, "cgroup.procs") == 0 ? fopen(path, "re") : NULL;
    if (f == NULL) {
        return 0;
    }
    uint32_t n = 0;
    char line[32];
    while (fgets(line, sizeof(line), f) != NULL) {
        n++;
    }
    (void)fclose(f); /* it was only read */
    return n;
}

static void read_limit(const char *dir, const char *file, struct mu_container_usage *out)
{
    uint64_t v;
    if (read_value(dir, file, "", &v) && v < NO_LIMIT) {
        out->mem_limit_bytes = v; /* v2's "max" reads as 0: none */
    }
}

static bool read_v2(const char *dir, struct mu_container_usage *out)
{
    bool has_cpu = read_value(dir, "cpu.stat", "user_usec", &out->cpu_user_us) &&
                   read_value(dir, "cpu.stat", "system_usec", &out->cpu_system_us);
    bool has_memory = read_value(dir, "memory.stat", "anon", &out->mem_rss_bytes);
    read_limit(dir, "memory.max", out);
    out->processes = count_processes(dir);
    return has_cpu && has_memory;
}

static bool
read_v1(const struct nat_layout *l, const char *id, struct mu_container_usage *out)
{
    char dir[NAT_CGROUP_PATH_MAX];
    uint64_t user_ns = 0;
    uint64_t system_ns = 0;
    const char *cpu = l->cpuacct[0] != '\0' ? l->cpuacct : l->cpu;
    (void)nat_join(dir, sizeof(dir), cpu, id);
    bool has_cpu = cpu[0] != '\0' &&
                   read_value(dir, "cpuacct.usage_user", "", &user_ns) &&
                   read_value(dir, "cpuacct.usage_sys", "", &system_ns);
    out->cpu_user_us = user_ns / 1000;
    out->cpu_system_us = system_ns / 1000;
    (void)nat_join(dir, sizeof(dir), l->memory, id);
    bool has_memory = l->memory[0] != '\0' &&
                      read_value(dir, "memory.stat", "total_rss", &out->mem_rss_bytes);
    if (has_memory) {
        read_limit(dir, "memory.limit_in_bytes", out);
        out->processes = count_processes(dir);
    }
    return has_cpu && has_memory;
}

/* The kernel's ticks are coarse (10 ms) and a short task would show none. What the first
 * thread ran is known to the nanosecond. */
static uint64_t read_run_us(pid_t pid)
{
    char path[48];
    char text[96];
    snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
    if (nat_read_file(AT_FDCWD, path, text, sizeof(text)) <= 0) {
        return 0;
    }
    const char *at = text;
    return nat_scan_u64(&at) / 1000;
}

static void add_process(const struct nat_proc *p, struct mu_container_usage *out)
{
    uint64_t tick_us = 1000000u / (uint64_t)sysconf(_SC_CLK_TCK);
    uint64_t user_us = p->user_ticks * tick_us;
    uint64_t system_us = p->system_ticks * tick_us;
    uint64_t run_us = read_run_us(p->pid);
    if (run_us > user_us + system_us) {
        user_us = run_us - system_us;
    }
    out->cpu_user_us += user_us;
    out->cpu_system_us += system_us;
    out->mem_rss_bytes += p->rss_pages * (uint64_t)sysconf(_SC_PAGESIZE);
    out->processes++;
}

/* What no group counted, from /proc. */
static int read_proc(int64_t supervisor_pid, struct mu_container_usage *out)
{
    struct nat_procs below;
    if (supervisor_pid <= 1) {
        return -ESRCH;
    }
    int rc = nat_procs_below((pid_t)supervisor_pid, &below);
    if (rc < 0) {
        return rc;
    }
    out->cpu_user_us = out->cpu_system_us = out->mem_rss_bytes = 0;
    out->processes = 0;
    for (size_t i = 0; i < below.count; i++) {
        add_process(&below.v[i], out);
    }
    rc = below.count > 0 ? 0 : -ESRCH;
    nat_procs_release(&below);
    return rc;
}

/* Read the use of one container. */
int nat_usage_read(const struct nat_layout *layout,
                   const char *id,
                   int64_t supervisor_pid,
                   struct mu_container_usage *out)
{
    *out = (struct mu_container_usage){.struct_size = sizeof(*out)};
    if (layout->is_v2 && layout->unified[0] != '\0') {
        char dir[NAT_CGROUP_PATH_MAX];
        (void)nat_join(dir, sizeof(dir), layout->unified, id);
        if (read_v2(dir, out)) {
            return 0;
        }
    } else if (read_v1(layout, id, out)) {
        return 0;
    }
    return read_proc(supervisor_pid, out);
}
