/* Small helpers of this plugin: allocation that cannot fail, text, container_of.
 *
 * Out of memory for small objects logs nothing and aborts: the agent is crash-safe, and
 * untestable branches are worse. Sizes that a peer chooses go through mu_buf, which is
 * bounded. Any thread.
 */
#ifndef DKR_UTIL_H
#define DKR_UTIL_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <muster/abi.h>

#define DKR_COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline void *dkr_alloc(size_t size)
{
    void *p = calloc(1, size > 0 ? size : 1);
    if (p == NULL) {
        abort();
    }
    return p;
}

static inline void *dkr_realloc(void *old, size_t size)
{
    void *p = realloc(old, size > 0 ? size : 1);
    if (p == NULL) {
        abort();
    }
    return p;
}

/* NULL gives NULL. */
static inline char *dkr_strdup(const char *s)
{
    if (s == NULL) {
        return NULL;
    }
    size_t size = strlen(s) + 1;
    char *copy = dkr_alloc(size);
    memcpy(copy, s, size);
    return copy;
}

static inline char *dkr_strndup(const char *s, size_t len)
{
    char *copy = dkr_alloc(len + 1);
    memcpy(copy, s, len);
    return copy;
}

static inline bool dkr_equal(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static inline bool dkr_starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* Cut the text in front of the next separator off *rest, which is NULL after the last. */
static inline char *dkr_cut(char **rest, const char *separators)
{
    char *word = strsep(rest, separators);
    assert(word != NULL); /* callers look at *rest first */
    return word;
}

/* Replace *slot by a copy of s. */
static inline void dkr_set(char **slot, const char *s)
{
    char *copy = dkr_strdup(s);
    free(*slot);
    *slot = copy;
}

#endif
