/* What muster prints about itself: --help in its forms, --version, --list_plugins. */
#ifndef MU_RUNTIME_STARTUP_HELP_H
#define MU_RUNTIME_STARTUP_HELP_H

#include <muster/buf.h>

struct flags;
struct loader;

struct startup_ask {
    const char *help; /* NULL: not asked; "": --help; "all", "man" */
    bool version, list_plugins;
};

/* --help of a subcommand: its flags and those of the plugins it would load. */
void startup_help(const struct flags *f, uint32_t command, struct mu_buf *out);
/* All other questions; command 0: none was given. false: errors says what is wrong (no
 * command, an unknown topic, a file that is not a plugin). */
bool startup_print(const struct startup_ask *ask,
                   uint32_t command,
                   struct loader *loader,
                   struct mu_buf *out,
                   struct mu_buf *errors);

#endif
