#include "fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Describe a failure; a text that does not fit is cut with "...". */
int nat_fault_set(struct nat_fault *fault, int err, const char *fmt, ...)
{
    fault->err = err;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(fault->what, sizeof(fault->what), fmt, ap);
    va_end(ap);
    if (n < 0) {
        fault->what[0] = '\0';
    } else if ((size_t)n >= sizeof(fault->what)) {
        memcpy(fault->what + sizeof(fault->what) - 4, "...", 4);
    }
    return err > 0 ? -err : -1;
}
