/* UTF-8 validity, as RFC 3629 has it: shortest forms only, no surrogates, up to U+10FFFF.
 * Pure; any thread. */
#ifndef MU_BASE_UTF8_H
#define MU_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Length (1..4) of the valid sequence at the start of the len > 0 bytes, or 0 if there is
 * none. */
size_t mu_utf8_sequence(const char *s, size_t len);
bool mu_utf8_is_valid(const char *s, size_t len);

#endif
