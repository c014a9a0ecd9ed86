/* Growth of the arrays of vec.h.
 *
 * The capacity grows by half of itself (at least to 8 items), which keeps pushing linear
 * and wastes at most a third. Overflow of the byte count ends in the out-of-memory abort.
 */
#include "base/vec.h"

#include <stdint.h>

void *mu_vec_room(void *v, size_t count, size_t extra, size_t *cap, size_t item_size)
{
    MU_PRE(extra <= SIZE_MAX / 4 && count <= SIZE_MAX / 4);
    size_t need = count + extra;
    if (need <= *cap && v != NULL) {
        return v;
    }
    size_t grown = *cap + *cap / 2;
    size_t want = need > grown ? need : grown;
    want = want < 8 ? 8 : want;
    v = mu_xrealloc_array(v, want, item_size);
    *cap = want;
    return v;
}
