/* Inside view of texts.c: comparisons that the public header does not offer. Pure. */
#ifndef MU_DOMAIN_TEXTS_H
#define MU_DOMAIN_TEXTS_H

#include <muster/task.h>

/* Equal, or both NULL. */
bool texts_equal(const char *a, const char *b);
/* Equal with the order counted, as the options of a docker command line need it. */
bool texts_pairs_same_order(const struct mu_pairs *a, const struct mu_pairs *b);

#endif
