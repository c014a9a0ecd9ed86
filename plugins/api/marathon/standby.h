/* Requests to a master that cannot answer them itself: passed on to the leader, or kept
 * for a while until there is one, so that a client does not see a failover.
 *
 * A kept request (no leader known, the leader is still loading, or nobody listens at its
 * port) is tried again every MRT_STANDBY_POLL_MS, in the order in which requests came,
 * for
 * --marathon_leader_wait at most, then 503 with Retry-After. What has reached a leader is
 * never sent a second time, unless that leader said that it did not take it, or it only
 * reads: it may have been done. Event streams are redirected. */
#ifndef MRT_STANDBY_H
#define MRT_STANDBY_H

#include "marathon.h"

#define MRT_STANDBY_POLL_MS 10u
#define MRT_STANDBY_MAX 1000u     /* kept or under way; more are refused with 503 */
#define MRT_STANDBY_CALLS_MAX 64u /* under way at the leader, the others wait */
#define MRT_STANDBY_BODY_BYTES (64u * 1024 * 1024) /* of all their bodies; more: 503 */

/* rq is a request that mrt_ready forbids with code. again(rq) is how it is begun anew
 * when this process itself has become ready; copied. */
void mrt_standby_take(const struct mrt_request *rq,
                      int code,
                      void (*again)(struct mrt_request *rq));
/* Refuse what is kept, cancel what is under way. */
void mrt_standby_stop(struct mrt *m);

#endif
