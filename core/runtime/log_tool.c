/* See log_tool.h. */
#include "runtime/log_tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <muster/plugin.h>

#include "base/alloc.h"
#include "base/check.h"
#include "runtime/file.h"
#include "runtime/journal_read.h"
#include "runtime/nearest.h"

static const char *const actions[] = {
    [MU_REGISTRY_STATUS] = "status",
    [MU_REGISTRY_DUMP] = "dump",
    [MU_REGISTRY_VERIFY] = "verify",
};

const char *log_tool_usage(void)
{
    return "Usage: muster log status|dump|verify --work_dir=DIR [--flag=value ...]\n\n"
           "Looks at the logs of a master that does not run, and changes nothing.\n"
           "  status    what each log holds: members, positions, epoch, size\n"
           "  dump      every record, a line each: log, offset, number, kind, ...\n"
           "  verify    is each log whole? If not: where, why, and what to do\n"
           "Exit status: 0, or 1 when a log is damaged or cannot be looked at.\n";
}

static uint32_t parse_action(const char *action, struct mu_buf *errors)
{
    for (uint32_t i = MU_REGISTRY_STATUS; action != NULL && i < MU_COUNT_OF(actions);
         i++) {
        if (strcmp(actions[i], action) == 0) {
            return i;
        }
    }
    if (action == NULL) {
        (void)mu_buf_puts(errors, "muster log: what? status, dump or verify, in front of "
                                  "the flags\n");
        return 0;
    }
    const char *nearest = nearest_name(action, actions + MU_REGISTRY_STATUS,
                                       MU_COUNT_OF(actions) - MU_REGISTRY_STATUS);
    (void)mu_buf_printf(errors, "muster log: no action '%.40s'; ", action);
    (void)mu_buf_printf(errors, nearest != NULL ? "did you mean '%s'?\n" : "%s\n",
                        nearest != NULL ? nearest : "there are status, dump and verify");
    return 0;
}

static int check_work_dir(const char *work_dir, struct mu_buf *errors)
{
    struct stat st;
    if (work_dir == NULL) {
        return MU_E_INVALID; /* the flag is required: said already */
    }
    if (stat(work_dir, &st) < 0) {
        int rc = -errno;
        (void)mu_buf_printf(errors, "--work_dir: '%s': %s\n", work_dir, mu_strerror(rc));
        return MU_E_INVALID;
    }
    if (!S_ISDIR(st.st_mode)) {
        (void)mu_buf_printf(errors, "--work_dir: '%s' is not a directory\n", work_dir);
        return MU_E_INVALID;
    }
    return 0;
}

static int
check_bits(struct log_tool *t, const struct mu_flags *flags, struct mu_buf *errors)
{
    const char *format = mu_flags_string(flags, "format");
    bool is_dump = t->question == MU_REGISTRY_DUMP;
    bool is_json = strcmp(format, "json") == 0;
    const char *too_much = mu_flags_bool(flags, "values") ? "values"
                           : mu_flags_bool(flags, "map")  ? "map"
                                                          : NULL;
    t->bits |= mu_flags_bool(flags, "values") ? (uint32_t)MU_REGISTRY_WHOLE_VALUES : 0;
    t->bits |= mu_flags_bool(flags, "map") ? (uint32_t)MU_REGISTRY_MAP : 0;
    t->bits |= is_json ? (uint32_t)MU_REGISTRY_JSON : 0;
    if (!is_json && strcmp(format, "text") != 0) {
        (void)mu_buf_printf(errors, "--format: '%s' is neither text nor json\n", format);
    } else if (is_json && is_dump) {
        (void)mu_buf_puts(errors, "--format=json is for status and verify; dump prints "
                                  "lines of text\n");
    } else if (too_much != NULL && !is_dump) {
        (void)mu_buf_printf(errors, "--%s is for muster log dump only\n", too_much);
    } else {
        return 0;
    }
    return MU_E_INVALID;
}

int log_tool_prepare(const char *action,
                     const struct mu_flags *flags,
                     struct log_tool *out,
                     struct mu_buf *errors)
{
    *out = (struct log_tool){
        .question = parse_action(action, errors),
        .work_dir = mu_flags_string(flags, "work_dir"),
        .store = mu_flags_string(flags, "log"),
        .registry = mu_flags_string(flags, "registry"),
    };
    if (strcmp(out->registry, "log_storage") == 0) {
        out->registry = "replicated_log"; /* its other name in Mesos */
    }
    int dir = check_work_dir(out->work_dir, errors);
    int bits = out->question == 0 ? MU_E_INVALID : check_bits(out, flags, errors);
    return dir < 0 ? dir : bits;
}

int log_tool_bind(struct log_tool *t,
                  const struct mu_plugin *plugin,
                  struct mu_error *err)
{
    const struct mu_registry_ops *ops = plugin->ops;
    if (!MU_HAS(struct mu_registry_ops, ops, inspect) || ops->inspect == NULL) {
        return mu_fail(err, MU_E_UNSUPPORTED,
                       "muster log: registry %s keeps no log in the work_dir that could "
                       "be looked at; replicated_log does",
                       plugin->name);
    }
    t->ops = ops;
    return 0;
}

/* arg: 0, or the first code with which stdout has failed; then nothing more is printed.
 */
static void print_line(void *arg, const char *line)
{
    int *status = arg;
    if (*status == 0 && (fputs(line, stdout) < 0 || fputc('\n', stdout) < 0)) {
        *status = errno > 0 ? -errno : -EIO;
    }
}

static int finish_printing(int status, struct mu_buf *errors)
{
    if (status == 0 && fflush(stdout) != 0) {
        status = errno > 0 ? -errno : -EIO;
    }
    if (status < 0 && status != -EPIPE) { /* who closes a pipe has seen enough */
        (void)mu_buf_printf(errors, "the answer is not whole: %s\n", mu_strerror(status));
    }
    return status;
}

static int read_journal(void *arg,
                        const char *path,
                        mu_journal_visit_cb on_record,
                        void *record_arg,
                        struct mu_journal_report *out,
                        struct mu_error *err)
{
    (void)arg;
    return journal_read(path, on_record, record_arg, out, err);
}

int log_tool_run(const struct log_tool *t, struct mu_buf *errors)
{
    MU_PRE(t->ops != NULL);
    int printed = 0;
    mu_auto_free char *work_dir = file_absolute(t->work_dir);
    const struct mu_registry_inspection what = {
        .struct_size = sizeof(what),
        .question = t->question,
        .bits = t->bits,
        .work_dir = work_dir,
        .store = t->store,
        .arg = &printed,
        .put = print_line,
        .journal_read = read_journal,
    };
    struct mu_error err = {.text = "no reason given"};
    int rc = t->ops->inspect(&what, &err);
    if (rc < 0) {
        (void)mu_buf_printf(errors, "%s\n", err.text);
    }
    if (rc == -EWOULDBLOCK) {
        (void)mu_buf_puts(errors,
                          "stop that master first; while it runs, GET /metrics/snapshot "
                          "of it says how its log is (registrar/log/...)\n");
    }
    printed = finish_printing(printed, errors);
    return rc == 0 && printed == 0 ? 0 : 1;
}
