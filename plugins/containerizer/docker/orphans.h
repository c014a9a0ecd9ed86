/* Containers that carry this agent's label and that nobody knows: left over by a crash
 * between two steps, or by a call whose outcome never became known. They are removed.
 * Those of others are never touched: the engine is asked for our label only.
 *
 * Runs after the recovery, whenever the engine comes back, and now and then. The same
 * list tells of containers that are believed to run and do not. */
#ifndef DKR_ORPHANS_H
#define DKR_ORPHANS_H

#include "instance.h"

/* From now on what is not known is not wanted. */
void dkr_orphans_start(struct dkr_instance *in);
/* Look now, and again soon, and less and less often then. */
void dkr_orphans_sweep_soon(struct dkr_instance *in);
void dkr_orphans_stop(struct dkr_instance *in);

#endif
