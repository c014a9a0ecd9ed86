/* Registry: a durable ordered map from text keys ("agents/<id>", "apps/<id>/<version>")
 * to bytes, with one writer at a time.
 *
 * Several stores can be open at once under different names. recover makes this epoch the
 * only writer and fences all earlier ones. A batch is atomic and is acknowledged when
 * durable by the plugin's own promise. Commits pipeline: callbacks come in order.
 */
#ifndef MU_KIND_REGISTRY_H
#define MU_KIND_REGISTRY_H

#include <muster/host.h>

MU_EXTERN_C_BEGIN

#define MU_REGISTRY_VALUE_MAX (1024u * 1024)
#define MU_REGISTRY_KEY_MAX 512u

struct mu_buf;
struct mu_jw;
struct mu_registry_store; /* the plugin's own */

struct mu_registry_op {
    const char *key;
    const void *value; /* NULL: delete (deleting what is not there is fine) */
    size_t value_len;
};

struct mu_registry_events {
    /* A newer epoch writes now, or this process cannot write while another may: every
     * pending and later commit fails, and the leadership is over. */
    void (*fenced)(void *arg);
};

typedef void (*mu_registry_entry_cb)(void *arg,
                                     const char *key,
                                     const void *value,
                                     size_t value_len);
/* 0, or: MU_E_FENCED; MU_E_UNKNOWN_OUTCOME; -ECANCELED (closed); errno of the store. */
typedef void (*mu_registry_done_cb)(void *arg, int status, const char *error_text);

enum mu_registry_bits {
    /* It lives in this process and ends with it. What another process wrote meanwhile, as
     * the leader, is not in it. */
    MU_REGISTRY_PRIVATE = 1u << 0,
};

/* A look at what a registry has stored, while no process has it open: `muster log`. */
enum mu_registry_question {
    MU_REGISTRY_STATUS = 1, /* what each log holds */
    MU_REGISTRY_DUMP,       /* every record, a line each */
    MU_REGISTRY_VERIFY,     /* is each one whole, and does it add up? */
};

enum mu_registry_inspection_bits {
    MU_REGISTRY_WHOLE_VALUES = 1u << 0, /* DUMP: do not shorten them */
    MU_REGISTRY_MAP = 1u << 1,          /* DUMP: and then what the records add up to */
    MU_REGISTRY_JSON = 1u << 2,         /* STATUS, VERIFY: a line is a JSON object */
};

struct mu_registry_inspection {
    uint32_t struct_size;
    uint32_t question; /* enum mu_registry_question */
    uint32_t bits;     /* enum mu_registry_inspection_bits */
    const char *work_dir;
    const char *store; /* NULL: all that are there */
    void *arg;         /* of what follows */
    /* A line of the answer, without its newline. */
    void (*put)(void *arg, const char *line);
    /* Read a journal and leave it as it is. on_record runs inside the call. A damaged
     * file is no failure: the report says where, and its good records were given. Errors:
     * -EWOULDBLOCK (a process has it open; the text names it), errno codes. */
    int (*journal_read)(void *arg,
                        const char *path,
                        mu_journal_visit_cb on_record,
                        void *record_arg,
                        struct mu_journal_report *out,
                        struct mu_error *err);
};

struct mu_registry_ops {
    uint32_t struct_size;
    /* After start. name: "master", "apps". events borrowed until closed. */
    int (*open)(void *instance,
                const char *name,
                const struct mu_registry_events *events,
                void *arg,
                struct mu_registry_store **out,
                struct mu_error *err);
    /* All entries in key order (strcmp), then cb. epoch lower than one seen: MU_E_FENCED.
     */
    int (*recover)(struct mu_registry_store *s,
                   uint64_t epoch,
                   mu_registry_entry_cb on_entry,
                   mu_registry_done_cb cb,
                   void *arg,
                   struct mu_error *err);
    /* ops are copied. -E2BIG (value or key over the limit; the text names it),
     * MU_E_INVALID (before recover): then cb never runs. */
    int (*commit)(struct mu_registry_store *s,
                  const struct mu_registry_op *ops,
                  size_t count,
                  mu_registry_done_cb cb,
                  void *arg,
                  struct mu_error *err);
    void (*close)(struct mu_registry_store *s, mu_cb closed_cb, void *arg);
    uint32_t bits; /* enum mu_registry_bits */
    /* Optional; without an instance, and without writing anything. 0: all is well; 1: the
     * answer tells what is not. Errors: errno and MU_E_ codes, of what cannot be looked
     * at. */
    int (*inspect)(const struct mu_registry_inspection *what, struct mu_error *err);
    /* These two are optional (NULL), and work whether the store of that name is open or
     * not: a standby is asked too. */
    /* Why what was asked of the store is not answered: one phrase for an operator
     * ("nothing can be written: 1 of 3 replicas answer, 2 are needed"). Nothing is put
     * into out when no reason is known. */
    void (*explain)(void *instance, const char *name, struct mu_buf *out);
    /* How the store is, for an operator: members of the JSON object that w is in. */
    void (*describe)(void *instance, const char *name, struct mu_jw *w);
};

/* For registries: are keys and values of a batch within the limits? -E2BIG, or
 * MU_E_INVALID for an empty key; the text names key and limit. Pure, any thread. */
MU_API MU_NODISCARD int mu_registry_check_ops(const struct mu_registry_op *ops,
                                              size_t count,
                                              struct mu_error *err);

MU_EXTERN_C_END
#endif
