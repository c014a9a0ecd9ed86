/* Tells the log when the host's wall clock was set. Nothing in here waits by that clock,
 * so nothing is done about it; but time stamps, in logs and in answers, are not to be
 * trusted across such a moment, and whoever reads them must know.
 *
 * Small corrections, as time daemons make them all the time, are not told. Loop thread.
 */
#ifndef MU_RUNTIME_CLOCK_WATCH_H
#define MU_RUNTIME_CLOCK_WATCH_H

#include <muster/host.h>

struct clock_watch;

struct clock_watch *clock_watch_create(const struct mu_host *host);
/* Takes NULL. */
void clock_watch_destroy(struct clock_watch *w);

#endif
