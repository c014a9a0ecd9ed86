/* --help and the manual page, printed from the flag tables. */
#ifndef MU_RUNTIME_FLAGS_HELP_H
#define MU_RUNTIME_FLAGS_HELP_H

#include <muster/buf.h>

struct flags;

/* A section per table: its title, then the flags with type, help and default, 80 columns
 * wide. */
void flags_help_text(const struct flags *f, struct mu_buf *out);
/* The same as .SH and .TP sections of a roff page. */
void flags_help_man(const struct flags *f, struct mu_buf *out);
/* text for a roff page: backslashes, hyphens and dots at the start of a line escaped. */
void flags_help_roff(struct mu_buf *out, const char *text);

#endif
