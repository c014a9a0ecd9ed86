/* Which masters keep the log: ephemeral nodes below <path>/log_replicas, as Mesos'
 * masters have them (specification of the master, 2.1 and 3.8). Loop thread. */
#ifndef RLOG_MEMBERSHIP_H
#define RLOG_MEMBERSHIP_H

#include <muster/host.h>

struct rlog_membership;

struct rlog_membership_config {
    const struct mu_host *host;
    const char *url; /* zk://...; copied */
    uint64_t timeout_ms;
    uint32_t quorum; /* of 2*quorum-1; more members are told of */
    /* The addresses, "host:port"; also this master's own. Not called when ZooKeeper is
     * away: who was there is taken to be there. */
    void (*changed)(void *arg, const char *const *addresses, size_t count);
    void *arg;
};

MU_NODISCARD int rlog_membership_create(const struct rlog_membership_config *cfg,
                                        struct rlog_membership **out,
                                        struct mu_error *err);
/* Ends the session: the node of this master goes. */
void rlog_membership_close(struct rlog_membership *m, mu_cb closed_cb, void *arg);

#endif
