/* See host_resources.h. The formulas are those Mesos users know. */
#include "runtime/host_resources.h"

#include <sched.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "domain/resources_text.h"

#define MIB ((uint64_t)1024 * 1024)
#define GIB (1024 * MIB)

static int64_t cpus_here(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0) {
        return CPU_COUNT(&set);
    }
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? n : 1;
}

static uint64_t mem_here(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    uint64_t total = pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : GIB;
    return (total >= 2 * GIB ? total - GIB : total / 2) / MIB;
}

static uint64_t disk_here(const char *dir)
{
    struct statvfs st;
    uint64_t total = dir != NULL && statvfs(dir, &st) == 0
                         ? (uint64_t)st.f_blocks * st.f_frsize
                         : 10 * GIB;
    return (total >= 10 * GIB ? total - 5 * GIB : total / 2) / MIB;
}

int host_resources(const char *text,
                   const char *work_dir,
                   struct mu_resources *out,
                   struct mu_error *err)
{
    const char *given = text == NULL ? "" : text;
    int rc = mu_resources_parse(given, "*", out, err);
    if (rc == 0 && !mu_resources_text_names(given, "cpus")) {
        rc = mu_resources_add_scalar(out, "cpus", "*", cpus_here() * 1000, err);
    }
    if (rc == 0 && !mu_resources_text_names(given, "mem")) {
        rc = mu_resources_add_scalar(out, "mem", "*", (int64_t)mem_here() * 1000, err);
    }
    if (rc == 0 && !mu_resources_text_names(given, "disk")) {
        rc = mu_resources_add_scalar(out, "disk", "*",
                                     (int64_t)disk_here(work_dir) * 1000, err);
    }
    if (rc == 0 && !mu_resources_text_names(given, "ports")) {
        rc = mu_resources_add_range(out, "ports", "*", 31000, 32000, err);
    }
    return rc;
}
