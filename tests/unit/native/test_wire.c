/* Frames and fields; what the plugin encodes and the supervisor decodes, and back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "codec.h"
#include "helper/channel.h"
#include "helper/state.h"
#include "lib/test_host.h"

static struct nat_frame take(struct nat_out *o)
{
    struct nat_frame f;
    assert_true(nat_out_end(o));
    assert_int_equal(nat_frame_take(o->data, o->len, &f), o->len);
    return f;
}

static void fields_come_back_as_they_were(void **state)
{
    (void)state;
    struct nat_out o = {0};
    const uint8_t flags = 3;
    nat_out_begin(&o, NAT_SPEC);
    nat_out_text(&o, NAT_KEY_ID, "");
    nat_out_u64(&o, NAT_KEY_PID, UINT64_C(0x1122334455667788));
    nat_out_pair(&o, NAT_KEY_VOLUME, &flags, "/a", "b");
    nat_out_pair(&o, NAT_KEY_SETTING, NULL, "p", "");
    nat_out_bytes(&o, NAT_KEY_ENV, "A=\0b", 4);
    struct nat_frame f = take(&o);
    assert_int_equal(f.type, NAT_SPEC);
    struct nat_field x;
    size_t at = 0;
    assert_int_equal(nat_field_next(&f, &at, &x), 1);
    assert_string_equal(x.data, "");
    assert_int_equal(nat_field_u64(&x), 0); /* wrong size */
    assert_int_equal(nat_field_next(&f, &at, &x), 1);
    assert_true(nat_field_u64(&x) == UINT64_C(0x1122334455667788));
    assert_int_equal(nat_field_next(&f, &at, &x), 1);
    assert_int_equal(x.data[0], 3);
    assert_string_equal(x.data + 1, "/a");
    assert_string_equal(nat_field_second(&x, 1), "b");
    assert_int_equal(nat_field_next(&f, &at, &x), 1);
    assert_string_equal(nat_field_second(&x, 0), "");
    assert_int_equal(nat_field_next(&f, &at, &x), 1);
    assert_int_equal(x.len, 4);
    assert_int_equal(nat_field_next(&f, &at, &x), 0);
    nat_out_release(&o);
}

static void frame_needs_all_of_its_bytes(void **state)
{
    (void)state;
    struct nat_out o = {0};
    assert_true(nat_codec_signal(15, &o));
    struct nat_frame f;
    for (size_t len = 0; len < o.len; len++) {
        assert_int_equal(nat_frame_take(o.data, len, &f), 0);
    }
    assert_int_equal(nat_frame_take(o.data, o.len, &f), o.len);
    nat_out_release(&o);
}

static void damaged_frames_are_refused(void **state)
{
    (void)state;
    struct nat_frame f;
    char empty[8] = {0};
    assert_int_equal(nat_frame_take(empty, 8, &f), -1);
    char huge[8] = {(char)0xff, (char)0xff, (char)0xff, (char)0xff};
    assert_int_equal(nat_frame_take(huge, 8, &f), -1);
    /* a field that claims more than there is, and one without its NUL */
    char body[] = {1, 100, 0, 0, 0, 'x', 0};
    struct nat_frame bad = {.type = NAT_SPEC, .body = body, .len = sizeof(body)};
    struct nat_field x;
    size_t at = 0;
    assert_int_equal(nat_field_next(&bad, &at, &x), -1);
    char open_end[] = {1, 1, 0, 0, 0, 'x', 'y'};
    bad.body = open_end;
    assert_int_equal(nat_field_next(&bad, &at, &x), -1);
    struct nat_spec spec;
    struct nat_fault fault;
    assert_true(nat_spec_decode(&bad, &spec, &fault) < 0);
    assert_int_equal(fault.err, EPROTO);
}

