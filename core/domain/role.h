/* Role names as Mesos has them: "*", or components joined by '/'. Pure; any thread. */
#ifndef MU_DOMAIN_ROLE_H
#define MU_DOMAIN_ROLE_H

#include <muster/error.h>

/* 0, or MU_E_INVALID with a text that quotes the role and says what is wrong with it. */
MU_NODISCARD int mu_role_check(const char *role, struct mu_error *err);

#endif
