/* Lenient reading of JSON members, as every era of Marathon's clients wrote them: numbers
 * may be texts (".3", "+1", "1e1"), null is absent.
 *
 * Each reader returns whether the member is there with a usable value; a wrong type is a
 * problem of the shape at the member's path.
 */
#ifndef MRT_CODEC_VALUE_H
#define MRT_CODEC_VALUE_H

#include <jansson.h>

#include <muster/task.h>

#include "problems.h"

#define MRT_INSTANCES_MAX 1000000

/* Where in the document a reader is, and where problems go. */
struct mrt_at {
    struct mrt_problems *problems;
    const char *path; /* "" for the top */
};

json_t *mrt_get(const json_t *o, const char *key); /* NULL when absent or null */
void mrt_path(const struct mrt_at *at,
              const char *key,
              char *out); /* out: MRT_PATH_MAX bytes */
void mrt_path_index(const struct mrt_at *at, const char *key, size_t index, char *out);
bool mrt_read_text(const struct mrt_at *at,
                   const json_t *o,
                   const char *key,
                   char **slot);
bool mrt_read_bool(const struct mrt_at *at, const json_t *o, const char *key, bool *out);
bool mrt_read_int(const struct mrt_at *at,
                  const json_t *o,
                  const char *key,
                  int64_t min,
                  int64_t max,
                  int64_t *out);
/* The same for v itself, an element of an array; key: "ports(3)". */
bool mrt_read_element_int(const struct mrt_at *at,
                          const json_t *v,
                          const char *key,
                          int64_t min,
                          int64_t max,
                          int64_t *out);
/* False with a problem at path if n is not within min..max. */
bool mrt_int_in_range(
    const struct mrt_at *at, const char *path, int64_t n, int64_t min, int64_t max);
/* "1.5", "-3.0": as Marathon prints doubles in its texts. out: MRT_DOUBLE_TEXT bytes. */
#define MRT_DOUBLE_TEXT 40
void mrt_double_text(double v, char *out);
/* Rounded to thousandths. What the value may be is the model's business; only the range
 * of numbers is checked here. */
bool mrt_read_milli(const struct mrt_at *at,
                    const json_t *o,
                    const char *key,
                    int64_t *out_milli);
bool mrt_read_double(const struct mrt_at *at,
                     const json_t *o,
                     const char *key,
                     double *out);
json_t *mrt_read_array(const struct mrt_at *at,
                       const json_t *o,
                       const char *key); /* NULL when absent */
json_t *mrt_read_object(const struct mrt_at *at,
                        const json_t *o,
                        const char *key); /* NULL when absent */
bool mrt_read_strings(const struct mrt_at *at,
                      const json_t *o,
                      const char *key,
                      struct mu_strings *out); /* out replaced */
bool mrt_read_pairs(const struct mrt_at *at,
                    const json_t *o,
                    const char *key,
                    struct mu_pairs *out); /* an object of texts; out replaced */
/* Index of the text in names (NULL-ended), compared without case; -1 and a problem if it
 * is none. -2 when absent. */
int mrt_read_enum(const struct mrt_at *at,
                  const json_t *o,
                  const char *key,
                  const char *const *names);

#endif
