/* See loader.h; the checks of the descriptor are in loader_check.c.
 *
 * Each file is opened twice: with dlopen(RTLD_NOW), because libltdl loads lazily (an
 * unresolved function would show at its first call) and gives no reason for a failure;
 * then with libltdl, which the rest goes through, so that a static build (see
 * static_plugins.h) takes the same path.
 */
#include "runtime/loader.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ltdl.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/vec.h"
#include "runtime/static_plugins.h"

struct record {
    char *file; /* path, or "linked in" */
    uint32_t kind;
    const struct mu_plugin *plugin;
};

struct loader {
    MU_VEC(char *) dirs;
    MU_VEC(struct record) records;
};

struct loader *loader_create(const struct loader_config *config, struct mu_error *err)
{
    if (lt_dlinit() != 0) {
        (void)mu_fail(err, MU_E_PLUGIN, "libltdl: %s", lt_dlerror());
        return NULL;
    }
    /* After lt_dlinit, which empties the list of linked-in plugins. */
    if (lt_dlpreload(static_plugins) != 0) {
        (void)mu_fail(err, MU_E_PLUGIN, "libltdl: %s", lt_dlerror());
        return NULL;
    }
    struct loader *l = MU_NEW(struct loader);
    for (size_t i = 0; i < config->dir_count; i++) {
        MU_VEC_PUSH(&l->dirs, mu_xstrdup(config->dirs[i]));
    }
    return l;
}

void loader_destroy(struct loader *l)
{
    if (l == NULL) {
        return;
    }
    for (size_t i = 0; i < l->dirs.count; i++) {
        free(l->dirs.v[i]);
    }
    for (size_t i = 0; i < l->records.count; i++) {
        free(l->records.v[i].file);
    }
    MU_VEC_RELEASE(&l->dirs);
    MU_VEC_RELEASE(&l->records);
    free(l); /* libltdl and the plugins stay: see the head of loader.h */
}

/* dlerror's text without the path in front, which the message has already. */
static const char *dl_reason(const char *path)
{
    const char *text =
        dlerror(); /* NOLINT(concurrency-mt-unsafe): glibc's is per thread */
    if (text == NULL) {
        return "unknown reason";
    }
    size_t len = strlen(path);
    if (strncmp(text, path, len) == 0 && strncmp(text + len, ": ", 2) == 0) {
        return text + len + 2;
    }
    return text;
}

static int explain_dl_failure(const char *path, struct mu_error *err)
{
    const char *reason = dl_reason(path);
    if (strstr(reason, "undefined symbol") != NULL) {
        return mu_fail(err, MU_E_PLUGIN,
                       "unresolved symbol: %s; link it with the library that has it",
                       reason);
    }
    if (strstr(reason, "cannot open shared object file") != NULL) {
        return mu_fail(err, MU_E_PLUGIN,
                       "missing shared library: %s; install it or set LD_LIBRARY_PATH",
                       reason);
    }
    return mu_fail(err, MU_E_PLUGIN, "not a shared object that can be loaded: %s",
                   reason);
}

static lt_dlhandle open_ltdl(const char *path)
{
    lt_dladvise advise;
    if (lt_dladvise_init(&advise) != 0) {
        return NULL;
    }
    lt_dlhandle handle = NULL;
    if (lt_dladvise_local(&advise) == 0) {
        handle = lt_dlopenadvise(path, advise);
    }
    (void)lt_dladvise_destroy(&advise);
    return handle;
}

/* is_linked: path is the name of one that is linked in. */
static int load(const char *path,
                bool is_linked,
                uint32_t kind,
                const char *name,
                const struct mu_plugin **out,
                struct mu_error *err)
{
    void *now = NULL;
    if (!is_linked) {
        now = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (now == NULL) {
            return explain_dl_failure(path, err);
        }
    }
    lt_dlhandle handle = open_ltdl(path);
    if (handle == NULL) {
        (void)mu_fail(err, MU_E_PLUGIN, "libltdl: %s", lt_dlerror());
    } else {
        const struct mu_plugin *p = lt_dlsym(handle, "mu_plugin");
        if (p == NULL) {
            (void)mu_fail(err, MU_E_PLUGIN,
                          "not a Muster plugin: it has no symbol mu_plugin; use "
                          "MU_PLUGIN_DEFINE");
        } else if (loader_check(p, kind, name, err) == 0) {
            *out = p; /* both handles stay open */
            return 0;
        }
        (void)lt_dlclose(handle); /* nothing of it ran */
    }
    if (now != NULL) {
        (void)dlclose(now);
    }
    return MU_E_PLUGIN;
}

static bool is_linked_in(const char *file_name)
{
    for (const lt_dlsymlist *s = static_plugins; s->name != NULL; s++) {
        if (s->address == NULL && strcmp(s->name, file_name) == 0) {
            return true;
        }
    }
    return false;
}

/* Where the file is, or NULL; free() it. */
static char *find_file(const struct loader *l, const char *file_name)
{
    for (size_t i = 0; i < l->dirs.count; i++) {
        char *path = mu_xasprintf("%s/%s", l->dirs.v[i], file_name);
        if (access(path, F_OK) == 0) {
            return path;
        }
        free(path);
    }
    return NULL;
}

static void put_dirs(const struct loader *l, struct mu_buf *out)
{
    for (size_t i = 0; i < l->dirs.count; i++) {
        (void)mu_buf_printf(out, "%s'%s'", i > 0 ? ", " : "", l->dirs.v[i]);
    }
}

