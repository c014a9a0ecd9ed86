/* The failing end of MU_ASSERT and its kin.
 *
 * The hook is one of the two mutable globals of the code base (the other is the log
 * sink): an assert has no context to be passed one in. It is taken out before it is
 * called, so an assert that fails inside the hook aborts instead of looping.
 */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

static void (*check_hook)(const char *text);

void mu_check_set_hook(void (*hook)(const char *text))
{
    check_hook = hook;
}

_Noreturn void
mu_check_failed(const char *file, int line, const char *what, const char *expression)
{
    char text[512];
    (void)snprintf(text, sizeof(text), "%s:%d: %s '%s'", file, line, what, expression);
    (void)fprintf(stderr, "%s\n", text);
    (void)fflush(stderr);
    void (*hook)(const char *text) = check_hook;
    check_hook = NULL;
    if (hook != NULL) {
        hook(text);
    }
    abort();
}
