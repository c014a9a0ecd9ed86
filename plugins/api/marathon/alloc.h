/* Small objects: out of memory is the end, as everywhere. What a client chooses the size
 * of is bounded before it gets here. */
#ifndef MRT_ALLOC_H
#define MRT_ALLOC_H

#include <stdlib.h>
#include <string.h>

#define MRT_NEW(type) ((type *)mrt_calloc(1, sizeof(type)))

static inline void *mrt_calloc(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (p == NULL) {
        abort();
    }
    return p;
}

/* v with room for one more than count; cap is kept in *cap. */
static inline void *mrt_grown(void *v, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) {
        return v;
    }
    *cap = *cap == 0 ? 16 : *cap * 2;
    void *more = reallocarray(v, *cap, size);
    if (more == NULL) {
        abort();
    }
    return more;
}

static inline char *mrt_strdup(const char *s)
{
    char *copy = s == NULL ? NULL : strdup(s);
    if (s != NULL && copy == NULL) {
        abort();
    }
    return copy;
}

#endif
