/* See inspect.h. One log after the other, by name; each file is read once, through the
 * core's reader. */
#include "inspect.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <muster/json_writer.h>

#include "dump.h"
#include "storage.h"
#include "survey.h"

#define TEXT_MAX (64u * 1024)
#define JSON_MAX (4u * 1024 * 1024) /* the positions of a whole window are the most */

struct names {
    char **v;
    size_t count;
};

/* One log that is looked at. */
struct look {
    const struct mu_registry_inspection *what;
    const char *name;
    char *path;
    struct rlog_survey survey;
    struct mu_journal_report report;
    struct rlog_dump dump;
};

__attribute__((format(printf, 2, 3))) static void
say(const struct look *l, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0) {
        abort(); /* out of memory */
    }
    l->what->put(l->what->arg, text);
    free(text);
}

/* ---- which logs ---- */

static void add_name(void *arg, const char *name)
{
    struct names *n = arg;
    char **grown = rlog_allocate((n->count + 1) * sizeof(*grown));
    if (n->count > 0) {
        memcpy(grown, n->v, n->count * sizeof(*grown));
    }
    free(n->v);
    n->v = grown;
    size_t size = strlen(name) + 1;
    n->v[n->count++] = memcpy(rlog_allocate(size), name, size);
}

static void release_names(struct names *n)
{
    for (size_t i = 0; i < n->count; i++) {
        free(n->v[i]);
    }
    free(n->v);
}

static int compare_names(const void *a, const void *b)
{
    const char *const *x = a;
    const char *const *y = b;
    return strcmp(*x, *y);
}

static int find_names(const char *work_dir, struct names *out, struct mu_error *err)
{
    int rc = rlog_storage_names(work_dir, add_name, out, err);
    if (rc == -ENOENT || rc == -ENOTDIR) {
        return mu_fail(err, rc,
                       "no directory 'replicated_log' in '%s': it is not the --work_dir "
                       "of a master with --registry=replicated_log (an agent has none)",
                       work_dir);
    }
    if (rc < 0) {
        return rc;
    }
    if (out->count == 0) {
        return mu_fail(err, -ENOENT, "no log in '%s/replicated_log'", work_dir);
    }
    qsort(out->v, out->count, sizeof(*out->v), compare_names);
    return 0;
}

/* Reduce the names to the one that was asked for. */
static int choose_name(struct names *n, const char *wanted, struct mu_error *err)
{
    struct mu_buf have;
    mu_buf_init(&have, TEXT_MAX);
    for (size_t i = 0; i < n->count; i++) {
        if (strcmp(n->v[i], wanted) == 0) {
            char *found = n->v[i];
            n->v[i] = n->v[0];
            n->v[0] = found;
            while (n->count > 1) {
                free(n->v[--n->count]);
            }
            mu_buf_release(&have);
            return 0;
        }
        mu_buf_printf(&have, "%s%s", i == 0 ? "" : ", ", n->v[i]);
    }
    (void)mu_fail(err, -ENOENT, "no log '%.40s'; there are: %s", wanted,
                  mu_buf_str(&have));
    mu_buf_release(&have);
    return -ENOENT;
}

/* ---- what is wrong with it ---- */

static bool is_bad(const struct look *l)
{
    return l->report.damage.code != 0 || l->survey.status < 0;
}

/* Which record, where, and why. Of a file that is not whole and whose records do not add
 * up either, the second comes first. */
static void describe_damage(const struct look *l, struct mu_buf *out)
{
    if (l->survey.status < 0) {
        mu_buf_printf(out, "record %" PRIu64 ": at offset %" PRIu64 ": %s",
                      l->survey.bad_number, l->survey.bad_offset, l->survey.why.text);
    } else if (l->report.good_end == 0) { /* not even the header */
        mu_buf_puts(out, l->report.damage.text);
    } else {
        mu_buf_printf(out, "record %" PRIu64 ": %s", l->survey.records + 1,
                      l->report.damage.text);
    }
}

/* quorum 0: how many masters there are is not known. */
static void say_remedy_of_several(const struct look *l, uint32_t quorum)
{
    say(l, "  what to do%s: move %s away",
        quorum == 0 ? ", if there are several masters (--quorum above 1)" : "", l->path);
    if (quorum == 0) {
        say(l, "    and start the master. It comes back as a new replica and reads the "
               "log from the others, if --quorum of them have theirs.");
    } else {
        say(l,
            "    and start the master. It comes back as a new replica and reads the log "
            "from the others, if %u of them have theirs.",
            quorum);
    }
}

