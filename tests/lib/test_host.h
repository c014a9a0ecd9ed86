/* The real host for tests: a loop of its own, the host services on it, a temporary
 * work_dir.
 *
 *     struct test_host *th = test_host_open();
 *     ... th->host, th->loop ...
 *     assert_true(test_host_run_until(th, &done, 5000));
 *     test_host_close(th);
 *
 * test_host_close proves the end: all of the test's handles are closed already or
 * closing, the loop closes with 0 and there are as many file descriptors as before. It
 * fails the test otherwise, naming what is left.
 */
#ifndef TESTS_LIB_TEST_HOST_H
#define TESTS_LIB_TEST_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include <muster/host.h>

struct http_server;
struct rt_host;

struct test_host {
    uv_loop_t *loop;
    struct rt_host *rt;
    const struct mu_host *host;
    struct http_server *http;
    char *work_dir;         /* under $TMPDIR, removed at close */
    bool failed;            /* somebody called host->failed */
    struct mu_error reason; /* and why */
    int fds_before;
};

/* Log lines go to stderr from warnings on; MUSTER_TEST_LOG=debug (or another level) in
 * the environment shows more. */
struct test_host *test_host_open(void);
/* Runs the loop until *flag; false: time is up, or nothing is left that could set it. */
bool test_host_run_until(struct test_host *th, const bool *flag, uint64_t timeout_ms);
/* Lets the loop turn n times without waiting. */
void test_host_turn(struct test_host *th, int n);
/* Serves the named listener on a free port of 127.0.0.1 and returns it. */
uint16_t test_host_listen(struct test_host *th, const char *listener);
void test_host_close(struct test_host *th);

/* Open file descriptors of this process. */
int test_fd_count(void);
/* Prints them with what they point to, to stderr. */
void test_fd_print(void);
/* Removes a directory with all it holds; links are not followed. */
void test_remove_tree(const char *path);

#endif
