/* Decimal text of integers and of numbers in milli-units, exact, and the shortest text of
 * a double. Pure; any thread. */
#ifndef MU_BASE_DECIMAL_H
#define MU_BASE_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MU_DECIMAL_TEXT 32

/* Digits of v; returns the length. out holds MU_DECIMAL_TEXT bytes. */
size_t mu_u64_format(uint64_t v, char *out);
/* The same with a minus sign where needed. */
size_t mu_i64_format(int64_t v, char *out);
/* 300 -> "0.3", 1000 -> "1" ("1.0" with always_point). Returns the length. out as
 * above. */
size_t mu_milli_format(int64_t milli, bool always_point, char *out);
/* The shortest decimal text that reads back as the same double; v is finite. */
size_t mu_double_format(double v, char *out);

#endif
