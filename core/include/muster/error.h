/* Errors: negative errno-style codes plus one phrase of text, fixed size, on the caller's
 * stack.
 *
 * A function that can fail returns 0 (or a positive count) or a negative code. Test the
 * return value, never err->code: err may be NULL and is written on failure only. Text:
 * what failed first, lower case, subject in single quotes, no newline, no full stop. Any
 * thread.
 */
#ifndef MU_ERROR_H
#define MU_ERROR_H

#include <muster/abi.h>

MU_EXTERN_C_BEGIN

/* name, code, text. libuv and errno codes stop near -4096; ours start at -20001. */
#define MU_ERRORS(X)                                                                     \
    X(MU_E_FENCED, -20001, "a newer leader has taken over writing")                      \
    X(MU_E_NOT_LEADER, -20002, "not the leader")                                         \
    X(MU_E_NOT_FOUND, -20003, "not found")                                               \
    X(MU_E_EXISTS, -20004, "exists already")                                             \
    X(MU_E_CONFLICT, -20005, "conflicts with work in progress")                          \
    X(MU_E_INVALID, -20006, "not valid")                                                 \
    X(MU_E_CORRUPT, -20007, "stored data is damaged")                                    \
    X(MU_E_PLUGIN, -20008, "plugin refused")                                             \
    X(MU_E_UNSUPPORTED, -20009, "not supported here")                                    \
    X(MU_E_UNKNOWN_OUTCOME, -20010, "outcome unknown")                                   \
    X(MU_E_IMAGE, -20011, "image cannot be had")                                         \
    X(MU_E_LIMIT, -20012, "limit exceeded")                                              \
    X(MU_E_PROTOCOL, -20013, "peer broke the protocol")                                  \
    X(MU_E_UNAVAILABLE, -20014, "not available now")

enum mu_error_code {
#define MU_ERROR_ENUM(name, code, text) name = (code),
    MU_ERRORS(MU_ERROR_ENUM)
#undef MU_ERROR_ENUM
};

struct mu_error {
    int code;       /* equal to the return value of the call that filled it */
    char text[252]; /* one phrase, no newline, no final full stop; cut with "..." when
                       longer */
};

/* Fill err (if not NULL) and return code, so a failing branch is one line. code < 0. */
MU_API int mu_fail(struct mu_error *err, int code, const char *fmt, ...) MU_PRINTF(3, 4);
/* Put "fmt: " in front of the text already in err; returns code. */
MU_API int mu_wrap(struct mu_error *err, int code, const char *fmt, ...) MU_PRINTF(3, 4);
/* Text for any code: ours from the table, errno's otherwise. Never NULL; static storage,
 * any thread. */
MU_API const char *mu_strerror(int code);

MU_EXTERN_C_END
#endif
