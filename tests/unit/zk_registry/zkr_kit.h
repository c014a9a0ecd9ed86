/* Writers of one store of registry zk on a made-up ZooKeeper, and beside them what must
 * be true: which batches have been carried out, in which order, and what the map is by
 * now. Checked at every write and every answer:
 *
 *   - batches are carried out whole, once, in the order of asking, only for the writer
 *     that has taken the store last; takings never have a lower epoch than before;
 *   - an answer comes once, in the order of asking; 0 means that it has been carried out,
 *     MU_E_FENCED that it has not and never will be (kit_finish);
 *   - a recovery that succeeds gives exactly what was true when it took the store.
 */
#ifndef TESTS_UNIT_ZKR_KIT_H
#define TESTS_UNIT_ZKR_KIT_H

#include <muster/buf.h>

#include "registry/zk/store.h"
#include "unit/zk_registry/zk_world.h"

#define KIT_WRITERS 3
#define KIT_PENDING 12345 /* no status: not answered yet */
#define KIT_ROOT "/mesos/registry/master"

struct kit_batch {
    struct zkr_kit *kit;
    size_t number, writer;
    uint64_t taking; /* under which it was asked for */
    struct mu_registry_op *ops;
    size_t count;
    int status;
    char *text;
    bool is_done; /* carried out */
};

struct kit_writer {
    struct zkr_kit *kit;
    void *instance;
    struct mu_registry_store *store;
    struct zks *session;
    size_t next; /* batches before this one (of this writer) are answered */
    size_t fenced;
    uint64_t epoch; /* of the last recover */
    int recovered;  /* KIT_PENDING, or how it ended */
    char *text;
    struct mu_buf entries;
    void (*then)(struct kit_writer *w); /* after a recovery */
};

struct zkr_kit {
    struct zk_world world;
    struct mu_flags *flags;
    struct kit_writer writers[KIT_WRITERS];
    size_t writer_count;
    struct kit_batch **batches;
    size_t count;
    struct mu_omap model;   /* key -> text of its value */
    struct mu_omap taken;   /* taking, as text -> the map of that moment, as text */
    struct zkr_fence fence; /* as the nodes say */
    uint64_t last;
    uint64_t epoch;                        /* the highest that a recover was given */
    void (*answered)(struct kit_batch *b); /* may be NULL */
};

/* The writers' plugins are created and started, their stores open; nothing is
 * connected. */
void kit_open(struct zkr_kit *k, uint64_t seed, size_t writers);
/* Everything heals, one more recovery proves what is there, and what was answered. */
void kit_finish(struct zkr_kit *k);
void kit_close(struct zkr_kit *k);

/* A new epoch, or 0: under that one. */
void kit_recover(struct zkr_kit *k, size_t writer, uint64_t epoch);
/* The batch, with an entry of its own ("n/<number>") before ops. NULL: refused at once,
 * err says why. */
struct kit_batch *kit_commit(struct zkr_kit *k,
                             size_t writer,
                             const struct mu_registry_op *ops,
                             size_t count,
                             struct mu_error *err);
struct kit_batch *kit_put(struct zkr_kit *k, size_t writer, const char *key, size_t len);
void kit_settle(struct zkr_kit *k); /* for a virtual minute */
size_t kit_unanswered(const struct zkr_kit *k);
/* Nodes below chunks that an entry names, and all. */
void kit_count_chunks(const struct zkr_kit *k, size_t *out_named, size_t *out_all);

#endif