static void say_remedy_of_one(const struct look *l, bool is_certain)
{
    say(l, "  what to do%s: put back a copy of the file, or move it away and begin anew",
        is_certain ? "" : ", if there is one master");
    say(l, "    without what it holds%s.",
        l->survey.records == 0 ? ""
                               : "; muster log dump --map --values shows what can still "
                                 "be read of it");
}

static void say_remedy(const struct look *l)
{
    struct paxos_view v;
    paxos_view(l->survey.machine, &v);
    if (l->report.damage.code == MU_E_UNSUPPORTED ||
        l->survey.status == MU_E_UNSUPPORTED) {
        say(l, "  what to do: start the version of Muster that wrote it");
    } else if (l->survey.is_old || (v.members->count == 1 && v.members->quorum == 1)) {
        say_remedy_of_one(l, true);
    } else if (v.members->count > 0) {
        say_remedy_of_several(l, v.members->quorum);
    } else {
        say_remedy_of_several(l, 0);
        say_remedy_of_one(l, false);
    }
}

/* ---- status ---- */

static void put_accepted(const struct paxos_view *v, struct mu_buf *b)
{
    uint64_t count = 0;
    const char *before = "positions ";
    for (uint64_t at = v->accepted->first; at < paxos_ring_end(v->accepted); at++) {
        if (paxos_ring_get(v->accepted, at) == NULL) {
            continue;
        }
        uint64_t first = at;
        while (paxos_ring_get(v->accepted, at + 1) != NULL) {
            at++;
        }
        count += at - first + 1;
        mu_buf_printf(b, "%s%" PRIu64, before, first);
        if (at > first) {
            mu_buf_printf(b, "-%" PRIu64, at);
        }
        before = ", ";
    }
    if (count == 0) {
        mu_buf_puts(b, "nothing behind that");
    } else {
        bool is_alone = v->members->count == 1 && v->members->quorum == 1;
        mu_buf_printf(b, " (%" PRIu64 ": %s)", count,
                      is_alone ? "in the map with the next start"
                               : "voted for, perhaps not chosen");
    }
}

static void say_members(const struct look *l, const struct paxos_view *v)
{
    if (v->members->count == 0) {
        say(l, "  members      not known yet");
        return;
    }
    say(l, "  log id       %016" PRIx64, v->members->log);
    say(l, "  quorum       %u of %u", v->members->quorum, v->members->count);
    for (uint32_t i = 0; i < v->members->count; i++) {
        const struct paxos_member *m = &v->members->v[i];
        say(l, "  member       %016" PRIx64 "  %s%s", m->id,
            m->address[0] == '\0' ? "(no address)" : m->address,
            m->id == l->survey.id ? "  this replica" : "");
    }
}

static void say_protocol(const struct look *l, const struct paxos_view *v)
{
    if (l->survey.records == 0) {
        say(l, "  replica      new: nothing was written yet");
        return;
    }
    if (l->survey.id == 0) {
        say(l, "  replica      written by one master alone, before logs were replicated");
        return;
    }
    struct mu_buf b;
    mu_buf_init(&b, TEXT_MAX);
    say(l, "  replica      %016" PRIx64, l->survey.id);
    say(l, "  status       %s", paxos_status_name(v->status));
    say_members(l, v);
    rlog_put_ballot(&b, &v->promised);
    say(l, "  promised     %s", mu_buf_str(&b));
    mu_buf_clear(&b);
    say(l, "  committed    position %" PRIu64, v->committed);
    put_accepted(v, &b);
    say(l, "  accepted     %s", mu_buf_str(&b));
    mu_buf_release(&b);
}

static void say_end(const struct look *l)
{
    if (l->report.torn_bytes > 0) {
        say(l,
            "  torn tail    %" PRIu64 " bytes at %" PRIu64
            ": a write that was cut off; the next start removes it",
            l->report.torn_bytes, l->report.good_end);
    } else if (l->report.damage.code == 0) {
        say(l, "  closed       %s",
            l->report.is_sealed ? "in order" : "no: its master was killed");
    }
}

