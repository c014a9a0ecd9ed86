/* The attributes of an agent, as its flag gives them. Pure; any thread. */
#ifndef MU_DOMAIN_ATTRIBUTES_H
#define MU_DOMAIN_ATTRIBUTES_H

#include <muster/task.h>

/* "rack:abc;zone:west;n:3" -> pairs in that order, values as texts. Pieces are split at
 * ';' or newline, each at its first ':'; blanks around both parts are dropped. Errors
 * (MU_E_INVALID): a part is empty, or the value is a set. *out is written on success
 * only; it is not released before. */
MU_NODISCARD int
mu_attributes_parse(const char *text, struct mu_pairs *out, struct mu_error *err);

#endif
