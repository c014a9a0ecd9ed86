/* The nodes of a made-up ZooKeeper, with all that they ever were: a server that is behind
 * tells what was true at an earlier change. */
#ifndef TESTS_UNIT_ZK_TREE_H
#define TESTS_UNIT_ZK_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/omap.h"
#include "zk/session.h"

/* One operation as it was asked for. */
struct world_op {
    int kind; /* enum zks_op_kind */
    char *path, *data;
    size_t len;
    int version;
};

/* What a node was from one change on. */
struct tree_state {
    uint64_t number; /* of the change */
    bool exists;
    char *data; /* with a 0 behind it */
    size_t len;
    struct zks_stat stat;
};

struct zk_tree {
    struct mu_omap nodes; /* path -> its states */
    uint64_t head;        /* number of the last change */
    int refuse_rc;        /* not ZOK: writes to nodes whose path has refuse_part get it */
    const char *refuse_part;
};

/* NULL: there was no such node then. */
const struct tree_state *
tree_state(const struct zk_tree *t, const char *path, uint64_t number);
/* All or none; a change also if it fails. */
int tree_write(struct zk_tree *t, const struct world_op *ops, size_t count);
bool tree_has_changed(const struct zk_tree *t,
                      const char *path,
                      uint64_t from, /* behind this change */
                      uint64_t to);
bool tree_is_below(const char *path, const char *child); /* directly */
/* Appends to *out (from NULL); returns how many. Names and list are the caller's. */
size_t
tree_children(const struct zk_tree *t, const char *path, uint64_t number, char ***out);
/* As somebody else's hand: make or replace, or (data NULL) delete. */
void tree_put(struct zk_tree *t, const char *path, const char *data);
void tree_set_version(struct zk_tree *t, const char *path, int32_t version);
void tree_release(struct zk_tree *t);

#endif
