/* The election's machine with a clock, and what its last step did as text. */
#ifndef TESTS_ZK_ELECTION_KIT_H
#define TESTS_ZK_ELECTION_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "election/zk/machine.h"

#define SESSION 0x100
#define T 10000u /* session timeout, ms */
#define LEASE (T * 3 / 4)
#define START 1000u
#define OWN "json.info_0000000005"
#define CZXID 0x33
#define EPOCH "4000000000000033"
#define OTHER "json.info_0000000003"

struct kit {
    struct zke_machine *m;
    uint64_t now;
    char did[4096]; /* the actions of the last step: "create;list;" */
    bool elected;
};

struct kit *kit_create(void);
struct kit *kit_creating(void);  /* contender and detector, session there, create asked */
struct kit *kit_leading(void);   /* its lease moved now */
struct kit *kit_following(void); /* OTHER, the master "other" */
void kit_destroy(struct kit *k);

/* One event; all return k->did, and check what holds after every step. */
const char *step(struct kit *k, struct zke_event ev);
#define STEP(...) step(k, (struct zke_event){__VA_ARGS__})
const char *ready(struct kit *k, bool fresh, int64_t session);
const char *created(struct kit *k, const char *name);
const char *answer(struct kit *k, int type, const char *name, int outcome);
const char *owner(struct kit *k, const char *name, int64_t session, int64_t czxid);
const char *asked(struct kit *k, const char *name, uint64_t asked_ms);
const char *listed(struct kit *k, const char *names); /* "a b c" */
const char *data(struct kit *k, const char *name, const char *id, int64_t session);
const char *tick_at(struct kit *k, uint64_t now);
const char *tick_due(struct kit *k); /* at the machine's deadline */
void contend_as(struct kit *k, const char *id);

#endif
