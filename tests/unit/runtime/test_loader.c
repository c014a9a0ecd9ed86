/* The loader: every check has a plugin that fails it and a message of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "lib/test_host.h"
#include "runtime/loader.h"

static struct loader *open_loader(const char *first_dir)
{
    const char *dirs[] = {first_dir, "/nonexistent/plugins", BROKEN_DIR};
    const struct loader_config config = {
        .dirs = first_dir == NULL ? dirs + 1 : dirs,
        .dir_count = first_dir == NULL ? 2 : 3,
    };
    struct mu_error err;
    struct loader *l = loader_create(&config, &err);
    assert_non_null(l);
    return l;
}

static void good_plugin_is_loaded_once(void **state)
{
    (void)state;
    struct loader *l = open_loader(NULL);
    const struct mu_plugin *p = NULL, *again = NULL;
    struct mu_error err;
    assert_int_equal(loader_open(l, MU_KIND_API, "good", &p, &err), 0);
    assert_string_equal(p->name, "good");
    assert_int_equal(loader_open(l, MU_KIND_API, "good", &again, &err), 0);
    assert_ptr_equal(p, again);
    struct mu_buf text;
    mu_buf_init(&text, 4096);
    loader_describe(l, &text);
    assert_string_equal(mu_buf_str(&text), "api_good 1 (" BROKEN_DIR "/api_good.so)");
    mu_buf_release(&text);
    loader_destroy(l);
}

static void each_broken_plugin_is_refused_with_its_reason(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
    } cases[] = {
        {"symbol", "not a Muster plugin: it has no symbol mu_plugin"},
        {"magic", "wrong magic 0x50554c43 (0x4d555354 is a Muster plugin's)"},
        {"major", "built for plugin ABI major 1, this muster has 0"},
        {"minor", "built for plugin ABI minor 0.2, this muster has 0.1 (they must be "
                  "equal before 1.0)"},
        {"size", "its descriptor has 80 bytes, at least 88 are needed"},
        {"nokind", "its kind 99 does not exist"},
        {"kind", "its kind is registry, its file name says api"},
        {"name", "its name is 'other', its file name says 'name'"},
        {"summary", "it has no summary"},
        {"life", "it has no method 'start'"},
        {"ops", "it has no api ops"},
        {"opssize", "its api ops have 4 bytes, at least 16 are needed"},
        {"method", "its api ops have no method 'attach'"},
        {"flag", "flag name 'Wait' is not"},
        {"unresolved", "unresolved symbol: undefined symbol: mu_no_such_function"},
        {"gone", "missing shared library: libmuster_gone.so.9"},
    };
    struct loader *l = open_loader(NULL);
    for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
        const struct mu_plugin *p = NULL;
        struct mu_error err = {0};
        assert_int_equal(loader_open(l, MU_KIND_API, cases[i].name, &p, &err),
                         MU_E_PLUGIN);
        assert_null(p);
        char start[512];
        snprintf(start, sizeof(start), "plugin '%s/api_%s.so': %s", BROKEN_DIR,
                 cases[i].name, cases[i].text);
        if (strstr(start, err.text) == NULL && strstr(err.text, cases[i].text) == NULL) {
            fail_msg("case %s: %s", cases[i].name, err.text);
        }
    }
    loader_destroy(l);
}

static void missing_plugin_names_the_places(void **state)
{
    (void)state;
    struct loader *l = open_loader(NULL);
    const struct mu_plugin *p = NULL;
    struct mu_error err = {0};
    assert_int_equal(loader_open(l, MU_KIND_ELECTION, "zk", &p, &err), MU_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "no plugin 'election_zk.so'"));
    assert_non_null(strstr(err.text, "/nonexistent/plugins"));
    loader_destroy(l);
}

static void names_that_are_paths_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"", "../api_good", "good.so", "Good", "a b"};
    struct loader *l = open_loader(NULL);
    for (size_t i = 0; i < MU_COUNT_OF(names); i++) {
        const struct mu_plugin *p = NULL;
        struct mu_error err = {0};
        assert_int_equal(loader_open(l, MU_KIND_API, names[i], &p, &err), MU_E_NOT_FOUND);
        assert_non_null(strstr(err.text, "no api plugin can have the name"));
    }
    loader_destroy(l);
}

static void write_file(const char *dir, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

struct scan {
    int good, refused;
    bool saw_text, saw_odd;
};

static void on_found(void *arg, const struct loader_found *found)
{
    struct scan *s = arg;
    if (found->plugin != NULL) {
        s->good++;
        assert_null(found->refusal);
        return;
    }
    s->refused++;
    assert_non_null(found->refusal);
    if (strstr(found->refusal, "not a shared object that can be loaded") != NULL) {
        assert_string_equal(found->file, "api_good.so");
        s->saw_text = true;
    }
    if (strcmp(found->file, "odd.so") == 0) {
        assert_non_null(strstr(found->refusal, "<kind>_<name>.so"));
        s->saw_odd = true;
    }
}

static void first_directory_wins_and_scan_reports_every_file(void **state)
{
    (void)state;
    char dir[] = "/tmp/muster-loader-XXXXXX";
    assert_non_null(mkdtemp(dir));
    write_file(dir, "api_good.so", "this is no shared object, but it comes first\n");
    write_file(dir, "odd.so", "");
    write_file(dir, "README", "");
    struct loader *l = open_loader(dir);
    const struct mu_plugin *p = NULL;
    struct mu_error err = {0};
    assert_int_equal(loader_open(l, MU_KIND_API, "good", &p, &err), MU_E_PLUGIN);
    struct scan scan = {0};
    loader_scan(l, on_found, &scan);
    assert_int_equal(scan.good, 0);
    assert_int_equal(scan.refused, 16 + 3); /* broken ones; the two above; a library */
    assert_true(scan.saw_text);
    assert_true(scan.saw_odd);
    loader_destroy(l);
    test_remove_tree(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_plugin_is_loaded_once),
        cmocka_unit_test(each_broken_plugin_is_refused_with_its_reason),
        cmocka_unit_test(missing_plugin_names_the_places),
        cmocka_unit_test(names_that_are_paths_are_refused),
        cmocka_unit_test(first_directory_wins_and_scan_reports_every_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
