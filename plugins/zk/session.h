/* A ZooKeeper session on the loop: one handle of libzookeeper_mt at a time, opened anew
 * after each expiry, its two threads kept away from everybody else.
 *
 * All calls and callbacks on the loop thread. Each handle is a generation; what an older
 * one still has to say is dropped, and the operations that were open on it are answered
 * with ZSESSIONEXPIRED at the moment it is given up. A session that has been out of touch
 * for its timeout is given up here, before the server has said so.
 *
 * States: OPENING (a worker resolves names and makes the handle) -> CONNECTING ->
 * PREPARING (credentials, the base path) -> READY <-> SUSPENDED -> (expired) -> OPENING
 * ...
 */
#ifndef ZK_SESSION_H
#define ZK_SESSION_H

#include <muster/host.h>
#include <zookeeper/zookeeper.h>

#include "url.h"

struct zks;

struct zks_events {
    /* Operations work. fresh: a new session (ephemeral nodes and watches of the last one
     * are gone or going); otherwise the same one, reconnected: watches are still set. */
    void (*ready)(void *arg, bool fresh);
    void (*suspended)(void *arg); /* out of touch; the session may live on */
    void (*expired)(void *arg, const char *why); /* only after ready(fresh) */
    /* A watch has fired: ZOO_CREATED_EVENT, ZOO_CHILD_EVENT, ... */
    void (*changed)(void *arg, int type, const char *path);
};

struct zks_stat {
    int64_t czxid, mzxid, ephemeral_owner;
    int32_t version, cversion;
};

/* Borrowed for the callback. */
struct zks_answer {
    int rc;           /* ZOK or one of zookeeper.h; see zks_is_unknown() */
    const char *path; /* create: the node's path with its number */
    const char *data; /* get; with a 0 behind it */
    size_t len;
    struct zks_stat stat;        /* get, exists, set */
    const char *const *children; /* children: names without path */
    size_t child_count;
};
typedef void (*zks_answer_cb)(void *arg, const struct zks_answer *answer);

/* Starts connecting. url and events are borrowed for the session's life. */
struct zks *zks_open(const struct mu_host *host,
                     const struct zks_url *url,
                     uint64_t timeout_ms,
                     const struct zks_events *events,
                     void *arg);
/* Make the base path when it is missing; until this is called it is waited for. Whoever
 * makes it gives it his credentials, so that is not for those who only look. */
void zks_make_path(struct zks *s);
/* closed_cb: no thread, handle, timer or callback of it is left, its memory neither. Open
 * operations are answered with ZCLOSING before, inside this call. The session is ended at
 * the server. Nothing may be asked on it from here on. */
void zks_close(struct zks *s, mu_cb closed_cb, void *arg);

bool zks_is_ready(const struct zks *s);
int64_t zks_id(const struct zks *s);             /* of the session; 0: none */
uint64_t zks_timeout_ms(const struct zks *s);    /* as negotiated */
const char *zks_state_name(const struct zks *s); /* for people: "connecting", ... */
/* Give the session up and open another (a watchdog's last resort). Open operations are
 * answered and expired() is called inside this call. */
void zks_restart(struct zks *s, const char *why);

/* Operations: cb exactly once, never inline. Paths are whole ones. Only when ready or
 * suspended; otherwise answered with ZINVALIDSTATE. data is copied. */
void zks_create(struct zks *s,
                const char *path,
                const void *data,
                size_t len,
                int flags, /* ZOO_EPHEMERAL | ZOO_SEQUENCE */
                zks_answer_cb cb,
                void *arg);
void zks_delete(
    struct zks *s, const char *path, int version, zks_answer_cb cb, void *arg);
void zks_get(struct zks *s, const char *path, bool watch, zks_answer_cb cb, void *arg);
void zks_exists(struct zks *s, const char *path, bool watch, zks_answer_cb cb, void *arg);
void zks_children(
    struct zks *s, const char *path, bool watch, zks_answer_cb cb, void *arg);

/* What is read behind it is not older than this question, whichever server one is
 * connected to. */
void zks_sync(struct zks *s, const char *path, zks_answer_cb cb, void *arg);

enum zks_op_kind { ZKS_OP_CREATE = 1, ZKS_OP_DELETE, ZKS_OP_SET, ZKS_OP_CHECK };
struct zks_op { /* all texts and data are borrowed for the call */
    int kind;
    const char *path;
    const void *data;
    size_t len;
    int version; /* -1: any; not for create */
};
/* All or none; rc of the first that failed (the others fail with it). The whole has to
 * stay below ZooKeeper's packet limit of 1 MiB less 1 byte. */
void zks_multi(
    struct zks *s, const struct zks_op *ops, size_t count, zks_answer_cb cb, void *arg);

/* The servers' answer, if they gave one, did not arrive: it may have been done or not. */
bool zks_is_unknown(int rc);
/* "no node", "bad version", ... Never NULL. */
const char *zks_error_text(int rc);

#endif