/* Flip, cut and stretch: never a crash (run under sanitizers), never out of bounds. */
static void random_damage_is_survived(void **state)
{
    (void)state;
    struct nat_out o = {0};
    const uint8_t flags = 1;
    nat_out_begin(&o, NAT_SPEC);
    nat_out_text(&o, NAT_KEY_ID, "id");
    nat_out_pair(&o, NAT_KEY_CGROUP, &flags, "/sys/x", NULL);
    nat_out_pair(&o, NAT_KEY_VOLUME, &flags, "/a", "b");
    nat_out_u64(&o, NAT_KEY_UID, 5);
    nat_out_u64(&o, NAT_KEY_GROUP, 5);
    nat_out_text(&o, NAT_KEY_ARG, "arg");
    assert_true(nat_out_end(&o));
    uint32_t seed = 12345;
    for (int i = 0; i < 20000; i++) {
        char *copy = mu_xmemdup(o.data, o.len);
        for (int j = 0; j < 3; j++) {
            seed = seed * 1664525u + 1013904223u;
            copy[(seed >> 8) % o.len] = (char)(seed >> 24);
        }
        struct nat_frame f;
        long n = nat_frame_take(copy, o.len, &f);
        if (n > 0) {
            struct nat_spec spec;
            struct nat_fault fault;
            struct nat_message m;
            struct nat_status s;
            if (nat_spec_decode(&f, &spec, &fault) == 0) {
                nat_spec_release(&spec);
            }
            (void)nat_codec_message(&f, &m);
            (void)nat_status_decode(&f, &s);
        }
        free(copy);
    }
    nat_out_release(&o);
}

static struct mu_task_info *make_task(void)
{
    struct mu_task_info *t = mu_task_info_create();
    t->command.shell = true;
    t->command.value = mu_xstrdup("echo hi");
    assert_int_equal(mu_resources_parse("cpus:2;mem:100", "*", &t->resources, NULL), 0);
    return t;
}

static void launch_is_understood_by_the_supervisor(void **state)
{
    (void)state;
    struct mu_task_info *t = make_task();
    struct mu_pairs env = {0};
    mu_pairs_add(&env, "A", "1");
    mu_pairs_add(&env, "B", "x=y\nz");
    mu_pairs_add(&env, "A", "2");
    struct nat_user user = {
        .must_switch = true, .uid = 7, .gid = 8, .groups = {8, 9}, .group_count = 2};
    struct nat_layout layout = {.has_cpu = true,
                                .has_memory = true,
                                .cpu = "/c/muster",
                                .memory = "/m/muster",
                                .leave_v1 = "/s/muster",
                                .leave_v2 = "/u/muster"};
    struct nat_limit_flags limits = {0};
    struct nat_launch l = {.id = "c1",
                           .state_dir = "/w/containers/c1",
                           .sandbox = "/w/s",
                           .label = "/w",
                           .task = t,
                           .env = &env,
                           .user = &user,
                           .layout = &layout,
                           .limits = &limits,
                           .flags = NAT_NAMESPACES};
    struct nat_out o = {0};
    assert_true(nat_codec_spec(&l, &o));
    struct nat_frame f = take(&o);
    struct nat_spec s;
    struct nat_fault fault;
    assert_int_equal(nat_spec_decode(&f, &s, &fault), 0);
    assert_string_equal(s.id, "c1");
    assert_string_equal(s.state_dir, "/w/containers/c1");
    assert_string_equal(s.program, "/bin/sh");
    assert_int_equal(s.argc, 3);
    assert_string_equal(s.argv[2], "echo hi");
    assert_null(s.argv[3]);
    assert_int_equal(s.envc, 3);
    assert_string_equal(s.envp[0], "A=2");
    assert_string_equal(s.envp[1], "B=x=y\nz");
    assert_string_equal(s.envp[2], "MESOS_SANDBOX=/w/s");
    assert_null(s.envp[3]);
    assert_true(s.has_user);
    assert_int_equal(s.uid, 7);
    assert_int_equal(s.gid, 8);
    assert_int_equal(s.group_count, 2);
    assert_int_equal(s.groups[1], 9);
    assert_int_equal(s.cgroup_count, 2);
    assert_string_equal(s.cgroups[0].path, "/c/muster/c1");
    assert_int_equal(s.cgroups[0].flags, 0);
    assert_string_equal(s.cgroups[1].path, "/m/muster/c1");
    assert_int_equal(s.cgroups[1].flags, NAT_CGROUP_MEMORY);
    assert_int_equal(s.setting_count, 3);
    assert_string_equal(s.settings[0].path, "/c/muster/c1/cpu.shares");
    assert_string_equal(s.settings[0].value, "2048");
    assert_int_equal(s.leave_count, 2);
    assert_string_equal(s.leaves[0].path, "/s/muster/supervisors");
    assert_int_equal(s.leaves[1].flags, NAT_CGROUP_V2);
    nat_spec_release(&s);
    nat_out_release(&o);
    mu_pairs_release(&env);
    mu_task_info_unref(t);
}

