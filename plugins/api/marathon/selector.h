/* Label selectors: "a, b==x, c!=y, d in (p, q), e notin (r)", all of which must hold.
 * Pure.
 *
 * Blanks are free; a name is letters, digits, '-', '_' and '.', everything else behind a
 * backslash. An app without the label matches none of them, not even != and notin. */
#ifndef MRT_SELECTOR_H
#define MRT_SELECTOR_H

#include <muster/app.h>

struct mrt_selector_term {
    char *label;
    bool exists; /* any value will do; else: */
    bool negated;
    struct mu_strings values;
};

struct mrt_selector {
    struct mrt_selector_term *v;
    size_t count, cap;
};

/* MU_E_INVALID: err says why. Release out in any case. */
int mrt_selector_parse(const char *text, struct mrt_selector *out, struct mu_error *err);
bool mrt_selector_matches(const struct mrt_selector *s, const struct mu_pairs *labels);
void mrt_selector_release(struct mrt_selector *s);

#endif
