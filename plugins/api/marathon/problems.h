/* What is wrong with a request, collected so that all of it is reported together, as
 * Marathon does.
 *
 * Two phases: shape (wrong types, missing members: "Invalid JSON") and model ("Object is
 * not valid"). If the shape is wrong the model is not judged. Paths are Marathon's: "/",
 * "/cpus", "/fetch(0)/uri", "/env/KEY".
 */
#ifndef MRT_PROBLEMS_H
#define MRT_PROBLEMS_H

#include <muster/buf.h>

enum mrt_phase { MRT_SHAPE = 1, MRT_MODEL = 2 };

struct mrt_problem {
    char *path, *text;
    uint32_t phase;
};

struct mrt_problems { /* zeroed: none */
    struct mrt_problem *v;
    size_t count, cap;
};

#define MRT_PATH_MAX 512

void mrt_problem_add(struct mrt_problems *p,
                     enum mrt_phase phase,
                     const char *path,
                     const char *fmt,
                     ...) MU_PRINTF(4, 5);
bool mrt_problems_any(const struct mrt_problems *p);
bool mrt_problems_shape(const struct mrt_problems *p); /* any of the first phase */
/* {"message":...,"details":[{"path":...,"errors":[...]}]}, grouped by path in the order
 * found. */
void mrt_problems_write(const struct mrt_problems *p, struct mu_buf *out);
void mrt_problems_release(struct mrt_problems *p);
/* The texts of the first path in one line, for logs. */
const char *mrt_problems_first(const struct mrt_problems *p);

#endif