static void oversized_launch_is_refused(void **state)
{
    (void)state;
    struct mu_task_info *t = make_task();
    struct mu_pairs env = {0};
    char *big = mu_xcalloc(NAT_FRAME_MAX + 2, 1);
    memset(big, 'x', NAT_FRAME_MAX + 1);
    mu_pairs_add(&env, "BIG", big);
    const struct nat_user user = {0};
    const struct nat_layout layout = {0};
    const struct nat_limit_flags limits = {0};
    struct nat_launch l = {.id = "c1",
                           .state_dir = "/w",
                           .sandbox = "/w",
                           .label = "/w",
                           .task = t,
                           .env = &env,
                           .user = &user,
                           .layout = &layout,
                           .limits = &limits};
    struct nat_out o = {0};
    assert_false(nat_codec_spec(&l, &o));
    nat_out_release(&o);
    free(big);
    mu_pairs_release(&env);
    mu_task_info_unref(t);
}

static void fault_becomes_a_sentence(void **state)
{
    (void)state;
    struct nat_out o = {0};
    struct nat_fault fault;
    nat_fault_set(&fault, ENOENT, "exec '%s'", "/no/such");
    nat_out_fault(&o, NAT_FAILED, &fault);
    struct nat_frame f = take(&o);
    struct nat_message m;
    assert_true(nat_codec_message(&f, &m));
    assert_int_equal(m.type, NAT_FAILED);
    assert_int_equal(m.code, -ENOENT);
    assert_string_equal(m.text, "exec '/no/such': no such file or directory");
    char longest[400];
    memset(longest, 'y', sizeof(longest));
    longest[399] = '\0';
    nat_fault_set(&fault, 0, "%s", longest);
    assert_string_equal(fault.what + strlen(fault.what) - 4, "y...");
    nat_out_fault(&o, NAT_FAILED, &fault);
    f = take(&o);
    assert_true(nat_codec_message(&f, &m));
    assert_true(m.code < 0);
    nat_out_release(&o);
}

static void unknown_frames_and_keys_are_skipped(void **state)
{
    (void)state;
    struct nat_out o = {0};
    nat_out_begin(&o, (enum nat_frame_type)'?');
    struct nat_frame f = take(&o);
    struct nat_message m;
    assert_false(nat_codec_message(&f, &m));
    nat_out_begin(&o, NAT_STARTED);
    nat_out_text(&o, (enum nat_key)200, "of a later version");
    nat_out_u64(&o, NAT_KEY_PID, 77);
    f = take(&o);
    assert_true(nat_codec_message(&f, &m));
    assert_int_equal(m.pid, 77);
    nat_out_release(&o);
}

static void status_comes_back_as_it_was(void **state)
{
    (void)state;
    const struct nat_status s = {.has_status = true,
                                 .wait_status = 0xff00,
                                 .oom = true,
                                 .asked = true,
                                 .mem_limit_bytes = 5,
                                 .mem_max_bytes = UINT64_C(1) << 40};
    struct nat_out o = {0};
    nat_status_encode(&o, NAT_STATUS, &s);
    struct nat_frame f = take(&o);
    struct nat_status back;
    assert_true(nat_status_decode(&f, &back));
    assert_true(back.has_status);
    assert_int_equal(back.wait_status, 0xff00);
    assert_true(back.oom);
    assert_true(back.asked);
    assert_false(back.leftover);
    assert_false(back.started);
    assert_int_equal(back.mem_limit_bytes, 5);
    assert_true(back.mem_max_bytes == UINT64_C(1) << 40);
    const struct nat_status none = {0};
    nat_status_encode(&o, NAT_STATUS, &none);
    f = take(&o);
    assert_true(nat_status_decode(&f, &back));
    assert_false(back.has_status);
    nat_out_release(&o);
}

