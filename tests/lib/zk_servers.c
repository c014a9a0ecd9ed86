/* See zk_servers.h. */
#include "lib/zk_servers.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

#define CONTROL_MS 90000

static const char *setting(const char *name)
{
    const char *value = getenv(name);
    if (value == NULL) {
        fail_msg("%s is not set: run this below with-zookeeper", name);
    }
    return value;
}

size_t zk_servers_count(void)
{
    size_t count = 1;
    for (const char *c = setting("MUSTER_TEST_ZK"); *c != '\0'; c++) {
        count += *c == ',';
    }
    return count;
}

char *zk_servers_url(const char *path)
{
    return mu_xasprintf("zk://%s%s", setting("MUSTER_TEST_ZK"), path);
}

char *zk_server_url(size_t number, const char *path)
{
    const char *at = setting("MUSTER_TEST_ZK");
    for (size_t i = 1; i < number; i++) {
        at = strchr(at, ',');
        assert_non_null(at);
        at++;
    }
    return mu_xasprintf("zk://%.*s%s", (int)strcspn(at, ","), at, path);
}

static int send_signal(size_t number, int signo)
{
    mu_auto_free char *path =
        mu_xasprintf("%s/%zu/pid", setting("MUSTER_TEST_ZK_DIR"), number);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    int pid = 0;
    assert_int_equal(fscanf(f, "%d", &pid), 1);
    fclose(f);
    assert_true(pid > 1);
    assert_int_equal(kill(pid, signo), 0);
    return pid;
}

static bool is_stopped(const char *task)
{
    mu_auto_free char *path = mu_xasprintf("%s/stat", task);
    FILE *f = fopen(path, "re");
    char text[512] = "";
    if (f == NULL || fread(text, 1, sizeof(text) - 1, f) == 0) {
        text[0] = '\0'; /* a thread that ended */
    }
    if (f != NULL) {
        fclose(f);
    }
    const char *name_end = strrchr(text, ')');
    return name_end == NULL || name_end[2] == 'T';
}

/* A stop reaches the threads of a process one by one. */
void zk_server_freeze(size_t number)
{
    int pid = send_signal(number, SIGSTOP);
    mu_auto_free char *tasks = mu_xasprintf("/proc/%d/task", pid);
    bool all = false;
    while (!all) {
        all = true;
        DIR *dir = opendir(tasks);
        assert_non_null(dir);
        for (struct dirent *d = readdir(dir); d != NULL; d = readdir(dir)) {
            mu_auto_free char *task = mu_xasprintf("%s/%s", tasks, d->d_name);
            all = all && (d->d_name[0] == '.' || is_stopped(task));
        }
        closedir(dir);
    }
}

void zk_server_resume(size_t number)
{
    (void)send_signal(number, SIGCONT);
}

/* ---- the program that controls them: on a worker, so that the loop turns on ---- */

struct run {
    char *command;
    char answer[64];
    int status;
    bool ended;
};

static void do_run(void *arg)
{
    struct run *r = arg;
    FILE *f = popen(r->command, "r");
    if (f == NULL) {
        r->status = -1;
        return;
    }
    r->answer[fread(r->answer, 1, sizeof(r->answer) - 1, f)] = '\0';
    r->status = pclose(f);
}

static void run_ended(void *arg)
{
    struct run *r = arg;
    r->ended = true;
}

static void run_control(struct test_host *th, const char *words, struct run *r)
{
    *r = (struct run){0};
    r->command =
        mu_xasprintf("exec python3 '%s' %s", setting("MUSTER_TEST_ZK_CONTROL"), words);
    assert_int_equal(th->host->work(th->host, do_run, run_ended, r), 0);
    assert_true(test_host_run_until(th, &r->ended, CONTROL_MS));
    if (r->status != 0) {
        fail_msg("%s: %d", r->command, r->status);
    }
    free(r->command);
}

void zk_servers_do(struct test_host *th, const char *verb, size_t number)
{
    mu_auto_free char *words =
        number != 0 ? mu_xasprintf("%s %zu", verb, number) : mu_xstrdup(verb);
    struct run r;
    run_control(th, words, &r);
}

size_t zk_servers_leader(struct test_host *th)
{
    struct run r;
    run_control(th, "leader", &r);
    size_t number = 0;
    assert_int_equal(sscanf(r.answer, "%zu", &number), 1);
    return number;
}

void zk_servers_heal(struct test_host *th)
{
    zk_servers_do(th, "resume", 0);
    zk_servers_do(th, "start", 0);
    zk_servers_do(th, "wait", 0);
}
