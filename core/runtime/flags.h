/* The command-line parser: one for core and plugins, driven by their flag tables.
 *
 * Tables are added first (core's without a prefix, a plugin's with its name), then the
 * command line and the environment are parsed against their union. A flag `wait` of
 * plugin `zk` is --zk_wait; one marked MU_FLAG_GLOBAL_NAME keeps its name, and when
 * several tables declare the same global name, all get the value. Every mistake is
 * reported, not just the first. Tables are borrowed, titles copied. Start-up only, main
 * thread.
 *
 * Accepted, since users of Mesos and Marathon write all of these: --name=value,
 * --name value (not for booleans), --name, --no-name and --disable_name for booleans;
 * hyphens for underscores, any case; file:///path for a value that is read from a file.
 */
#ifndef MU_RUNTIME_FLAGS_H
#define MU_RUNTIME_FLAGS_H

#include <muster/buf.h>
#include <muster/flag.h>

struct flags;

struct flags_table {
    const char *title;           /* of its section in --help */
    const char *prefix;          /* the plugin's name; NULL: core */
    const struct mu_flag *table; /* NULL: no flags */
};

/* An old spelling of a flag: works, with a warning. */
struct flags_alias {
    const char *old_name, *name;
};

struct flags *flags_create(void);
void flags_destroy(struct flags *f);
/* Are names well-formed and unique, and types, helps and defaults sound? MU_E_INVALID. */
MU_NODISCARD int flags_check_table(const struct mu_flag *table, struct mu_error *err);
/* MU_E_INVALID as above, MU_E_EXISTS: a full name is taken (the text says by whom). src
 * is copied; *out_values (may be NULL) is the view of this table, and lives as long as f.
 */
MU_NODISCARD int flags_add(struct flags *f,
                           const struct flags_table *src,
                           const struct mu_flags **out_values,
                           struct mu_error *err);
/* Ends with a zeroed entry; borrowed. */
void flags_set_aliases(struct flags *f, const struct flags_alias *aliases);

struct flags_input {
    int argc; /* argv[0] is the first argument, not the program */
    const char *const *argv;
    const char *const *envp; /* "MUSTER_NAME=value"; may be NULL */
    bool known_only; /* skip flags that no table has, and do not ask for required ones */
};
/* Once per struct flags. Appends a line per mistake to errors and per old spelling to
 * warnings. 0 or MU_E_INVALID. */
MU_NODISCARD int flags_parse(struct flags *f,
                             const struct flags_input *input,
                             struct mu_buf *errors,
                             struct mu_buf *warnings);

/* As if the user had given the flag so, to every table that declares the name. The same
 * errors as a parse makes, without the flag's name. */
MU_NODISCARD int flags_assign(struct flags *f,
                              const char *full_name,
                              const char *text,
                              struct mu_error *err);

/* Every flag with its effective value as text (NULL: unset), secrets hidden, in the order
 * of the tables; shared global names once. */
void flags_each(const struct flags *f,
                void (*cb)(void *arg, const char *full_name, const char *value),
                void *arg);

/* For --help and --help=man: the tables in order. */
struct flags_shown {
    const char *full_name;
    const struct mu_flag *flag;
};
size_t flags_table_count(const struct flags *f);
const struct flags_table *flags_table_get(const struct flags *f, size_t index);
/* Calls cb for each flag of the table that is not hidden. */
void flags_table_each(const struct flags *f,
                      size_t index,
                      void (*cb)(void *arg, const struct flags_shown *shown),
                      void *arg);

#endif
