/* What the flag --resources needs beyond muster/resources.h. Pure; any thread. */
#ifndef MU_DOMAIN_RESOURCES_TEXT_H
#define MU_DOMAIN_RESOURCES_TEXT_H

#include <stdbool.h>

/* Does the text form name this resource, in any role? "cpus:0" leaves no entry behind but
 * counts: what the user names is not detected from the machine. */
bool mu_resources_text_names(const char *text, const char *name);

#endif
