/* Growable arrays: macros on any struct with members v, count and cap.
 *
 * A zeroed struct is an empty array. The array owns its memory, not what the items point
 * to. Macro arguments are evaluated more than once where the name `vec` says so: pass
 * plain lvalues. Growth is by half, so pushing n items is O(n).
 */
#ifndef MU_BASE_VEC_H
#define MU_BASE_VEC_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"

/* An anonymous array type: MU_VEC(struct x *) items; */
#define MU_VEC(type)                                                                     \
    struct {                                                                             \
        type *v;                                                                         \
        size_t count, cap;                                                               \
    }

/* Memory for at least count + extra items; updates *cap. */
void *mu_vec_room(void *v, size_t count, size_t extra, size_t *cap, size_t item_size);

#define MU_VEC_RESERVE(vec, extra)                                                       \
    ((vec)->v =                                                                          \
         mu_vec_room((vec)->v, (vec)->count, (extra), &(vec)->cap, sizeof(*(vec)->v)))

#define MU_VEC_PUSH(vec, item)                                                           \
    do {                                                                                 \
        MU_VEC_RESERVE(vec, 1);                                                          \
        (vec)->v[(vec)->count] = (item);                                                 \
        (vec)->count++;                                                                  \
    } while (0)

/* Append one zeroed item; it is (vec)->v[(vec)->count - 1] afterwards. */
#define MU_VEC_PUSH_ZERO(vec)                                                            \
    do {                                                                                 \
        MU_VEC_RESERVE(vec, 1);                                                          \
        memset(&(vec)->v[(vec)->count], 0, sizeof(*(vec)->v));                           \
        (vec)->count++;                                                                  \
    } while (0)

/* Put item at index at (0..count), moving the rest up. */
#define MU_VEC_INSERT(vec, at, item)                                                     \
    do {                                                                                 \
        size_t mu_at_ = (at);                                                            \
        MU_PRE(mu_at_ <= (vec)->count);                                                  \
        MU_VEC_RESERVE(vec, 1);                                                          \
        memmove(&(vec)->v[mu_at_ + 1], &(vec)->v[mu_at_],                                \
                ((vec)->count - mu_at_) * sizeof(*(vec)->v));                            \
        (vec)->v[mu_at_] = (item);                                                       \
        (vec)->count++;                                                                  \
    } while (0)

/* Drop the item at index at; the order of the others is kept. */
#define MU_VEC_REMOVE(vec, at)                                                           \
    do {                                                                                 \
        size_t mu_at_ = (at);                                                            \
        MU_PRE(mu_at_ < (vec)->count);                                                   \
        memmove(&(vec)->v[mu_at_], &(vec)->v[mu_at_ + 1],                                \
                ((vec)->count - mu_at_ - 1) * sizeof(*(vec)->v));                        \
        (vec)->count--;                                                                  \
    } while (0)

/* Drop the item at index at in O(1); the last item takes its place. */
#define MU_VEC_REMOVE_SWAP(vec, at)                                                      \
    do {                                                                                 \
        size_t mu_at_ = (at);                                                            \
        MU_PRE(mu_at_ < (vec)->count);                                                   \
        (vec)->count--;                                                                  \
        (vec)->v[mu_at_] = (vec)->v[(vec)->count];                                       \
    } while (0)

#define MU_VEC_CLEAR(vec) ((void)((vec)->count = 0))

/* Free the array; the struct is empty and usable afterwards. */
#define MU_VEC_RELEASE(vec)                                                              \
    do {                                                                                 \
        free((vec)->v);                                                                  \
        (vec)->v = NULL;                                                                 \
        (vec)->count = 0;                                                                \
        (vec)->cap = 0;                                                                  \
    } while (0)

#endif
