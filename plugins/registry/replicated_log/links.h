/* The connections of one replica with the others, over the masters' own HTTP port.
 *
 * Each master asks each other one for a stream, GET /api/v1/log/NAME, and gets on it what
 * the other one sends: frames of a length (4 bytes, little-endian) and a message; an
 * empty one each second. So there are two streams between two replicas, and a replica is
 * there when both work. Loop thread.
 */
#ifndef RLOG_LINKS_H
#define RLOG_LINKS_H

#include <muster/host.h>

struct rlog_links;

struct rlog_links_config {
    const struct mu_host *host;
    const char *name; /* of the log; copied */
    uint64_t id;      /* of this replica */
    void (*up)(void *arg, uint64_t id, const char *address);
    void (*down)(void *arg, uint64_t id);
    void (*known)(void *arg); /* rlog_links_known may have changed, not by links_set */
    void (*message)(void *arg, uint64_t id, const void *data, size_t len);
    void *arg;
};

struct rlog_links *rlog_links_create(const struct rlog_links_config *cfg);
/* With whom: "host:port". Those that are new are called, those that are missing given up.
 * This master's own address is left out. */
void rlog_links_set(struct rlog_links *l, const char *const *addresses, size_t count);
/* How many masters these are, this one among them. An address behind which this one
 * itself has answered counts for nothing, nor does a second address of one replica. */
size_t rlog_links_known(const struct rlog_links *l);
/* Another replica asks for its stream: takes the exchange over, answers it in any case.
 */
void rlog_links_accept(struct rlog_links *l, struct mu_http_exchange *x);
/* Lost without a word when it cannot be sent. */
void rlog_links_send(struct rlog_links *l, uint64_t id, const void *data, size_t len);
/* No event comes any more; cb when nothing is left of it. */
void rlog_links_close(struct rlog_links *l, mu_cb cb, void *arg);

#endif
