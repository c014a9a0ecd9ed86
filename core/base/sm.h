/* State machines as tables: a name, flags and the set of allowed next states for each.
 *
 * At most 64 states. The component keeps the state (an enum) and moves it with
 *     x->state = mu_sm_move(&launch_sm, x->state, LAUNCH_DONE);
 * which asserts the edge. The table is also the documentation: mu_sm_print writes it as
 * text, mu_sm_check proves it sound in a unit test.
 */
#ifndef MU_BASE_SM_H
#define MU_BASE_SM_H

#include <muster/buf.h>
#include <muster/error.h>

enum mu_sm_flags {
    MU_SM_INITIAL = 1u << 0, /* an object may start here */
    MU_SM_FINAL = 1u << 1,   /* no way out */
};

#define MU_SM_TO(state) (UINT64_C(1) << (state))

struct mu_sm_state {
    const char *name;
    uint32_t flags; /* enum mu_sm_flags */
    uint64_t next;  /* MU_SM_TO(A) | MU_SM_TO(B) */
};

struct mu_sm {
    const char *name;
    const struct mu_sm_state *states; /* indexed by the enum */
    uint32_t count;
};

/* May an object go from one state to the other? Staying is not a move unless listed. */
bool mu_sm_can_move(const struct mu_sm *sm, uint32_t from, uint32_t to);
/* Returns to; aborts if the table has no such edge. */
uint32_t mu_sm_move(const struct mu_sm *sm, uint32_t from, uint32_t to);
const char *mu_sm_name(const struct mu_sm *sm, uint32_t state);
bool mu_sm_is_final(const struct mu_sm *sm, uint32_t state);
/* Is the table sound? Every state named and reachable from an initial one, edges inside
 * the table, no way out of final states and a way out of all others. MU_E_INVALID. */
MU_NODISCARD int mu_sm_check(const struct mu_sm *sm, struct mu_error *err);
/* One line per state: "staging (initial): starting running killed". */
void mu_sm_print(const struct mu_sm *sm, struct mu_buf *out);

#endif
