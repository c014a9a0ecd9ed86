/* Event streams, for the instance's life. */
#ifndef MRT_EVENTS_H
#define MRT_EVENTS_H

#include "marathon.h"

/* Ends all streams; no event after it. */
void mrt_events_stop(struct mrt *m);

#endif
