/* One store of the registry `zk`: its writer's pipeline (store.c) and how it is read back
 * (recovery.c). Loop thread.
 *
 * Phases: IDLE (before recover) -> RECOVERING -> OPEN <-> UNSURE -> FENCED or BROKEN;
 * recover again from any. In OPEN, batches are sent as they come. Each checks that the
 * node `fence` is as our taking left it, and sets the node `last` at the version that the
 * batch before leaves behind. Both are needed: a taking that moved `last` alone would
 * stop the first batch on its way, but make the version that the second one expects.
 *
 * When a batch is not answered with "done", all that were sent behind it fail too: the
 * store is UNSURE, waits until nothing is under way, and reads `last`, then `fence`.
 * Another taking there: FENCED. Ours: the number in `last` tells which batches are in;
 * the others are sent again. A batch whose copy of an earlier try comes late makes ours
 * fail by its version, and the nodes are read once more; it can never be applied twice. A
 * number that is lower than one we know of is what a server tells that is behind: it is
 * asked again.
 *
 * BROKEN: ZooKeeper refuses a batch for another reason (rights; somebody else's hand in
 * our nodes). What we know of the store may be wrong, so only recover mends it.
 */
#ifndef ZKR_STORE_H
#define ZKR_STORE_H

#include "plan.h"

#define ZKR_BATCHES_MAX 20000u /* that wait for ZooKeeper; then MU_E_LIMIT */
#define ZKR_BYTES_MAX (64u * 1024 * 1024)
#define ZKR_SENT_MAX 1000u /* under way at a time */
#define ZKR_RETRY_MS 500u

enum zkr_phase { ZKR_IDLE, ZKR_RECOVERING, ZKR_OPEN, ZKR_UNSURE, ZKR_FENCED, ZKR_BROKEN };

struct zkr; /* the instance: plugin.c */

struct zkr_batch {
    struct zkr_batch *next;
    struct zkr_plan plan;
    uint64_t number;
    bool is_sent;
    bool was_lost; /* a try of it was: it may still come to be applied */
    mu_registry_done_cb cb;
    void *arg;
};

/* A question to ZooKeeper that outlives neither its answer nor, as far as it matters, its
 * store and round. */
struct zkr_question {
    struct zkr_question *next, **at;
    struct mu_registry_store *store; /* NULL: closed meanwhile */
    uint64_t round;
    void *subject; /* what it is about, while the round lasts */
    void (*answered)(struct mu_registry_store *s,
                     void *subject,
                     const struct zks_answer *a);
};

struct mu_registry_store {
    struct mu_registry_store *next; /* of the instance */
    struct zkr *instance;
    const struct mu_host *host;
    struct zks *session;
    char *name, *root;
    const struct mu_registry_events *events;
    void *arg;
    int phase;
    uint64_t epoch, taking; /* as the node fence says while we write */
    int32_t fence;          /* its version then */
    uint64_t number;        /* of the last batch that was taken */
    uint64_t done;          /* of the last that is known to be in */
    int32_t version;        /* of the node last that the next batch to send expects */
    struct zkr_entries entries;
    struct zkr_batch *batches, **batches_end;
    size_t batch_count, sent, bytes;
    char *broken; /* why */
    bool resolving;
    uint64_t read_number; /* in last, before fence was read */
    int32_t read_version;
    unsigned behind; /* how often in a row a server was */
    uint64_t stuck;  /* the batch that was first in line at the last resolution */
    unsigned tries;  /* for how many resolutions in a row */
    uint64_t round;  /* of what was asked: an answer to an earlier one is not heard */
    struct zkr_question *questions;
    struct zkr_recovery *recovery;
    struct mu_timer *retry, *turn, *refusal;
    /* A recover or close that waits for the next turn. */
    mu_registry_entry_cb wanted_entry;
    mu_registry_done_cb wanted_cb;
    void *wanted_arg;
    uint64_t wanted_epoch;
    bool is_closing;
    mu_cb closed_cb; /* may be NULL */
    void *closed_arg;
};

struct mu_registry_store *zkr_store_create(struct zkr *instance,
                                           const struct mu_host *host,
                                           struct zks *session,
                                           const char *root,
                                           const char *name);
void zkr_store_destroy(struct mu_registry_store *s);
int zkr_store_commit(struct mu_registry_store *s,
                     const struct mu_registry_op *ops,
                     size_t count,
                     mu_registry_done_cb cb,
                     void *arg,
                     struct mu_error *err);
/* Look who has taken the store last, and be told of the next one who does. */
void zkr_store_watch(struct mu_registry_store *s);
/* The session is there (again): go on. */
void zkr_store_resume(struct mu_registry_store *s);
/* Nothing that was asked before is heard any more. */
void zkr_store_new_round(struct mu_registry_store *s);
/* Every batch that waits is answered with this. */
void zkr_store_fail_all(struct mu_registry_store *s, int status, const char *text);
/* fence, number, version and the entries are as they were read. */
void zkr_store_opened(struct mu_registry_store *s);

/* arg for one of the session's calls; the answer goes to zkr_on_answer. */
struct zkr_question *zkr_ask(struct mu_registry_store *s,
                             void (*answered)(struct mu_registry_store *s,
                                              void *subject,
                                              const struct zks_answer *a),
                             void *subject);
void zkr_on_answer(void *question, const struct zks_answer *a);
/* The answer was lost: with the session or the connection. */
bool zkr_is_lost(int rc);
/* Resume in a while, whatever comes. */
void zkr_retry_later(struct mu_registry_store *s, uint64_t delay_ms);

/* recovery.c */
void zkr_recover(struct mu_registry_store *s,
                 mu_registry_entry_cb on_entry,
                 mu_registry_done_cb cb,
                 void *arg);
void zkr_recovery_resume(struct mu_registry_store *s);
void zkr_recovery_end(struct mu_registry_store *s, int status, const char *text);

#endif
