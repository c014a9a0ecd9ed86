/* From the command line to a checked set of options and loaded plugins, or to a text to
 * print (help, version, errors). Runs no plugin code and opens nothing, so it can be
 * tested as a function. Main thread, before the loop exists.
 */
#ifndef MU_RUNTIME_STARTUP_H
#define MU_RUNTIME_STARTUP_H

#include <muster/buf.h>

#include "runtime/log_tool.h"
#include "runtime/plugins.h"

struct flags;
struct loader;

struct startup_input {
    int argc; /* argv[0] is the program */
    const char *const *argv;
    const char *const *envp;
    const char *const *plugin_dirs; /* the usual places, after --plugin_dir */
    size_t plugin_dir_count;
    uint64_t descriptors_soft, descriptors_hard; /* before they were raised; 0: unknown */
};

enum startup_outcome {
    STARTUP_RUN = 0, /* go on with what is in struct startup */
    STARTUP_LOG,     /* log_tool_run */
    STARTUP_PRINTED, /* out says what was asked for: exit 0 */
    STARTUP_REFUSED, /* errors says why, a line each: exit 1 */
};

struct startup {
    uint32_t command; /* enum options_command; 0: none given */
    struct loader *loader;
    struct flags *flags;
    struct mu_flag *core_table;
    const struct mu_flags *core;
    struct options options; /* of STARTUP_RUN */
    struct log_tool log;    /* of STARTUP_LOG */
    struct plugin_choice choices[RUNTIME_PLUGINS_MAX];
    size_t choice_count;
    uint64_t descriptors_soft, descriptors_hard;
    struct mu_buf out, errors, warnings;
};

/* Fills a zeroed s, which the caller releases in any case. */
enum startup_outcome startup_prepare(struct startup *s, const struct startup_input *in);
void startup_release(struct startup *s);

#endif
