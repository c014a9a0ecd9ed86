/* A small regular expression matcher for LIKE and UNLIKE, linear in the text. Pure.
 *
 * Users' expressions run inside the scheduler, so neither time nor memory may explode:
 * the expression becomes a set of states that are all followed at once, no backtracking,
 * and its size is bounded. Syntax: literals, '.', classes [a-z] and [^...], \d \w \s and
 * their opposites, groups (...) and (?:...), '|', '*', '+', '?', {n}, {n,}, {n,m} (lazy
 * marks are accepted, they make no difference to a full match), '^' and '$'.
 * Back references and look-around are refused.
 */
#ifndef MU_SCHEDULER_PATTERN_H
#define MU_SCHEDULER_PATTERN_H

#include <muster/error.h>

struct pattern;

/* NULL with err filled (MU_E_INVALID) if it is not an expression or too big. */
struct pattern *pattern_create(const char *expression, struct mu_error *err);
void pattern_destroy(struct pattern *p);
/* Does the whole text match? */
bool pattern_matches(const struct pattern *p, const char *text);

#endif
