/* Members with texts of their own. */
#ifndef ZKE_MEMBER_H
#define ZKE_MEMBER_H

#include <muster/kind/election.h>

void zke_member_copy(struct mu_member *to, const struct mu_member *from);
void zke_member_release(struct mu_member *m); /* of what copy made, or zeroed */

#endif
