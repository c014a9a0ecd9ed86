/* Creates of ZooKeeper: one at a time and with many on their way, by one session.
 *
 *     bench_zookeeper HOST:PORT SECONDS DIR
 *
 * Prints what rate_run_all does; DIR is for the bare file, on the servers' disk. The next
 * create is asked for by the completion of one that is done, in the library's thread.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <zookeeper/zookeeper.h>

#include "bare.h"
#include "rate.h"

#define SESSION_MS 10000
#define PARENT "/bench"

struct writer {
    zhandle_t *zk;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct rate rate; /* locked */
    uint64_t nodes, sent_ns;
    bool is_connected, is_lost, is_over;
};

static void on_session(zhandle_t *zk, int type, int state, const char *path, void *arg)
{
    (void)zk;
    (void)path;
    struct writer *w = arg;
    if (type != ZOO_SESSION_EVENT) {
        return;
    }
    (void)pthread_mutex_lock(&w->lock);
    w->is_lost = w->is_lost || (w->is_connected && state != ZOO_CONNECTED_STATE);
    w->is_connected = w->is_connected || state == ZOO_CONNECTED_STATE;
    (void)pthread_cond_broadcast(&w->changed);
    (void)pthread_mutex_unlock(&w->lock);
}

static void create(struct writer *w);

static void on_created(int rc, const char *name, const void *data)
{
    (void)name;
    struct writer *w = (struct writer *)(uintptr_t)data;
    if (rc != ZOK) {
        rate_die("create", zerror(rc));
    }
    (void)pthread_mutex_lock(&w->lock);
    if (rate_done(&w->rate, w->sent_ns)) {
        create(w);
    } else if (rate_is_over(&w->rate)) {
        w->is_over = true;
        (void)pthread_cond_broadcast(&w->changed);
    }
    (void)pthread_mutex_unlock(&w->lock);
}

/* Locked. */
static void create(struct writer *w)
{
    static const char value[RATE_VALUE_BYTES];
    char path[40];
    (void)snprintf(path, sizeof(path), PARENT "/%010lu", (unsigned long)w->nodes++);
    rate_asked(&w->rate);
    w->sent_ns = rate_now_ns();
    int rc = zoo_acreate(w->zk, path, value, sizeof(value), &ZOO_OPEN_ACL_UNSAFE, 0,
                         on_created, w);
    if (rc != ZOK) {
        rate_die("create", zerror(rc));
    }
}

static void run(void *arg, unsigned width)
{
    struct writer *w = arg;
    (void)pthread_mutex_lock(&w->lock);
    w->is_over = false;
    for (unsigned i = 0; i < width; i++) {
        create(w);
    }
    while (!w->is_over && !w->is_lost) {
        (void)pthread_cond_wait(&w->changed, &w->lock);
    }
    if (w->is_lost) {
        rate_die("session", "the connection was lost");
    }
    (void)pthread_mutex_unlock(&w->lock);
}

static void begin(struct writer *w, const char *host)
{
    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->changed, NULL);
    w->zk = zookeeper_init(host, on_session, SESSION_MS, NULL, w, 0);
    if (w->zk == NULL) {
        rate_die(host, "no session");
    }
    (void)pthread_mutex_lock(&w->lock);
    while (!w->is_connected) {
        (void)pthread_cond_wait(&w->changed, &w->lock);
    }
    (void)pthread_mutex_unlock(&w->lock);
    int rc = zoo_create(w->zk, PARENT, "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
    if (rc != ZOK) {
        rate_die(PARENT, zerror(rc));
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: bench_zookeeper HOST:PORT SECONDS DIR\n");
        return 2;
    }
    static struct writer w;
    double seconds = atof(argv[2]); // NOLINT: a wrong one is 0
    rate_limit(60 + (unsigned)(seconds * 5));
    struct bare *bare = bare_open(argv[3]);
    begin(&w, argv[1]);
    rate_run_all(&w.rate, seconds, bare, run, &w);
    (void)zookeeper_close(w.zk);
    bare_close(bare);
    return 0;
}
