/* How quick and how small native containers are; prints figures, asserts none. Goals:
 * a launch < 10 ms, > 300 launches/s, < 1 MB beside each running task. */
#include "kit.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"

#define ONE_BY_ONE 200
#define AT_ONCE 300
#define RUNNING 100

static double now_ms(struct kit *k)
{
    uv_update_time(k->th->loop);
    return (double)uv_hrtime() / 1e6; /* NOLINT(banned): finer than host->now_ms */
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void launch_one_by_one(struct kit *k)
{
    static double took[ONE_BY_ONE];
    for (int i = 0; i < ONE_BY_ONE; i++) {
        double start = now_ms(k);
        kit_launch(k, "one", "exit 0");
        took[i] = now_ms(k) - start;
        (void)kit_wait_exit(k, "one");
        assert_int_equal(kit_destroy(k, "one"), 0);
        k->exit_count = 0;
    }
    qsort(took, ONE_BY_ONE, sizeof(took[0]), by_value);
    printf("  launch to answer, one by one:  p50 %.2f ms, p99 %.2f ms\n",
           took[ONE_BY_ONE / 2], took[ONE_BY_ONE * 99 / 100]);
}

static void id_of(int i, char out[static 16])
{
    snprintf(out, 16, "b%d", i);
}

static void launch_at_once(struct kit *k, int count, const char *command)
{
    static struct kit_answer answers[AT_ONCE];
    char id[16];
    memset(answers, 0, sizeof(answers));
    double start = now_ms(k);
    for (int i = 0; i < count; i++) {
        id_of(i, id);
        kit_launch_task(k, id, kit_task(command), &answers[i]);
    }
    for (int i = 0; i < count; i++) {
        kit_wait(k, &answers[i].done);
        assert_int_equal(answers[i].status, 0);
    }
    double took = now_ms(k) - start;
    printf("  %d launches at once:          %.0f launches/s (%.2f ms each)\n", count,
           count * 1000.0 / took, took / count);
}

static void destroy_all(struct kit *k, int count)
{
    static struct kit_answer ends[AT_ONCE];
    char id[16];
    memset(ends, 0, sizeof(ends));
    double start = now_ms(k);
    for (int i = 0; i < count; i++) {
        id_of(i, id);
        kit_destroy_async(k, id, &ends[i]);
    }
    for (int i = 0; i < count; i++) {
        kit_wait(k, &ends[i].done);
        assert_int_equal(ends[i].status, 0);
    }
    double took = now_ms(k) - start;
    printf("  %d destroyed at once:         %.0f/s\n", count, count * 1000.0 / took);
    k->exit_count = 0;
}

static long field_kb(const char *pid, const char *name)
{
    char path[300], line[256];
    long kb = 0;
    snprintf(path, sizeof(path), "/proc/%s/smaps_rollup", pid);
    FILE *f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            (void)sscanf(line + strlen(name), "%ld", &kb);
        }
    }
    if (f != NULL) {
        fclose(f);
    }
    return kb;
}

static bool is_supervisor(const char *pid)
{
    char path[300], name[32] = "";
    snprintf(path, sizeof(path), "/proc/%s/comm", pid);
    FILE *f = fopen(path, "r");
    bool is_it = f != NULL && fgets(name, sizeof(name), f) != NULL &&
                 strncmp(name, "muster-containe", 15) == 0;
    if (f != NULL) {
        fclose(f);
    }
    return is_it;
}

static void print_memory(void)
{
    long count = 0, pss = 0, dirty = 0;
    DIR *d = opendir("/proc");
    struct dirent *e;
    while (d != NULL && (e = readdir(d)) != NULL) {
        if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && is_supervisor(e->d_name)) {
            count++;
            pss += field_kb(e->d_name, "Pss:");
            dirty += field_kb(e->d_name, "Private_Dirty:");
        }
    }
    if (d != NULL) {
        closedir(d);
    }
    printf("  memory of a supervisor:        %ld kB proportional, %ld kB private "
           "(%ld of them)\n",
           count > 0 ? pss / count : 0, count > 0 ? dirty / count : 0, count);
}

static void measure(const char *launcher)
{
    printf("launcher=%s\n", launcher);
    struct kit *k = kit_open(launcher, NULL, NULL);
    launch_at_once(k, RUNNING, "exec sleep 1000");
    print_memory();
    destroy_all(k, RUNNING);
    launch_at_once(k, AT_ONCE, "exec sleep 1000");
    destroy_all(k, AT_ONCE);
    launch_one_by_one(k);
    kit_close(k);
}

static void figures(void **state)
{
    (void)state;
    measure("posix");
    if (kit_is_root()) {
        measure("linux");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(figures)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
