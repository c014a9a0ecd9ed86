/* The parsed values of one flag table: what is behind the opaque struct mu_flags.
 *
 * The getters of <muster/flag.h> read it; the parser in core/runtime/flags.c fills it. A
 * test that needs values for a plugin makes them here: create gives every flag its
 * default, assign overrides one. The table is borrowed and must outlive the values.
 */
#ifndef MU_BASE_FLAG_VALUES_H
#define MU_BASE_FLAG_VALUES_H

#include <muster/flag.h>

/* Errors: MU_E_INVALID, a default that does not parse (text names the flag). */
MU_NODISCARD int
mu_flags_create(const struct mu_flag *table, struct mu_flags **out, struct mu_error *err);
void mu_flags_destroy(struct mu_flags *f);
/* The user's value for the flag called name in the table. A repeatable flag collects its
 * values; for others the last one counts. Errors: MU_E_NOT_FOUND (no such flag),
 * MU_E_INVALID; the text says what is wrong with the value, without naming the flag, and
 * never shows a secret. */
MU_NODISCARD int mu_flags_assign(struct mu_flags *f,
                                 const char *name,
                                 const char *text,
                                 struct mu_error *err);
/* The value as text, as given or by default; items of a repeatable flag joined by commas.
 * NULL: unset. Secrets in clear. */
const char *mu_flags_text(const struct mu_flags *f, const char *name);

#endif
