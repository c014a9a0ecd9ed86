/* Real ZooKeeper servers for C tests that run below tests/integration/with-zookeeper, and
 * the ways to hurt single ones. Servers are numbered from 1.
 */
#ifndef TESTS_LIB_ZK_SERVERS_H
#define TESTS_LIB_ZK_SERVERS_H

#include <stddef.h>

#include "lib/test_host.h"

size_t zk_servers_count(void);
/* "zk://127.0.0.1:2181,.../path" of all of them, or of one; the caller frees. */
char *zk_servers_url(const char *path);
char *zk_server_url(size_t number, const char *path);
void zk_server_freeze(size_t number); /* at once: SIGSTOP */
void zk_server_resume(size_t number);
/* zookeepers.py VERB NUMBER (0: all of them) beside the turning loop: "start", "kill",
 * "stop", "wait". */
void zk_servers_do(struct test_host *th, const char *verb, size_t number);
/* The number of the server that leads, or that is alone. */
size_t zk_servers_leader(struct test_host *th);
/* All run and serve, whatever was done to them. */
void zk_servers_heal(struct test_host *th);

#endif
