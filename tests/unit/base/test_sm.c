/* State tables: moves, the check of the table, its text. */
#include "cm.h"

#include <string.h>

#include "base/sm.h"

#include "dies.h"

enum { IDLE, BUSY, DONE, COUNT };

static const struct mu_sm_state door[COUNT] = {
    [IDLE] = {"idle", MU_SM_INITIAL, MU_SM_TO(BUSY)},
    [BUSY] = {"busy", 0, MU_SM_TO(IDLE) | MU_SM_TO(DONE)},
    [DONE] = {"done", MU_SM_FINAL, 0},
};
static const struct mu_sm door_sm = {"door", door, COUNT};

static void listed_moves_are_made(void **state)
{
    (void)state;
    assert_int_equal(mu_sm_move(&door_sm, IDLE, BUSY), BUSY);
    assert_true(mu_sm_can_move(&door_sm, BUSY, DONE));
    assert_false(mu_sm_can_move(&door_sm, IDLE, DONE));
    assert_false(mu_sm_can_move(&door_sm, IDLE, IDLE));
    assert_true(mu_sm_is_final(&door_sm, DONE));
    assert_string_equal(mu_sm_name(&door_sm, BUSY), "busy");
    assert_string_equal(mu_sm_name(&door_sm, 99), "?");
}

static void bad_move(void *arg)
{
    (void)arg;
    (void)mu_sm_move(&door_sm, DONE, IDLE);
}

static void other_moves_abort_and_name_both_states(void **state)
{
    (void)state;
    char text[256];
    assert_true(dies(bad_move, NULL, text, sizeof(text)));
    assert_non_null(strstr(text, "door from done to idle"));
}

static void check_finds_each_fault(void **state)
{
    (void)state;
    struct mu_error err = {0};
    assert_int_equal(mu_sm_check(&door_sm, &err), 0);
    struct mu_sm_state t[COUNT];
    struct mu_sm sm = {"door", t, COUNT};
    const struct {
        int at;
        struct mu_sm_state s;
        const char *text;
    } faults[] = {
        {BUSY, {NULL, 0, MU_SM_TO(DONE)}, "has no name"},
        {BUSY, {"busy", 0, MU_SM_TO(COUNT)}, "out of the table"},
        {BUSY, {"busy", 0, MU_SM_TO(IDLE)}, "'done' cannot be reached"},
        {BUSY, {"busy", 0, 0}, "has no way out"},
        {DONE, {"done", MU_SM_FINAL, MU_SM_TO(IDLE)}, "is final but"},
        {IDLE, {"idle", 0, MU_SM_TO(BUSY)}, "'idle' cannot be reached"},
    };
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        memcpy(t, door, sizeof(t));
        t[faults[i].at] = faults[i].s;
        assert_int_equal(mu_sm_check(&sm, &err), MU_E_INVALID);
        assert_non_null(strstr(err.text, faults[i].text));
    }
    sm.count = 65;
    assert_int_equal(mu_sm_check(&sm, &err), MU_E_INVALID);
}

static void print_lists_states_and_moves(void **state)
{
    (void)state;
    struct mu_buf b;
    mu_buf_init(&b, 1000);
    mu_sm_print(&door_sm, &b);
    assert_string_equal(mu_buf_str(&b),
                        "idle (initial): busy\nbusy: idle done\ndone (final):\n");
    mu_buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listed_moves_are_made),
        cmocka_unit_test(other_moves_abort_and_name_both_states),
        cmocka_unit_test(check_finds_each_fault),
        cmocka_unit_test(print_lists_states_and_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
