/* A growable byte buffer with a stated maximum, always NUL-terminated behind its last
 * byte.
 *
 * Appending past the maximum changes nothing, sets the sticky overflow flag and returns
 * -E2BIG; a writer may ignore each append and test mu_buf_ok() once at the end. The
 * caller owns the struct; data belongs to it.
 */
#ifndef MU_BUF_H
#define MU_BUF_H

#include <muster/abi.h>

MU_EXTERN_C_BEGIN

struct mu_buf {
    char *data; /* NULL until the first append; read through mu_buf_str() for a never-NULL
                   text */
    size_t len, cap, max;
    bool overflow;
};

MU_API void mu_buf_init(struct mu_buf *b, size_t max_bytes);
MU_API void mu_buf_release(struct mu_buf *b); /* takes a zeroed struct; leaves one */
MU_API void
mu_buf_clear(struct mu_buf *b); /* len = 0, overflow = false; keeps the memory */
MU_API int mu_buf_append(struct mu_buf *b, const void *data, size_t len);
MU_API int mu_buf_puts(struct mu_buf *b, const char *s);
MU_API int mu_buf_putc(struct mu_buf *b, char c);
MU_API int mu_buf_printf(struct mu_buf *b, const char *fmt, ...) MU_PRINTF(2, 3);
/* Make room for len more bytes and return where to write them (then add to b->len), or
 * NULL if over max. */
MU_API char *mu_buf_reserve(struct mu_buf *b, size_t len);
MU_API void mu_buf_consume(struct mu_buf *b,
                           size_t len); /* drop len bytes from the front */
MU_API const char *mu_buf_str(const struct mu_buf *b);
MU_API char *mu_buf_take(
    struct mu_buf *b); /* hand the (never NULL) text over; free() it; b is empty after */
static inline bool mu_buf_ok(const struct mu_buf *b)
{
    return !b->overflow;
}

MU_EXTERN_C_END
#endif
