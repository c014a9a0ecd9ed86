/* Errors: filling, wrapping, and the texts of the codes.
 *
 * The text is kept a single printable line whatever was formatted into it: control bytes
 * become '?', and what does not fit is cut at a whole UTF-8 character and ends in "...".
 */
#include <muster/error.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

/* Cut to the size of err->text with "..." at the end, and make it one line. */
static void set_text(struct mu_error *err, const char *text)
{
    const size_t max = sizeof(err->text) - 1;
    size_t len = strlen(text);
    if (len > max) {
        len = max - 3;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) {
            len--;
        }
        memcpy(err->text, text, len);
        memcpy(err->text + len, "...", 4);
        len += 3;
    } else {
        memcpy(err->text, text, len + 1);
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)err->text[i];
        if (c < 0x20 || c == 0x7f) {
            err->text[i] = '?';
        }
    }
}

int mu_fail(struct mu_error *err, int code, const char *fmt, ...)
{
    MU_PRE(code < 0);
    if (err != NULL) {
        char text[sizeof(err->text) + 8]; /* room to see that it is too long */
        va_list args;
        va_start(args, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, args);
        va_end(args);
        err->code = code;
        set_text(err, text);
    }
    return code;
}

int mu_wrap(struct mu_error *err, int code, const char *fmt, ...)
{
    MU_PRE(code < 0);
    if (err != NULL) {
        char text[2 * sizeof(err->text) + 8];
        const size_t half = sizeof(err->text);
        va_list args;
        va_start(args, fmt);
        (void)vsnprintf(text, half, fmt, args);
        va_end(args);
        size_t len = strlen(text);
        (void)snprintf(text + len, sizeof(text) - len, ": %s", err->text);
        err->code = code;
        set_text(err, text);
    }
    return code;
}

const char *mu_strerror(int code)
{
    if (code == 0) {
        return "success";
    }
    switch (code) {
#define MU_ERROR_TEXT(name, number, text)                                                \
    case name:                                                                           \
        return text;
        MU_ERRORS(MU_ERROR_TEXT)
#undef MU_ERROR_TEXT
    }
    const char *text =
        code < 0 && code > -4096 ? strerrordesc_np(-code) : NULL; /* thread safe */
    return text != NULL ? text : "unknown error";
}