static void say_status(const struct look *l)
{
    struct paxos_view v;
    paxos_view(l->survey.machine, &v);
    say(l, "log %s", l->name);
    say(l, "  file         %s", l->path);
    say(l, "  size         %" PRIu64 " bytes, %" PRIu64 " records", l->report.size_bytes,
        l->survey.records);
    if (is_bad(l)) {
        struct mu_buf b;
        mu_buf_init(&b, TEXT_MAX);
        describe_damage(l, &b);
        say(l, "  DAMAGED      %s", mu_buf_str(&b));
        mu_buf_release(&b);
        if (l->report.good_end == 0) {
            return;
        }
        say(l,
            "  readable     the %" PRIu64 " records before that, which add up to this:",
            l->survey.status < 0 ? l->survey.bad_number - 1 : l->survey.records);
    }
    say_protocol(l, &v);
    say(l, "  last writer  epoch %" PRIu64, v.state->epoch);
    say(l, "  map          %zu entries, %" PRIu64 " bytes", v.state->map.count,
        v.state->map.live_bytes);
    say_end(l);
}

/* ---- verify ---- */

static void say_verdict(const struct look *l)
{
    struct paxos_view v;
    paxos_view(l->survey.machine, &v);
    if (is_bad(l)) {
        struct mu_buf b;
        mu_buf_init(&b, TEXT_MAX);
        describe_damage(l, &b);
        say(l, "%s: DAMAGED: %s: %s", l->name, l->path, mu_buf_str(&b));
        mu_buf_release(&b);
        say_remedy(l);
        return;
    }
    char torn[160] = "";
    if (l->report.torn_bytes > 0) {
        (void)snprintf(torn, sizeof(torn),
                       "; %" PRIu64 " bytes at %" PRIu64
                       " are a write that was cut off, as by a crash, and count for "
                       "nothing",
                       l->report.torn_bytes, l->report.good_end); /* numbers fit */
    }
    say(l,
        "%s: ok: %" PRIu64 " records, committed to position %" PRIu64
        ", %zu entries, epoch %" PRIu64 "%s",
        l->name, l->survey.records, v.committed, v.state->map.count, v.state->epoch,
        torn);
}

/* ---- status and verify, for programs ---- */

static void put_number(struct mu_jw *w, const char *key, uint64_t v)
{
    mu_jw_key(w, key);
    mu_jw_uint(w, v);
}

static void put_id(struct mu_jw *w, const char *key, uint64_t id)
{
    char text[17];
    (void)snprintf(text, sizeof(text), "%016" PRIx64, id); /* 16 digits at most */
    mu_jw_kv_string(w, key, id == 0 ? NULL : text);
}

static void put_replica(const struct look *l, const struct paxos_view *v, struct mu_jw *w)
{
    put_id(w, "replica", l->survey.id);
    mu_jw_kv_string(w, "status", paxos_status_name(v->status));
    put_id(w, "log_id", v->members->log);
    put_number(w, "quorum", v->members->quorum);
    mu_jw_key(w, "members");
    mu_jw_array_begin(w);
    for (uint32_t i = 0; i < v->members->count; i++) {
        mu_jw_object_begin(w);
        put_id(w, "id", v->members->v[i].id);
        mu_jw_kv_string(w, "address", v->members->v[i].address);
        mu_jw_object_end(w);
    }
    mu_jw_array_end(w);
    mu_jw_key(w, "promised");
    mu_jw_object_begin(w);
    put_number(w, "epoch", v->promised.epoch);
    put_number(w, "round", v->promised.round);
    put_id(w, "replica", v->promised.replica);
    mu_jw_object_end(w);
    put_number(w, "committed", v->committed);
    mu_jw_key(w, "accepted");
    mu_jw_array_begin(w);
    for (uint64_t at = v->accepted->first; at < paxos_ring_end(v->accepted); at++) {
        if (paxos_ring_get(v->accepted, at) != NULL) {
            mu_jw_uint(w, at);
        }
    }
    mu_jw_array_end(w);
}

static void put_flaws(const struct look *l, struct mu_jw *w)
{
    if (l->report.torn_bytes > 0) {
        mu_jw_key(w, "torn");
        mu_jw_object_begin(w);
        put_number(w, "offset", l->report.good_end);
        put_number(w, "bytes", l->report.torn_bytes);
        mu_jw_object_end(w);
    }
    if (is_bad(l)) {
        bool is_record = l->survey.status < 0;
        mu_jw_key(w, "damage");
        mu_jw_object_begin(w);
        put_number(w, "record", is_record ? l->survey.bad_number : l->survey.records + 1);
        put_number(w, "offset", is_record ? l->survey.bad_offset : l->report.good_end);
        mu_jw_kv_string(w, "error",
                        is_record ? l->survey.why.text : l->report.damage.text);
        mu_jw_object_end(w);
    }
}

