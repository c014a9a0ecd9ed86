/* "Did you mean ...?": the name that a misspelt one most probably stands for. */
#ifndef MU_RUNTIME_NEAREST_H
#define MU_RUNTIME_NEAREST_H

#include <stddef.h>

/* The nearest of count names within reach of a slip of the fingers (a change per three
 * letters, and one), the earliest of equals, or NULL. */
const char *nearest_name(const char *name, const char *const *names, size_t count);

#endif
