/* The simulator of the replicated log: replicas on made-up disks and a made-up network,
 * in virtual time, from one seed. The machine is the real one, its messages and entries
 * go through the real codecs.
 *
 *   world.c    time, network, processes     faults.c  what goes wrong
 *   disk.c     disks                        main.c    clients, the command line
 *   checks.c   what must hold
 */
#ifndef PAXOS_WORLD_H
#define PAXOS_WORLD_H

#include <stdio.h>

#include "base/heap.h"
#include "base/prng.h"
#include "base/vec.h"
#include "disk.h"
#include "replicated_log/paxos/internal.h"

#define NODES_MAX 6 /* one is a spare */
#define KEYS 24
#define FAULTS_END_MS 180000u
#define CONVERGED_MS 400000u
#define DISASTER_MS 460000u

struct world;

struct event {
    struct mu_heap_node node;
    void (*run)(struct world *w, struct event *e);
    size_t to, from;
    uint64_t gen, number; /* gen: of the process that it is for */
    struct mu_buf bytes;
};

struct disk_op { /* one that waits for the disk */
    bool is_rewrite;
    entries v; /* of a store: one */
};

struct node {
    bool up, led;
    uint64_t gen, wake, id, epoch;
    uint64_t asked_at; /* the highest position acknowledged when it was told to lead */
    struct paxos *p;
    char address[40];
    struct disk disk; /* durable */
    MU_VEC(struct disk_op) queue;
    uint64_t disk_at;  /* when the last of the queue is durable */
    uint64_t ahead_ms; /* of its clock */
    uint64_t seen;     /* positions that were checked */
    uint64_t lost_id;  /* of its disk that was lost, while others may count on it */
    bool is_listed;    /* the others know of this master */
    bool is_damaged;   /* its file; it is refused, and wiped by somebody then */
    bool disk_failed;  /* nothing is written any more, until the next start */
};

struct token { /* a batch that a client has sent */
    uint64_t epoch, after,
        position; /* after: the highest position acknowledged before it;
                     position: where it was chosen; 0: nowhere yet */
    bool acked, refused;
};

struct chosen {
    struct paxos_value *value; /* NULL: not seen by itself */
    uint64_t state;            /* hash of the map there; 0: not seen */
};

struct faults { /* in ppm for each second, or for each message */
    uint32_t crash, all_crash, partition, isolate, lose, twice, late, disk_fails,
        lose_disk, replace, damage, tear, jump, stale_leader, crash_on_answer, unaware,
        returns;
};

struct reign {
    uint64_t epoch, committed; /* when it was told that it leads */
};

struct world {
    uint64_t seed, now_ms, last_id, last_epoch, next_election_ms;
    struct mu_prng prng;
    struct mu_heap heap;
    struct faults faults;
    bool faults_over, trace, failed;
    char failure[400];
    uint64_t hash, events;
    size_t count;   /* of nodes */
    size_t members; /* that the log is for: one less when there is a spare */
    uint32_t quorum;
    struct node nodes[NODES_MAX];
    uint64_t cut_until[NODES_MAX][NODES_MAX];
    uint64_t known[NODES_MAX][NODES_MAX]; /* ids of those it is connected with */
    MU_VEC(struct chosen) chosen;         /* by position - 1 */
    MU_VEC(struct token) tokens;          /* by number - 1 */
    MU_VEC(struct reign) reigns;
    uint64_t highest_acked;
    size_t acked, unknown, refused, crashes, reigns_led, disks_lost, cuts, snapshots,
        members_written, refused_disks, torn, restarts_from_nothing, disasters;
};

/* world.c */
uint64_t world_rand(struct world *w, uint64_t low, uint64_t high);
bool world_chance(struct world *w, uint32_t ppm);
struct event *world_later(struct world *w,
                          uint64_t delay_ms,
                          void (*run)(struct world *w, struct event *e));
void world_note(struct world *w, const char *fmt, ...) MU_PRINTF(2, 3);
void world_fail(struct world *w, const char *fmt, ...) MU_PRINTF(2, 3);
void world_init(struct world *w, uint64_t seed, size_t members, bool has_spare);
void world_run_until(struct world *w, uint64_t at_ms);
void world_release(struct world *w);
void world_start(struct world *w, size_t k); /* a process, on what its disk has */
void world_crash(struct world *w, size_t k);
void world_wipe(struct world *w, size_t k); /* the disk of a process that is down */
void world_list(struct world *w, size_t k, bool is_listed); /* the others hear of it */
void world_step(struct world *w, size_t k, struct paxos_event *ev);
bool world_reaches(const struct world *w, size_t a, size_t b);
void world_connect(struct world *w, size_t a, size_t b);
void world_disconnect(struct world *w, size_t a, size_t b);

/* faults.c */
void faults_answered(struct world *w, size_t k);   /* a promise or a vote was sent */
void faults_exchanging(struct world *w, size_t k); /* k writes new members */
void faults_begin(struct world *w);
void faults_spare(struct world *w, bool from_the_start); /* the last node */
void faults_end(struct world *w);
/* As many members as make a quorum lose their disks at once, when all is quiet. */
void faults_disaster(struct world *w);

/* main.c */
void client_led(struct world *w, size_t k, int status);
void client_done(struct world *w, uint64_t token, int status);
void client_lost(struct world *w, size_t k); /* it leads no more */

/* checks.c */
void check_node(struct world *w, size_t k);
void check_led(struct world *w, size_t k);
void check_acked(struct world *w, uint64_t token);
void check_end(struct world *w);
/* Nothing is made of what a minority has, and each one says what it waits for. */
void check_disaster(struct world *w, size_t reigns_before, size_t acked_before);

#endif