static void say_json(const struct look *l)
{
    struct paxos_view v;
    struct mu_buf b;
    struct mu_jw w;
    paxos_view(l->survey.machine, &v);
    mu_buf_init(&b, JSON_MAX);
    mu_jw_init(&w, &b);
    mu_jw_object_begin(&w);
    mu_jw_kv_string(&w, "log", l->name);
    mu_jw_kv_string(&w, "file", l->path);
    mu_jw_kv_bool(&w, "ok", !is_bad(l));
    put_number(&w, "size", l->report.size_bytes);
    put_number(&w, "records", l->survey.records);
    put_replica(l, &v, &w);
    put_number(&w, "epoch", v.state->epoch);
    put_number(&w, "entries", v.state->map.count);
    put_number(&w, "bytes", v.state->map.live_bytes);
    mu_jw_kv_bool(&w, "closed", l->report.is_sealed);
    put_flaws(l, &w);
    mu_jw_object_end(&w);
    l->what->put(l->what->arg, mu_buf_str(&b));
    mu_buf_release(&b);
}

/* ---- dump ---- */

static void say_dump_end(struct look *l)
{
    if ((l->what->bits & MU_REGISTRY_MAP) != 0) {
        struct paxos_view v;
        paxos_view(l->survey.machine, &v);
        rlog_dump_map(&l->dump, &v.state->map);
    }
    if (is_bad(l)) {
        struct mu_buf b;
        mu_buf_init(&b, TEXT_MAX);
        describe_damage(l, &b);
        say(l, "%s - damaged %s", l->name, mu_buf_str(&b));
        mu_buf_release(&b);
    } else if (l->report.torn_bytes > 0) {
        say(l, "%s %" PRIu64 " - torn bytes=%" PRIu64, l->name, l->report.good_end,
            l->report.torn_bytes);
    }
}

/* ---- a log ---- */

static void on_record(void *arg, uint64_t offset, const void *data, size_t len)
{
    struct look *l = arg;
    rlog_survey_add(&l->survey, offset, data, len);
    if (l->what->question == MU_REGISTRY_DUMP) {
        rlog_dump_record(&l->dump, offset, l->survey.records, data, len);
    }
}

static int
look_at(const struct mu_registry_inspection *what, const char *name, struct mu_error *err)
{
    struct look l = {
        .what = what,
        .name = name,
        .path = rlog_storage_path(what->work_dir, name),
        .dump = {.log = name,
                 .whole_values = (what->bits & MU_REGISTRY_WHOLE_VALUES) != 0,
                 .put = what->put,
                 .arg = what->arg},
    };
    rlog_survey_init(&l.survey);
    int rc = what->journal_read(what->arg, l.path, on_record, &l, &l.report, err);
    if (rc == 0) {
        bool is_json = (what->bits & MU_REGISTRY_JSON) != 0;
        switch ((enum mu_registry_question)what->question) {
        case MU_REGISTRY_STATUS:
            (is_json ? say_json : say_status)(&l);
            break;
        case MU_REGISTRY_DUMP:
            say_dump_end(&l);
            break;
        case MU_REGISTRY_VERIFY:
            (is_json ? say_json : say_verdict)(&l);
            break;
        }
        rc = is_bad(&l) ? 1 : 0;
    }
    rlog_survey_release(&l.survey);
    mu_buf_release(&l.dump.line);
    free(l.path);
    return rc;
}

int rlog_inspect(const struct mu_registry_inspection *what, struct mu_error *err)
{
    struct names names = {0};
    int rc = find_names(what->work_dir, &names, err);
    if (rc == 0 && what->store != NULL) {
        rc = choose_name(&names, what->store, err);
    }
    int worst = 0;
    for (size_t i = 0; rc == 0 && i < names.count; i++) {
        int one = look_at(what, names.v[i], err);
        rc = one < 0 ? one : 0;
        worst = one > 0 ? one : worst;
    }
    release_names(&names);
    return rc < 0 ? rc : worst;
}