static void state_directory_works_under_a_long_path(void **state)
{
    (void)state;
    char base[] = "/tmp/muster-native-XXXXXX";
    assert_non_null(mkdtemp(base));
    char name[201];
    memset(name, 'n', 200);
    name[200] = '\0';
    mu_auto_free char *dir = mu_xasprintf("%s/%s", base, name);
    int fds = test_fd_count();
    assert_int_equal(nat_state_connect(dir), -ENOENT);
    int listen_fd = nat_state_listen(dir);
    assert_true(listen_fd >= 0);
    assert_int_equal(nat_state_listen(dir), -EEXIST);
    int fd = nat_state_connect(dir);
    assert_true(fd >= 0);
    close(fd);
    close(listen_fd);
    assert_int_equal(nat_state_connect(dir), -ECONNREFUSED); /* nobody holds it open */
    assert_int_equal(nat_state_remove(dir), 0);
    assert_int_equal(nat_state_remove(dir), 0);
    assert_int_equal(test_fd_count(), fds);
    assert_int_equal(rmdir(base), 0);
}

static void commands_are_read_however_they_are_cut(void **state)
{
    (void)state;
    struct nat_out kill_frame = {0}, destroy_frame = {0};
    assert_true(nat_codec_signal(10, &kill_frame));
    assert_true(nat_codec_signal(0, &destroy_frame));
    char all[128];
    size_t len = kill_frame.len + destroy_frame.len;
    memcpy(all, kill_frame.data, kill_frame.len);
    memcpy(all + kill_frame.len, destroy_frame.data, destroy_frame.len);
    for (size_t cut = 0; cut <= len; cut++) {
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        struct nat_client c = {.fd = fds[0]};
        uint8_t types[2];
        int signals[2];
        size_t got = 0;
        for (int part = 0; part < 2; part++) {
            size_t from = part == 0 ? 0 : cut;
            size_t to = part == 0 ? cut : len;
            assert_int_equal(write(fds[1], all + from, to - from), to - from);
            assert_true(nat_client_fill(&c));
            while (nat_client_command(&c, &types[got], &signals[got])) {
                got++;
            }
        }
        assert_int_equal(got, 2);
        assert_int_equal(types[0], NAT_KILL);
        assert_int_equal(signals[0], 10);
        assert_int_equal(types[1], NAT_DESTROY);
        close(fds[1]);
        assert_false(nat_client_fill(&c)); /* end of file closes */
        assert_int_equal(c.fd, -1);
    }
    nat_out_release(&kill_frame);
    nat_out_release(&destroy_frame);
}

static void client_that_sends_rubbish_is_dropped(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct nat_client c = {.fd = fds[0]};
    char rubbish[NAT_CLIENT_RX] = {100, 0, 0, 0}; /* a frame too big to be a command */
    assert_int_equal(write(fds[1], rubbish, sizeof(rubbish)), sizeof(rubbish));
    assert_true(nat_client_fill(&c));
    uint8_t type;
    int signal_number;
    assert_false(nat_client_command(&c, &type, &signal_number));
    assert_int_equal(c.fd, -1);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_come_back_as_they_were),
        cmocka_unit_test(frame_needs_all_of_its_bytes),
        cmocka_unit_test(damaged_frames_are_refused),
        cmocka_unit_test(random_damage_is_survived),
        cmocka_unit_test(launch_is_understood_by_the_supervisor),
        cmocka_unit_test(oversized_launch_is_refused),
        cmocka_unit_test(fault_becomes_a_sentence),
        cmocka_unit_test(unknown_frames_and_keys_are_skipped),
        cmocka_unit_test(status_comes_back_as_it_was),
        cmocka_unit_test(state_directory_works_under_a_long_path),
        cmocka_unit_test(commands_are_read_however_they_are_cut),
        cmocka_unit_test(client_that_sends_rubbish_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
