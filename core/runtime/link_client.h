/* The agent's end of the agent link: one stream to the leading master, and calls on it,
 * in order.
 *
 * link_client_set_master names where the master is (or nowhere). The client then offers
 * fresh link numbers through `up`: the first message sent on one must be REGISTER or
 * REREGISTER and opens the stream. When the stream ends, `down` tells and after a
 * back-off (20 ms doubling to 2 s, with jitter) a new `up` follows; at once, but for a
 * few ms of jitter, when another master is named. A 307 answer is followed to the leader
 * it names. Messages go in one call at a time, as many as have gathered, so their
 * order is kept. Loop thread.
 */
#ifndef MU_RUNTIME_LINK_CLIENT_H
#define MU_RUNTIME_LINK_CLIENT_H

#include <muster/host.h>

#include "domain/message.h"

struct link_client;

struct link_client_events {
    void (*up)(void *arg, uint64_t link);
    void (*down)(void *arg, uint64_t link, const char *why);
    void (*message)(void *arg, uint64_t link, const struct mu_msg *msg); /* borrowed */
};

struct link_client *link_client_create(const struct mu_host *host,
                                       const struct link_client_events *events,
                                       void *arg);
void link_client_set_master(
    struct link_client *c, const char *host_port); /* "10.0.0.1:5050"; NULL: none known */
/* Where the stream goes, or would go; NULL: none is known. */
const char *link_client_master(const struct link_client *c);
void link_client_send(struct link_client *c,
                      uint64_t link,
                      const struct mu_msg *msg); /* a stale number is ignored */
void link_client_reconnect(struct link_client *c,
                           uint64_t link); /* drop it and offer a fresh one */
void link_client_stop(struct link_client *c,
                      mu_cb cb,
                      void *arg); /* no event after the call; cb when nothing is left */
void link_client_destroy(struct link_client *c);

#endif
