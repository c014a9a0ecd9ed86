/* zk:// URLs: what is taken, what is refused and how, and that no password is shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "zk/url.h"

static const struct taken {
    const char *text, *hosts, *path, *auth;
} taken[] = {
    {"zk://h1:2181/mesos", "h1:2181", "/mesos", NULL},
    {"zk://h1:2181,h2:2182,h3:2183/mesos", "h1:2181,h2:2182,h3:2183", "/mesos", NULL},
    {"zk://h1,h2:2182,h3/a/b/c", "h1:2181,h2:2182,h3:2181", "/a/b/c", NULL},
    {"zk://u:p@h1:2181/mesos", "h1:2181", "/mesos", "u:p"},
    {"zk://u:p@ss:word@h1,h2/mesos", "h1:2181,h2:2181", "/mesos", "u:p@ss:word"},
    {"zk://u:@h1/mesos", "h1:2181", "/mesos", "u:"},
    {"zk://h1/mesos/", "h1:2181", "/mesos", NULL},
    {"zk://h1/a@b", "h1:2181", "/a@b", NULL},
    {"zk://h1/...", "h1:2181", "/...", NULL},
    {" \t zk://h1:1/mesos \r\n", "h1:1", "/mesos", NULL},
    {"zk://h1:65535/m\xc3\xbcster", "h1:65535", "/m\xc3\xbcster", NULL},
    {"zk://[::1]:2181/mesos", "::1:2181", "/mesos", NULL}, /* as the library wants it */
    {"zk://[fe80::1],10.0.0.1/mesos", "fe80::1:2181,10.0.0.1:2181", "/mesos", NULL},
};

static void what_users_write_is_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        const struct taken *t = &taken[i];
        struct zks_url url;
        struct mu_error err;
        if (zks_url_parse(t->text, &url, &err) < 0) {
            fail_msg("'%s': %s", t->text, err.text);
        }
        assert_string_equal(url.hosts, t->hosts);
        assert_string_equal(url.path, t->path);
        assert_true((url.auth == NULL) == (t->auth == NULL));
        if (t->auth != NULL) {
            assert_string_equal(url.auth, t->auth);
        }
        zks_url_release(&url);
    }
}

static const struct refused {
    const char *text, *says;
} refused[] = {
    {"", "does not begin with zk://"},
    {"h1:2181/mesos", "does not begin with zk://"},
    {"zk:/h1:2181/mesos", "does not begin with zk://"},
    {"zk://", "names no server"},
    {"zk:///mesos", "names no server"},
    {"zk://h1,,h2/mesos", "names no server"},
    {"zk://h1,/mesos", "names no server"},
    {"zk://:2181/mesos", "names no server"},
    {"zk://[::1/mesos", "names no server"},
    {"zk://[::1]2181/mesos", "names no server"},
    {"zk://[]:2181/mesos", "names no server"},
    {"zk://h 1/mesos", "names no server"},
    {"zk://h1:/mesos", "port of 'h1:'"},
    {"zk://h1:0/mesos", "port of 'h1:0'"},
    {"zk://h1:65536/mesos", "port of 'h1:65536'"},
    {"zk://h1:21x1/mesos", "port of 'h1:21x1'"},
    {"zk://h1:-1/mesos", "port of 'h1:-1'"},
    {"zk://h1:000002181/mesos", "port of"},
    {"zk://::1:2181/mesos", "names no server"}, /* brackets are missing */
    {"zk://h1:2181", "a path is needed"},
    {"zk://h1:2181/", "a path is needed"},
    {"zk://h1:2181///", "a path is needed"},
    {"zk://h1/a//b", "is not a path of nodes"},
    {"zk://h1/a b", "is not a path of nodes"},
    {"zk://h1/a/./b", "is not a path of nodes"},
    {"zk://h1/a/..", "is not a path of nodes"},
    {"zk://h1/a\nb", "is not a path of nodes"},
    {"zk://secret@h1/mesos", "USER:PASSWORD"},
    {"zk://:secret@h1/mesos", "USER:PASSWORD"},
    {"zk://u:secret@/mesos", "names no server"},
    {"zk://u:secret@h1:x/mesos", "port of 'h1:x'"},
    {"zk://u:secret@h1", "a path is needed"},
    {"zk://u:secret/x@h1/mesos", "stands behind the first '/'"},
};

static void what_is_wrong_is_named_and_no_password_is_shown(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct zks_url url;
        struct mu_error err;
        if (zks_url_parse(refused[i].text, &url, &err) == 0) {
            fail_msg("'%s' was taken", refused[i].text);
        }
        if (strstr(err.text, refused[i].says) == NULL ||
            strstr(err.text, "secret") != NULL) {
            fail_msg("'%s': %s", refused[i].text, err.text);
        }
        assert_null(url.hosts);
        assert_null(url.path);
        assert_null(url.auth);
    }
}

static void a_path_may_have_255_bytes(void **state)
{
    (void)state;
    char text[400] = "zk://h1/";
    size_t at = strlen(text);
    memset(text + at, 'a', 254);
    struct zks_url url;
    struct mu_error err;
    assert_int_equal(zks_url_parse(text, &url, NULL), 0);
    assert_int_equal(strlen(url.path), 255);
    zks_url_release(&url);
    text[at + 254] = 'a';
    assert_true(zks_url_parse(text, &url, &err) < 0);
    assert_non_null(strstr(err.text, "256 bytes, 255 are allowed"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_users_write_is_taken),
        cmocka_unit_test(what_is_wrong_is_named_and_no_password_is_shown),
        cmocka_unit_test(a_path_may_have_255_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
