/* Allocation that aborts instead of failing; see alloc.h for why.
 *
 * The message goes out with write-like stdio on a static format: no further memory is
 * needed to say that there is none.
 */
#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"

_Noreturn static void out_of_memory(size_t size)
{
    (void)fprintf(stderr, "out of memory: %zu bytes wanted\n", size);
    MU_NEVER("out of memory");
}

void *mu_xalloc(size_t size)
{
    void *p = malloc(size > 0 ? size : 1);
    if (p == NULL) {
        out_of_memory(size);
    }
    return p;
}

void *mu_xcalloc(size_t count, size_t size)
{
    void *p = count > 0 && size > 0 ? calloc(count, size) : calloc(1, 1);
    if (p == NULL) {
        out_of_memory(count);
    }
    return p;
}

void *mu_xrealloc(void *p, size_t size)
{
    void *q = realloc(p, size > 0 ? size : 1);
    if (q == NULL) {
        out_of_memory(size);
    }
    return q;
}

void *mu_xrealloc_array(void *p, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        out_of_memory(SIZE_MAX);
    }
    return mu_xrealloc(p, total);
}

char *mu_xstrdup(const char *s)
{
    return s != NULL ? mu_xmemdup(s, strlen(s) + 1) : NULL;
}

char *mu_xstrndup(const char *s, size_t len)
{
    size_t n = strnlen(s, len);
    char *copy = mu_xalloc(n + 1);
    memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

void *mu_xmemdup(const void *data, size_t len)
{
    void *copy = mu_xalloc(len);
    if (len > 0) {
        memcpy(copy, data, len);
    }
    return copy;
}

char *mu_xasprintf(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    if (n < 0) {
        out_of_memory(0);
    }
    return text;
}
