/* How a container ended, in numbers and words: fills c->exit. Pure. */
#ifndef DKR_CONTAINER_EXIT_H
#define DKR_CONTAINER_EXIT_H

#include "container.h"

/* Nobody knows how. */
void dkr_exit_lost(struct dkr_container *c, const char *why);
void dkr_exit_code(struct dkr_container *c, int64_t code, bool oom, const char *error);
/* It does not run, and the engine says this of it. */
void dkr_exit_from(struct dkr_container *c, const struct dkr_found *found);
/* The engine does not know it any more. */
void dkr_exit_of_missing(struct dkr_container *c);

#endif
