/* A copy of a struct mu_member that owns its texts. */
#ifndef MU_RUNTIME_MEMBER_H
#define MU_RUNTIME_MEMBER_H

#include <muster/kind/election.h>

void member_copy(struct mu_member *dst,
                 const struct mu_member *src); /* dst is overwritten without release */
void member_release(struct mu_member *m);      /* leaves a zeroed struct */

/* "10.0.0.1:5050", "[::1]:5050": what to connect to. */
#define MEMBER_ADDRESS_MAX 320
void member_address(const struct mu_member *m, char out[MEMBER_ADDRESS_MAX]);
/* Who it is and where; not what its znode is called. Either may be zeroed: nobody. */
bool member_is_same(const struct mu_member *a, const struct mu_member *b);

#endif