static int not_found(const struct loader *l, const char *file_name, struct mu_error *err)
{
    struct mu_buf dirs;
    mu_buf_init(&dirs, 4096);
    put_dirs(l, &dirs);
    int status = mu_fail(err, MU_E_NOT_FOUND,
                         "no plugin '%s' (--list_plugins shows what there is) in %s",
                         file_name, mu_buf_str(&dirs));
    mu_buf_release(&dirs);
    return status;
}

static bool is_plain_name(const char *name)
{
    return name[0] != '\0' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name) &&
           strlen(name) < 64;
}

int loader_open(struct loader *l,
                uint32_t kind,
                const char *name,
                const struct mu_plugin **out,
                struct mu_error *err)
{
    for (size_t i = 0; i < l->records.count; i++) {
        const struct record *r = &l->records.v[i];
        if (r->kind == kind && strcmp(r->plugin->name, name) == 0) {
            *out = r->plugin;
            return 0;
        }
    }
    if (!is_plain_name(name)) {
        return mu_fail(err, MU_E_NOT_FOUND, "no %s plugin can have the name '%s'",
                       loader_kind_name(kind), name);
    }
    mu_auto_free char *file_name = mu_xasprintf("%s_%s.so", loader_kind_name(kind), name);
    bool is_linked = is_linked_in(file_name);
    mu_auto_free char *path = is_linked ? mu_xstrdup(file_name) : find_file(l, file_name);
    if (path == NULL) {
        return not_found(l, file_name, err);
    }
    struct record r = {.kind = kind};
    int status = load(path, is_linked, kind, name, &r.plugin, err);
    if (status < 0) {
        return mu_wrap(err, status, "plugin '%s'", path);
    }
    r.file = is_linked ? mu_xstrdup("linked in") : mu_steal(&path);
    MU_VEC_PUSH(&l->records, r);
    *out = r.plugin;
    return 0;
}

/* ---- scan ---- */

struct names {
    MU_VEC(char *) list;
};

static void add_name(struct names *names, const char *file_name)
{
    for (size_t i = 0; i < names->list.count; i++) {
        if (strcmp(names->list.v[i], file_name) == 0) {
            return;
        }
    }
    MU_VEC_PUSH(&names->list, mu_xstrdup(file_name));
}

static void list_dir(struct names *names, const char *path)
{
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return;
    }
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): safe for a DIR of one's own */
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        size_t len = strlen(e->d_name);
        if (len > 3 && strcmp(e->d_name + len - 3, ".so") == 0) {
            add_name(names, e->d_name);
        }
    }
    (void)closedir(dir);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "election_zk.so" -> MU_KIND_ELECTION and "zk"; 0: not the name of a plugin. */
static uint32_t split_file_name(const char *file_name, char *out_name, size_t cap)
{
    for (uint32_t kind = MU_KIND_ELECTION; kind <= MU_KIND_API; kind++) {
        const char *prefix = loader_kind_name(kind);
        size_t len = strlen(prefix);
        size_t name_len = strlen(file_name) - strlen(".so");
        if (strncmp(file_name, prefix, len) != 0 || file_name[len] != '_' ||
            name_len <= len + 1 || name_len - len - 1 >= cap) {
            continue;
        }
        memcpy(out_name, file_name + len + 1, name_len - len - 1);
        out_name[name_len - len - 1] = '\0';
        return kind;
    }
    return 0;
}

static const char *record_file(const struct loader *l, const struct mu_plugin *p)
{
    for (size_t i = 0; i < l->records.count; i++) {
        if (l->records.v[i].plugin == p) {
            return l->records.v[i].file;
        }
    }
    MU_NEVER("a loaded plugin has a record");
}

void loader_scan(struct loader *l,
                 void (*cb)(void *arg, const struct loader_found *found),
                 void *arg)
{
    struct names names = {0};
    for (const lt_dlsymlist *s = static_plugins + 1; s->name != NULL; s++) {
        if (s->address == NULL) {
            add_name(&names, s->name);
        }
    }
    for (size_t i = 0; i < l->dirs.count; i++) {
        list_dir(&names, l->dirs.v[i]);
    }
    if (names.list.count > 0) {
        qsort(names.list.v, names.list.count, sizeof(char *), by_text);
    }
    for (size_t i = 0; i < names.list.count; i++) {
        char name[64] = "";
        uint32_t kind = split_file_name(names.list.v[i], name, sizeof(name));
        struct mu_error err = {0};
        struct loader_found found = {.file = names.list.v[i]};
        if (kind == 0) {
            found.refusal = "its file name is not <kind>_<name>.so";
        } else if (loader_open(l, kind, name, &found.plugin, &err) < 0) {
            found.refusal = err.text;
        } else {
            found.file = record_file(l, found.plugin);
        }
        cb(arg, &found);
        free(names.list.v[i]);
    }
    MU_VEC_RELEASE(&names.list);
}

void loader_describe(const struct loader *l, struct mu_buf *out)
{
    for (size_t i = 0; i < l->records.count; i++) {
        const struct record *r = &l->records.v[i];
        (void)mu_buf_printf(out, "%s%s_%s %s (%s)", i > 0 ? ", " : "",
                            loader_kind_name(r->kind), r->plugin->name,
                            r->plugin->version, r->file);
    }
}
