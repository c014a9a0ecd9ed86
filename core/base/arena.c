/* Bump allocation from a list of blocks.
 *
 * Blocks are at least BLOCK_SIZE; a request that does not fit opens a new block as big as
 * needed, and the rest of the old one stays unused. reset frees all but the oldest block,
 * so one huge request does not pin its memory.
 */
#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"

#define BLOCK_SIZE ((size_t)4096)

struct mu_arena_block {
    struct mu_arena_block *older;
    size_t size;
    _Alignas(max_align_t) unsigned char data[];
};

void mu_arena_init(struct mu_arena *a)
{
    *a = (struct mu_arena){0};
}

void mu_arena_release(struct mu_arena *a)
{
    while (a->blocks != NULL) {
        struct mu_arena_block *older = a->blocks->older;
        free(a->blocks);
        a->blocks = older;
    }
    mu_arena_init(a);
}

void mu_arena_reset(struct mu_arena *a)
{
    while (a->blocks != NULL && a->blocks->older != NULL) {
        struct mu_arena_block *older = a->blocks->older;
        free(a->blocks);
        a->blocks = older;
    }
    a->used = 0;
    a->total = 0;
}

void *mu_arena_alloc(struct mu_arena *a, size_t size)
{
    MU_PRE(size <= SIZE_MAX / 4);
    const size_t unit = _Alignof(max_align_t);
    size_t need = (size + unit - 1) / unit * unit;
    if (a->blocks == NULL || a->blocks->size - a->used < need) {
        size_t block_size = need > BLOCK_SIZE ? need : BLOCK_SIZE;
        struct mu_arena_block *b = mu_xalloc(sizeof(*b) + block_size);
        b->older = a->blocks;
        b->size = block_size;
        a->blocks = b;
        a->used = 0;
    }
    void *p = &a->blocks->data[a->used];
    a->used += need;
    a->total += need;
    return p;
}

void *mu_arena_calloc(struct mu_arena *a, size_t count, size_t size)
{
    MU_PRE(size == 0 || count <= SIZE_MAX / size);
    size_t total = count * size;
    void *p = mu_arena_alloc(a, total);
    memset(p, 0, total);
    return p;
}

char *mu_arena_memdup(struct mu_arena *a, const void *data, size_t len)
{
    char *copy = mu_arena_alloc(a, len + 1);
    if (len > 0) {
        memcpy(copy, data, len);
    }
    copy[len] = '\0';
    return copy;
}

char *mu_arena_strdup(struct mu_arena *a, const char *s)
{
    return s != NULL ? mu_arena_memdup(a, s, strlen(s)) : NULL;
}

char *mu_arena_printf(struct mu_arena *a, const char *fmt, ...)
{
    MU_PRE(fmt != NULL); /* else gcc's sanitizer build sees a NULL format */
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    MU_ASSERT(len >= 0);
    char *text = mu_arena_alloc(a, (size_t)len + 1);
    (void)vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    return text;
}
