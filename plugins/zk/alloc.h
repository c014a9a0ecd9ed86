/* Small things only: out of memory ends the process, as in the core. Any thread. */
#ifndef ZK_ALLOC_H
#define ZK_ALLOC_H

#include <stdlib.h>
#include <string.h>

static inline void *zks_calloc(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (p == NULL) {
        abort();
    }
    return p;
}

/* With a 0 behind it, so that it is a text, too. */
static inline char *zks_copy(const void *data, size_t len)
{
    char *p = zks_calloc(1, len + 1);
    if (len > 0) {
        memcpy(p, data, len);
    }
    return p;
}

#endif
