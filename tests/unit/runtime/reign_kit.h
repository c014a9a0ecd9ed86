/* A whole master in a test: run.c with its drivers, the real api plugins and the
 * in_memory registry, on a real loop, and an election that does what the test says.
 *
 *     struct kit *k = kit_open();
 *     kit_elect(k);
 *     kit_wait_for_status(k, k->app_port, "/v2/apps", 200);
 *     ...
 *     kit_close(k);
 *
 * kit_close stops the roles as process.c does and proves that nothing is left.
 */
#ifndef TESTS_UNIT_RUNTIME_REIGN_KIT_H
#define TESTS_UNIT_RUNTIME_REIGN_KIT_H

#include <muster/buf.h>
#include <muster/kind/election.h>

#include "lib/test_host.h"
#include "runtime/plugins.h"
#include "runtime/startup.h"

struct kit {
    struct test_host *th;
    struct runtime rt;
    struct startup s; /* its tables and options */
    uint16_t port, app_port;
    bool is_stopped;
    int exit_code; /* of request_stop; -1: nobody asked */
    char reason[256];

    /* What the election was told, and what it is to say. */
    const struct mu_election_events *events;
    void *events_arg;
    struct mu_member self; /* as it stands; id NULL: it does not. Texts borrowed */
    int contends, withdraws, deposes;
    char deposed[64], proof[256]; /* the last one: id, and why */
    int depose_status;
    bool holds_withdrawals; /* they are answered by kit_withdrawn only */
    mu_cb withdrawn_cb;
    void *withdrawn_arg;
    uint64_t epoch;
    uint64_t lease_end_ms; /* MU_NEVER_MS at first */
    int ends_lease_after;  /* not 0: so often it is told as above, from then on it is 0 */

    /* The api plugin `probe` stops only when kit_probe_stopped says so. */
    bool probe_stops; /* its stop was called */
    int withdraws_then;
    mu_cb probe_cb;
    void *probe_arg;

    int status; /* of the last kit_ask, and its body and headers */
    struct mu_buf body;
    char location[256];
};

struct kit *kit_open(void);
void kit_close(struct kit *k);
/* The two halves of the end: a test may look between. */
void kit_stop(struct kit *k);
bool kit_run_until(struct kit *k, const bool *flag);

void kit_elect(struct kit *k);                 /* with the next epoch, and says so */
void kit_lose(struct kit *k, const char *why); /* and no leader is known */
void kit_name(struct kit *k, const char *id, uint16_t port); /* another one leads */
void kit_withdrawn(struct kit *k);
void kit_probe_stopped(struct kit *k);

/* One request over HTTP; runs the loop until it is answered. */
int kit_ask(
    struct kit *k, const char *method, uint16_t port, const char *path, const char *body);
/* Asks again and again until the answer has that status; each time the loop turns. */
void kit_wait_for_status(struct kit *k, uint16_t port, const char *path, int status);
double kit_metric(struct kit *k, const char *name); /* -1: there is none */

#endif
