/* Arena: many small allocations that die together, one per HTTP request or per step.
 *
 * Nothing in an arena is freed alone and nothing in it outlives reset or release. reset
 * keeps the first block, so an arena that is used again and again stops allocating. A
 * zeroed struct is an empty arena.
 */
#ifndef MU_BASE_ARENA_H
#define MU_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct mu_arena_block;

struct mu_arena {
    struct mu_arena_block *blocks; /* the current one first */
    size_t used;                   /* of the current block */
    size_t total;                  /* bytes given out since the last reset */
};

void mu_arena_init(struct mu_arena *a);
void mu_arena_release(struct mu_arena *a);
/* Forget everything, keep one block. */
void mu_arena_reset(struct mu_arena *a);
/* Never NULL; aligned for any type. */
void *mu_arena_alloc(struct mu_arena *a, size_t size);
void *mu_arena_calloc(struct mu_arena *a, size_t count, size_t size);
/* NULL stays NULL. */
char *mu_arena_strdup(struct mu_arena *a, const char *s);
/* len bytes and a NUL behind them. */
char *mu_arena_memdup(struct mu_arena *a, const void *data, size_t len);
char *mu_arena_printf(struct mu_arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#define MU_ARENA_NEW(a, type) ((type *)mu_arena_calloc((a), 1, sizeof(type)))

#endif
