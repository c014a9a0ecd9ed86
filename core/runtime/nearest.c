/* See nearest.h. */
#include "runtime/nearest.h"

#include <string.h>

#define LEN_MAX 96u

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Insertions, deletions, changes and swaps of neighbours that lead from a to b. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][LEN_MAX] = {{0}};
    size_t len_a = strlen(a), len_b = strlen(b);
    if (len_a >= LEN_MAX || len_b >= LEN_MAX) {
        return LEN_MAX;
    }
    for (size_t k = 0; k <= len_b; k++) {
        rows[0][k] = k;
    }
    for (size_t i = 1; i <= len_a; i++) {
        size_t *now = rows[i % 3];
        const size_t *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t k = 1; k <= len_b; k++) {
            now[k] =
                min3(last[k] + 1, now[k - 1] + 1, last[k - 1] + (a[i - 1] != b[k - 1]));
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1] &&
                before[k - 2] + 1 < now[k]) {
                now[k] = before[k - 2] + 1;
            }
        }
    }
    return rows[len_a % 3][len_b];
}

const char *nearest_name(const char *name, const char *const *names, size_t count)
{
    size_t best = strlen(name) / 3 + 1;
    const char *nearest = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(name, names[i]);
        if (d < best || (d == best && nearest == NULL)) {
            best = d;
            nearest = names[i];
        }
    }
    return nearest;
}
