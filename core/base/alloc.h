/* Allocation that cannot fail, and ownership inside functions.
 *
 * For small and fixed-size objects only: out of memory prints the size and aborts, since
 * the system is crash-safe and thousands of untestable branches are worse. Whatever a
 * peer chooses the size of is bounded before it is allocated. Everything is given back
 * with free(). Any thread.
 */
#ifndef MU_BASE_ALLOC_H
#define MU_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* size 0 gives a valid pointer that free() takes. */
void *mu_xalloc(size_t size) __attribute__((malloc, returns_nonnull));
/* Zeroed; the product is checked for overflow. */
void *mu_xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *mu_xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
/* Like mu_xrealloc of count * size, checked for overflow. */
void *mu_xrealloc_array(void *p, size_t count, size_t size)
    __attribute__((returns_nonnull));
/* NULL stays NULL, so optional texts are copied without a branch. */
char *mu_xstrdup(const char *s);
/* At most len bytes of s (fewer if a NUL comes first), NUL-terminated. */
char *mu_xstrndup(const char *s, size_t len) __attribute__((returns_nonnull));
void *mu_xmemdup(const void *data, size_t len) __attribute__((returns_nonnull));
/* Formatted text in memory of its own. */
char *mu_xasprintf(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), returns_nonnull));

/* Shorthand for a zeroed object: struct x *p = MU_NEW(struct x). */
#define MU_NEW(type) ((type *)mu_xcalloc(1, sizeof(type)))

/* pp points to a `char *` or any other object pointer that free() takes. */
static inline void mu_cleanup_free(void *pp)
{
    void *p;
    memcpy(&p, pp, sizeof(p)); /* pp may be a T ** of any T: aliasing */
    free(p);
}
#define mu_auto_free __attribute__((cleanup(mu_cleanup_free)))

static inline void *mu_steal_pointer(void *pp)
{
    void *p;
    void *none = NULL;
    memcpy(&p, pp, sizeof(p));
    memcpy(pp, &none, sizeof(none));
    return p;
}
/* Take the pointer out of *pp and leave NULL: return mu_steal(&text); */
#define mu_steal(pp) ((__typeof__(*(pp)))mu_steal_pointer(pp))

/* The struct that embeds *ptr as its member. The sizeof only checks ptr's type. */
#define mu_container_of(ptr, type, member)                                               \
    ((type *)((uintptr_t)(ptr)-offsetof(type, member) +                                  \
              0 * sizeof((ptr) == &((type *)0)->member)))

#define MU_COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
