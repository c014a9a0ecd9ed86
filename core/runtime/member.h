/* A copy of a struct mu_member that owns its texts. */
#ifndef MU_RUNTIME_MEMBER_H
#define MU_RUNTIME_MEMBER_H

#include <muster/kind/election.h>

void member_copy(struct mu_member *dst,
                 const struct mu_member *src); /* dst is overwritten without release */
void member_release(struct mu_member *m);      /* leaves a zeroed struct */

#endif
