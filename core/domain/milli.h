/* Decimal text to milli-units; the inside view of mu_milli_parse. Pure; any thread. */
#ifndef MU_DOMAIN_MILLI_H
#define MU_DOMAIN_MILLI_H

#include <muster/error.h>

/* As mu_milli_parse; *out_lost says that a number other than 0 was rounded to 0. */
MU_NODISCARD int mu_milli_parse_exact(const char *text,
                                      int64_t *out_milli,
                                      bool *out_lost,
                                      struct mu_error *err);

#endif
