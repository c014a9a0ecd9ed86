/* Asserts that are always compiled in.
 *
 * For bugs only: foreign input (flags, HTTP, JSON, the journal's bytes) never reaches an
 * assert, it gets a struct mu_error. The argument must be free of side effects. A failure
 * prints file, line and expression to stderr, calls the hook and aborts. Any thread.
 */
#ifndef MU_BASE_CHECK_H
#define MU_BASE_CHECK_H

/* Called once before abort() with the text that was printed, for example to dump a trace
 * ring. NULL removes it. Set it at start-up, before other threads run. */
void mu_check_set_hook(void (*hook)(const char *text));

/* Print "file:line: what 'expression'", call the hook, abort. */
_Noreturn void
mu_check_failed(const char *file, int line, const char *what, const char *expression);

#define MU_CHECK_(x, what, text)                                                         \
    ((x) ? (void)0 : mu_check_failed(__FILE__, __LINE__, (what), (text)))
#define MU_ASSERT(x) MU_CHECK_((x), "assertion failed:", #x)
/* What a function demands of its caller; what it promises. */
#define MU_PRE(x) MU_CHECK_((x), "precondition failed:", #x)
#define MU_POST(x) MU_CHECK_((x), "postcondition failed:", #x)
/* A place that is never reached; why is one phrase. */
#define MU_NEVER(why) mu_check_failed(__FILE__, __LINE__, "never reached:", (why))

#endif
