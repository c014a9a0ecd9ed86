/* A small streaming JSON writer into a mu_buf: what hot output paths use instead of
 * building trees.
 *
 * Commas and escaping are the writer's; nesting up to 64. Invalid UTF-8 bytes in strings
 * become U+FFFD, so output is always valid JSON. A key is given before each member of an
 * object (mu_jw_key or the _kv forms). Milli numbers are printed exactly: 300 -> 0.3,
 * 1000 -> 1.
 */
#ifndef MU_JSON_WRITER_H
#define MU_JSON_WRITER_H

#include <muster/buf.h>

MU_EXTERN_C_BEGIN

struct mu_jw {
    struct mu_buf *out;
    uint64_t has_member; /* bit per depth: a comma is due */
    uint32_t depth;
    bool after_key;
};

MU_API void mu_jw_init(struct mu_jw *w, struct mu_buf *out);
MU_API void mu_jw_object_begin(struct mu_jw *w);
MU_API void mu_jw_object_end(struct mu_jw *w);
MU_API void mu_jw_array_begin(struct mu_jw *w);
MU_API void mu_jw_array_end(struct mu_jw *w);
MU_API void mu_jw_key(struct mu_jw *w, const char *key);
MU_API void mu_jw_string(struct mu_jw *w, const char *s); /* NULL -> null */
MU_API void mu_jw_string_len(struct mu_jw *w, const char *s, size_t len);
MU_API void mu_jw_int(struct mu_jw *w, int64_t v);
MU_API void mu_jw_uint(struct mu_jw *w, uint64_t v);
MU_API void mu_jw_milli(struct mu_jw *w,
                        int64_t milli); /* shortest exact decimal: 1, 0.3, 0.125 */
MU_API void mu_jw_milli_double(struct mu_jw *w,
                               int64_t milli); /* always with a point: 1.0, 0.3 */
MU_API void
mu_jw_double(struct mu_jw *w,
             double v); /* shortest that reads back equal; not finite -> null */
MU_API void mu_jw_bool(struct mu_jw *w, bool v);
MU_API void mu_jw_null(struct mu_jw *w);
MU_API void mu_jw_raw(struct mu_jw *w,
                      const char *json,
                      size_t len); /* one complete value, trusted */

static inline void mu_jw_kv_string(struct mu_jw *w, const char *key, const char *s)
{
    mu_jw_key(w, key);
    mu_jw_string(w, s);
}
static inline void mu_jw_kv_int(struct mu_jw *w, const char *key, int64_t v)
{
    mu_jw_key(w, key);
    mu_jw_int(w, v);
}
static inline void mu_jw_kv_milli(struct mu_jw *w, const char *key, int64_t milli)
{
    mu_jw_key(w, key);
    mu_jw_milli(w, milli);
}
static inline void mu_jw_kv_bool(struct mu_jw *w, const char *key, bool v)
{
    mu_jw_key(w, key);
    mu_jw_bool(w, v);
}

MU_EXTERN_C_END
#endif
