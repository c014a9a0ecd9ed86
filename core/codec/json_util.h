/* Reading JSON trees with one sticky error, so that a decoder is a list of members and
 * one test at the end.
 *
 * mu_jr_* return a zero value for an absent or null member; a member of the wrong type
 * sets the reader's status (first error wins, its text names the member). Unknown members
 * are ignored, so versions of the wire can differ. Strings are borrowed from the tree.
 */
#ifndef MU_CODEC_JSON_UTIL_H
#define MU_CODEC_JSON_UTIL_H

#include <jansson.h>

#include <muster/error.h>
#include <muster/json_writer.h>
#include <muster/task.h>

struct mu_jr {
    int status; /* 0 or the first error's code */
    struct mu_error *err;
};

/* Parse one document of at most max bytes; duplicates are refused. NULL with the reader's
 * status set. The caller owns the tree. */
json_t *mu_jr_load(struct mu_jr *r, const void *data, size_t len, size_t max);
void mu_jr_fail(struct mu_jr *r, const char *member, const char *what);
const char *mu_jr_string(struct mu_jr *r, const json_t *o, const char *key);
char *
mu_jr_strdup(struct mu_jr *r, const json_t *o, const char *key); /* NULL when absent */
int64_t mu_jr_int(struct mu_jr *r, const json_t *o, const char *key);
uint64_t mu_jr_uint(struct mu_jr *r, const json_t *o, const char *key, uint64_t max);
bool mu_jr_bool(struct mu_jr *r, const json_t *o, const char *key);
json_t *
mu_jr_array(struct mu_jr *r, const json_t *o, const char *key); /* NULL when absent */
json_t *
mu_jr_object(struct mu_jr *r, const json_t *o, const char *key); /* NULL when absent */
/* A text into a fixed id array, cut never: too long is an error. */
void mu_jr_text(
    struct mu_jr *r, const json_t *o, const char *key, char *out, size_t size);
#define MU_JR_ID(r, o, key, id_ptr)                                                      \
    mu_jr_text((r), (o), (key), (id_ptr)->s, sizeof((id_ptr)->s))

/* Write a member only when it says something. */
void mu_jw_opt_string(struct mu_jw *w,
                      const char *key,
                      const char *s); /* not NULL, not "" */
void mu_jw_opt_text(struct mu_jw *w, const char *key, const char *s); /* not NULL */
void mu_jw_opt_uint(struct mu_jw *w, const char *key, uint64_t v);
void mu_jw_opt_int(struct mu_jw *w, const char *key, int64_t v);
void mu_jw_opt_true(struct mu_jw *w, const char *key, bool v);

/* The values that all internal formats share: pairs as [[k,v],...], strings as [s,...],
 * resources as [[name,role,milli | [[b,e],...] | [item,...]],...]. */
void mu_pairs_encode(struct mu_jw *w, const struct mu_pairs *p);
void mu_pairs_decode(struct mu_jr *r,
                     const json_t *o,
                     const char *key,
                     struct mu_pairs *out);
void mu_strings_encode(struct mu_jw *w, const struct mu_strings *s);
void mu_strings_decode(struct mu_jr *r,
                       const json_t *o,
                       const char *key,
                       struct mu_strings *out);
void mu_uris_encode(struct mu_jw *w, const struct mu_uris *u);
void mu_uris_decode(struct mu_jr *r,
                    const json_t *o,
                    const char *key,
                    struct mu_uris *out);
void mu_volumes_encode(struct mu_jw *w, const struct mu_volumes *v);
void mu_volumes_decode(struct mu_jr *r,
                       const json_t *o,
                       const char *key,
                       struct mu_volumes *out);
void mu_resources_encode(struct mu_jw *w, const struct mu_resources *res);
void mu_resources_decode(struct mu_jr *r,
                         const json_t *o,
                         const char *key,
                         struct mu_resources *out);

#endif
