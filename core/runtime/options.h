/* Core's own flags: the table of each subcommand, and what follows from the values.
 *
 * Two steps, because the plugins that the flags choose bring flags of their own:
 * options_select reads which plugins are wanted from a first, lenient parse; after the
 * second parse against the union of all tables options_resolve checks the values and
 * works out what depends on several. Drivers read the remaining flags from options.flags
 * with the mu_flags_* getters; the table tells which there are.
 */
#ifndef MU_RUNTIME_OPTIONS_H
#define MU_RUNTIME_OPTIONS_H

#include <muster/buf.h>
#include <muster/flag.h>

struct flags_alias;

/* Subcommands, as bits: a flag belongs to several. */
enum options_command {
    OPTIONS_MASTER = 1u << 0,
    OPTIONS_AGENT = 1u << 1,
    OPTIONS_LOCAL = 1u << 2,
    OPTIONS_LOG = 1u << 3, /* no role: log_tool.h reads its flags */
};

#define OPTIONS_PLUGINS_MAX 16

/* Names of the plugins to load; borrowed from the flags. */
struct options_selection {
    const char *election;     /* NULL: none is needed */
    const char *registry;     /* NULL: no master here */
    const char *app_registry; /* NULL: no master here; often the same as registry */
    const char *containerizers[OPTIONS_PLUGINS_MAX];
    size_t containerizer_count; /* 0: no agent here */
    const char *apis[OPTIONS_PLUGINS_MAX];
    size_t api_count;
    const char *plugin_dir; /* NULL: only the usual places */
};

struct options {
    uint32_t command;             /* enum options_command */
    uint32_t roles;               /* enum mu_roles */
    const struct mu_flags *flags; /* of the core table */
    struct options_selection plugins;
    char *work_dir;     /* absolute; NULL: a master that keeps nothing */
    char *listen_ip;    /* "0.0.0.0" */
    char *advertise_ip; /* how others reach this host */
    char *hostname;     /* advertised */
    /* To listen on; 0: the system chooses one. Unused ones of other roles are 0, too. */
    uint16_t master_port, marathon_port, agent_port;
    const char *master; /* agent: "host:port" of a fixed master; NULL: election tells */
    int log_level;      /* enum mu_log_level */
    bool log_json;
};

/* "master" -> OPTIONS_MASTER; 0: no such subcommand. */
uint32_t options_command_parse(const char *name);
const char *options_command_name(uint32_t command);
uint32_t options_roles(uint32_t command); /* enum mu_roles */

/* The flags of one subcommand, ends with a zeroed entry; free() it (the texts are
 * static). */
struct mu_flag *options_table(uint32_t command);
/* Those that exactly these subcommands (bits) have; for the manual page. */
struct mu_flag *options_table_of_exactly(uint32_t commands);
/* Old spellings, for flags_set_aliases. */
const struct flags_alias *options_aliases(void);

/* An agent's --master=zk://...: the same as its --zk would be. NULL: it is none. */
const char *options_master_url(uint32_t command, const struct mu_flags *flags);

/* Errors: MU_E_INVALID, appended to errors, a line each; out is filled as far as it
 * goes. */
int options_select(uint32_t command,
                   const struct mu_flags *flags,
                   struct options_selection *out,
                   struct mu_buf *errors);
/* Appends a line per mistake to errors: MU_E_INVALID. out is the caller's to release in
 * any case. flags is borrowed. */
MU_NODISCARD int options_resolve(uint32_t command,
                                 const struct mu_flags *flags,
                                 struct options *out,
                                 struct mu_buf *errors);
void options_release(struct options *o);

#endif
