/* A growable byte buffer with a stated maximum.
 *
 * Invariant: data is NULL, or cap > len and data[len] == '\0' (cap counts the NUL, max
 * does not). The first append that does not fit sets overflow; from then on every append
 * fails until mu_buf_clear, so a text with a hole in its middle cannot arise.
 */
#include <muster/buf.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"

void mu_buf_init(struct mu_buf *b, size_t max_bytes)
{
    *b = (struct mu_buf){.max = max_bytes};
}

void mu_buf_release(struct mu_buf *b)
{
    free(b->data);
    *b = (struct mu_buf){0};
}

void mu_buf_clear(struct mu_buf *b)
{
    b->len = 0;
    b->overflow = false;
    if (b->data != NULL) {
        b->data[0] = '\0';
    }
}

char *mu_buf_reserve(struct mu_buf *b, size_t len)
{
    if (b->overflow || len > b->max || b->len > b->max - len) {
        b->overflow = true;
        return NULL;
    }
    size_t need = b->len + len + 1;
    if (need > b->cap) {
        size_t grown = b->cap + b->cap / 2;
        size_t want = need > grown ? need : grown;
        want = want < 64 ? 64 : want;
        /* Not beyond the maximum: a buffer for a few bytes stays small. */
        want = want > b->max + 1 && need <= b->max + 1 ? b->max + 1 : want;
        b->data = mu_xrealloc(b->data, want);
        b->cap = want;
        b->data[b->len] = '\0';
    }
    /* A caller that only adds to len leaves a terminated text behind. */
    b->data[b->len + len] = '\0';
    return b->data + b->len;
}

int mu_buf_append(struct mu_buf *b, const void *data, size_t len)
{
    char *p = mu_buf_reserve(b, len);
    if (p == NULL) {
        return -E2BIG;
    }
    if (len > 0) {
        memcpy(p, data, len);
    }
    b->len += len;
    return 0;
}

int mu_buf_puts(struct mu_buf *b, const char *s)
{
    return mu_buf_append(b, s, strlen(s));
}

int mu_buf_putc(struct mu_buf *b, char c)
{
    return mu_buf_append(b, &c, 1);
}

int mu_buf_printf(struct mu_buf *b, const char *fmt, ...)
{
    char small[128];
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(small, sizeof(small), fmt, args);
    va_end(args);
    MU_ASSERT(n >= 0);
    size_t len = (size_t)n;
    int status = 0;
    if (len < sizeof(small)) {
        status = mu_buf_append(b, small, len);
    } else {
        char *p = mu_buf_reserve(b, len);
        if (p != NULL) {
            (void)vsnprintf(p, len + 1, fmt, again);
            b->len += len;
        } else {
            status = -E2BIG;
        }
    }
    va_end(again);
    return status;
}

void mu_buf_consume(struct mu_buf *b, size_t len)
{
    MU_PRE(len <= b->len);
    if (len == 0) {
        return;
    }
    b->len -= len;
    memmove(b->data, b->data + len, b->len);
    b->data[b->len] = '\0';
}

const char *mu_buf_str(const struct mu_buf *b)
{
    return b->data != NULL ? b->data : "";
}

char *mu_buf_take(struct mu_buf *b)
{
    char *text = b->data != NULL ? b->data : mu_xstrdup("");
    *b = (struct mu_buf){.max = b->max};
    return text;
}
