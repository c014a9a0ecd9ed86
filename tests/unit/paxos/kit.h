/* Some replicas of a replicated log in one process, moved by hand: a message waits in a
 * list until the test delivers or drops it, an entry of a journal until the test says
 * that it is durable, time stands still until the test lets it pass.
 *
 * Checked at every step: no position has two values, and no append is answered twice.
 */
#ifndef TESTS_UNIT_PAXOS_KIT_H
#define TESTS_UNIT_PAXOS_KIT_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/vec.h"
#include "replicated_log/codec.h"
#include "replicated_log/paxos/explain.h"
#include "replicated_log/paxos/internal.h"

#define KIT_NODES 6
#define KIT_PENDING 12345 /* no status: not answered yet */
#define KIT_ANY (-1)

struct kit_message {
    int from, to;
    uint64_t from_id;
    uint8_t type;
    struct mu_buf bytes;
};

typedef MU_VEC(struct mu_buf) kit_entries;

struct kit_write { /* it waits for the disk */
    bool is_rewrite;
    kit_entries v;
};

struct kit_node {
    struct paxos *p; /* NULL: down */
    uint64_t id;
    uint32_t quorum;
    char address[32];
    kit_entries journal;
    MU_VEC(struct kit_write) writes;
    bool holds_disk; /* kit_run leaves its disk alone */
    int disk_status; /* of each write from now on */
    int led;         /* KIT_PENDING, or how LEAD has ended */
    size_t fenced, rewrites;
    struct mu_buf log; /* all that it has said */
    char *led_text;
};

struct kit_rule {
    bool drops; /* else it is held */
    int from, to, type;
};

struct kit {
    uint64_t now_ms, last_id;
    struct kit_node nodes[KIT_NODES];
    MU_VEC(struct kit_message) messages;
    MU_VEC(struct kit_rule) rules;
    MU_VEC(int) answers;                 /* by token - 1 */
    MU_VEC(struct paxos_value *) chosen; /* by position - 1; NULL: not seen */
    bool up[KIT_NODES][KIT_NODES];
    size_t dropped;
    struct mu_buf text; /* of kit_explain, kit_get */
};

void kit_init(struct kit *k, size_t count, uint32_t quorum);
/* The same, and all have started, are connected, and vote. */
void kit_init_voting(struct kit *k, size_t count, uint32_t quorum);
void kit_release(struct kit *k);

/* Processes and disks. */
int kit_replay(struct kit *k, int i, struct mu_error *err); /* up, without START */
void kit_start(struct kit *k, int i);                       /* on what its journal has */
void kit_crash(struct kit *k, int i);                 /* what is not durable is lost */
void kit_wipe(struct kit *k, int i);                  /* of one that is down */
void kit_durable(struct kit *k, int i, size_t count); /* its oldest writes */

/* Network. */
void kit_connect(struct kit *k, int a, int b);
void kit_connect_all(struct kit *k);
void kit_cut(struct kit *k, int a, int b); /* both notice; what is on its way is lost */
void kit_isolate(struct kit *k, int i);
void kit_known(struct kit *k, int i, size_t masters); /* i is told so many */
void kit_hold(struct kit *k, int from, int to, int type);
void kit_drop(struct kit *k, int from, int to, int type); /* those that wait, too */
void kit_no_rules(struct kit *k);
size_t kit_waiting(const struct kit *k, int from, int to, int type);
/* Deliver the first of these (its rule does not matter); false: there is none. */
bool kit_deliver(struct kit *k, int from, int to, int type);
/* The first of these, decoded, taken out of the list; released by the caller. */
bool kit_take(struct kit *k, int from, int to, int type, struct paxos_message *out);
void kit_twice(struct kit *k, int from, int to, int type); /* a copy of all that wait */
/* A message that from might have sent. It is released. */
void kit_say(struct kit *k, int from, int to, struct paxos_message *m);

/* Until nothing moves: disks, and messages without a rule. */
void kit_run(struct kit *k);
/* The same while the time passes, with ticks. */
void kit_pass(struct kit *k, uint64_t ms);

/* Clients. */
void kit_lead(struct kit *k, int i, uint64_t epoch);
void kit_must_lead(struct kit *k,
                   int i,
                   uint64_t epoch); /* and pass time until it does */
void kit_resign(struct kit *k, int i);
uint64_t kit_append(struct kit *k, int i, const char *key, const char *value);
uint64_t kit_append_bytes(struct kit *k, int i, const char *key, size_t len);
int kit_answer(const struct kit *k, uint64_t token);
const char *kit_get(struct kit *k, int i, const char *key); /* "-": none */

/* What can be seen. */
struct paxos_view kit_view(const struct kit *k, int i);
enum paxos_status kit_status(const struct kit *k, int i);
bool kit_is_member(const struct kit *k, int i, int member); /* as i sees it */
bool kit_votes(const struct kit *k, int i);                 /* for anybody who asks */
const char *kit_explain(struct kit *k, int i);
bool kit_said(const struct kit *k, int i, const char *text);
void kit_forget_said(struct kit *k, int i);
void kit_assert_same(struct kit *k, int a, int b); /* positions and maps */

#endif
