/* Docker command line options -> fields of the Engine API: every line of the table. */
#include "docker_kit.h"

#include <stdio.h>

#include "base/alloc.h"
#include "params.h"

#define NET "mynet"

struct param_case {
    const char *key, *value;
    const char *json; /* of the whole body; "error: ..." */
};

static char *apply(const struct mu_pairs *params, const char *network, unsigned api)
{
    struct dkr_fields fields = {0};
    struct dkr_params_target target = {
        .fields = &fields, .network = network, .api_version = api};
    struct mu_error err;
    char *text = NULL;
    if (dkr_params_apply(params, &target, &err) < 0) {
        text = mu_xasprintf("error: %s", err.text);
    } else {
        text = docker_fields_json(&fields);
    }
    mu_strings_release(&target.ignored);
    dkr_fields_release(&fields);
    return text;
}

static void check(const struct param_case *cases, size_t count, const char *network)
{
    for (size_t i = 0; i < count; i++) {
        struct mu_pairs params = {0};
        mu_pairs_add(&params, cases[i].key, cases[i].value);
        mu_auto_free char *text = apply(&params, network, 141);
        if (strcmp(text, cases[i].json) != 0) {
            fail_msg("%s=%s:\n got  %s\n want %s", cases[i].key, cases[i].value, text,
                     cases[i].json);
        }
        mu_pairs_release(&params);
    }
}

#define CHECK(cases, network) check(cases, sizeof(cases) / sizeof((cases)[0]), network)

static void simple_options_set_their_field(void **state)
{
    static const struct param_case cases[] = {
        {"env", "A=b=c", "{\"Env\":[\"A=b=c\"]}"},
        {"e", "A=", "{\"Env\":[\"A=\"]}"},
        {"label", "a.b=c", "{\"Labels\":{\"a.b\":\"c\"}}"},
        {"l", "bare", "{\"Labels\":{\"bare\":\"\"}}"},
        {"user", "1000:1000", "{\"User\":\"1000:1000\"}"},
        {"u", "web", "{\"User\":\"web\"}"},
        {"workdir", "/srv", "{\"WorkingDir\":\"/srv\"}"},
        {"w", "/srv", "{\"WorkingDir\":\"/srv\"}"},
        {"hostname", "web1", "{\"Hostname\":\"web1\"}"},
        {"h", "web1", "{\"Hostname\":\"web1\"}"},
        {"domainname", "example.org", "{\"Domainname\":\"example.org\"}"},
        {"entrypoint", "/init", "{\"Entrypoint\":[\"/init\"]}"},
        {"tty", "", "{\"Tty\":true}"},
        {"t", "false", "{\"Tty\":false}"},
        {"stop-signal", "SIGINT", "{\"StopSignal\":\"SIGINT\"}"},
        {"stop-timeout", "5", "{\"StopTimeout\":5}"},
        {"init", "true", "{\"HostConfig\":{\"Init\":true}}"},
        {"read-only", "true", "{\"HostConfig\":{\"ReadonlyRootfs\":true}}"},
        {"volumes-from", "db:ro", "{\"HostConfig\":{\"VolumesFrom\":[\"db:ro\"]}}"},
        {"volume-driver", "nfs", "{\"HostConfig\":{\"VolumeDriver\":\"nfs\"}}"},
        {"storage-opt", "size=1G", "{\"HostConfig\":{\"StorageOpt\":{\"size\":\"1G\"}}}"},
        {"shm-size", "64m", "{\"HostConfig\":{\"ShmSize\":67108864}}"},
        {"publish-all", "true", "{\"HostConfig\":{\"PublishAllPorts\":true}}"},
        {"P", "", "{\"HostConfig\":{\"PublishAllPorts\":true}}"},
        {"add-host", "db:10.0.0.1",
         "{\"HostConfig\":{\"ExtraHosts\":[\"db:10.0.0.1\"]}}"},
        {"dns", "10.0.0.1", "{\"HostConfig\":{\"Dns\":[\"10.0.0.1\"]}}"},
        {"dns-search", "a.org", "{\"HostConfig\":{\"DnsSearch\":[\"a.org\"]}}"},
        {"dns-opt", "ndots:1", "{\"HostConfig\":{\"DnsOptions\":[\"ndots:1\"]}}"},
        {"dns-option", "ndots:1", "{\"HostConfig\":{\"DnsOptions\":[\"ndots:1\"]}}"},
    };
    (void)state;
    CHECK(cases, "bridge");
}

static void limits_and_rights_set_their_field(void **state)
{
    static const struct param_case cases[] = {
        {"memory", "64m", "{\"HostConfig\":{\"Memory\":67108864}}"},
        {"m", "1g", "{\"HostConfig\":{\"Memory\":1073741824}}"},
        {"memory-swap", "-1", "{\"HostConfig\":{\"MemorySwap\":-1}}"},
        {"memory-reservation", "32m",
         "{\"HostConfig\":{\"MemoryReservation\":33554432}}"},
        {"memory-swappiness", "0", "{\"HostConfig\":{\"MemorySwappiness\":0}}"},
        {"kernel-memory", "32m", "{\"HostConfig\":{\"KernelMemory\":33554432}}"},
        {"oom-kill-disable", "true", "{\"HostConfig\":{\"OomKillDisable\":true}}"},
        {"oom-score-adj", "-500", "{\"HostConfig\":{\"OomScoreAdj\":-500}}"},
        {"cpu-shares", "512", "{\"HostConfig\":{\"CpuShares\":512}}"},
        {"c", "512", "{\"HostConfig\":{\"CpuShares\":512}}"},
        {"cpus", "1.5", "{\"HostConfig\":{\"NanoCpus\":1500000000}}"},
        {"cpu-period", "50000", "{\"HostConfig\":{\"CpuPeriod\":50000}}"},
        {"cpu-quota", "25000", "{\"HostConfig\":{\"CpuQuota\":25000}}"},
        {"cpu-rt-period", "1000000", "{\"HostConfig\":{\"CpuRealtimePeriod\":1000000}}"},
        {"cpu-rt-runtime", "950000", "{\"HostConfig\":{\"CpuRealtimeRuntime\":950000}}"},
        {"cpuset-cpus", "0-3", "{\"HostConfig\":{\"CpusetCpus\":\"0-3\"}}"},
        {"cpuset-mems", "0", "{\"HostConfig\":{\"CpusetMems\":\"0\"}}"},
        {"pids-limit", "100", "{\"HostConfig\":{\"PidsLimit\":100}}"},
        {"blkio-weight", "300", "{\"HostConfig\":{\"BlkioWeight\":300}}"},
        {"privileged", "true", "{\"HostConfig\":{\"Privileged\":true}}"},
        {"cap-add", "NET_ADMIN", "{\"HostConfig\":{\"CapAdd\":[\"NET_ADMIN\"]}}"},
        {"cap-drop", "ALL", "{\"HostConfig\":{\"CapDrop\":[\"ALL\"]}}"},
        {"group-add", "audio", "{\"HostConfig\":{\"GroupAdd\":[\"audio\"]}}"},
        {"device-cgroup-rule", "c 42:* rmw",
         "{\"HostConfig\":{\"DeviceCgroupRules\":[\"c 42:* rmw\"]}}"},
        {"userns", "host", "{\"HostConfig\":{\"UsernsMode\":\"host\"}}"},
        {"pid", "host", "{\"HostConfig\":{\"PidMode\":\"host\"}}"},
        {"ipc", "host", "{\"HostConfig\":{\"IpcMode\":\"host\"}}"},
        {"uts", "host", "{\"HostConfig\":{\"UTSMode\":\"host\"}}"},
        {"cgroupns", "host", "{\"HostConfig\":{\"CgroupnsMode\":\"host\"}}"},
        {"cgroup-parent", "/x", "{\"HostConfig\":{\"CgroupParent\":\"/x\"}}"},
        {"sysctl", "net.core.somaxconn=1024",
         "{\"HostConfig\":{\"Sysctls\":{\"net.core.somaxconn\":\"1024\"}}}"},
        {"runtime", "runsc", "{\"HostConfig\":{\"Runtime\":\"runsc\"}}"},
        {"isolation", "default", "{\"HostConfig\":{\"Isolation\":\"default\"}}"},
        {"log-driver", "journald",
         "{\"HostConfig\":{\"LogConfig\":{\"Type\":\"journald\"}}}"},
        {"log-opt", "max-size=10m",
         "{\"HostConfig\":{\"LogConfig\":{\"Config\":{\"max-size\":\"10m\"}}}}"},
        {"health-cmd", "curl -f http://x",
         "{\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"curl -f http://x\"]}}"},
        {"health-interval", "30s", "{\"Healthcheck\":{\"Interval\":30000000000}}"},
        {"health-timeout", "1s", "{\"Healthcheck\":{\"Timeout\":1000000000}}"},
        {"health-start-period", "1m", "{\"Healthcheck\":{\"StartPeriod\":60000000000}}"},
        {"health-retries", "3", "{\"Healthcheck\":{\"Retries\":3}}"},
        {"no-healthcheck", "true", "{\"Healthcheck\":{\"Test\":[\"NONE\"]}}"},
    };
    (void)state;
    CHECK(cases, "bridge");
}

static void options_with_a_syntax_of_their_own_are_taken_apart(void **state)
{
#define DEVICE(outside, inside, rights)                                                  \
    "{\"HostConfig\":{\"Devices\":[{\"CgroupPermissions\":\"" rights                     \
    "\",\"PathInContainer\":\"" inside "\",\"PathOnHost\":\"" outside "\"}]}}"
    static const struct param_case cases[] = {
        {"volume", "/srv:/data:ro", "{\"HostConfig\":{\"Binds\":[\"/srv:/data:ro\"]}}"},
        {"v", "cache:/cache", "{\"HostConfig\":{\"Binds\":[\"cache:/cache\"]}}"},
        {"v", "/anonymous", "{\"Volumes\":{\"/anonymous\":{}}}"},
        {"v", "", "error: docker parameter 'v': it names no path"},
        {"tmpfs", "/run:rw,size=64m",
         "{\"HostConfig\":{\"Tmpfs\":{\"/run\":\"rw,size=64m\"}}}"},
        {"tmpfs", "/run", "{\"HostConfig\":{\"Tmpfs\":{\"/run\":\"\"}}}"},
        {"ulimit", "nofile=1024:2048",
         "{\"HostConfig\":{\"Ulimits\":[{\"Hard\":2048,\"Name\":\"nofile\",\"Soft\":1024}"
         "]}}"},
        {"ulimit", "core=-1",
         "{\"HostConfig\":{\"Ulimits\":[{\"Hard\":-1,\"Name\":\"core\",\"Soft\":-1}]}}"},
        {"ulimit", "nofile",
         "error: docker parameter 'ulimit': 'nofile' is not name=soft:hard"},
        {"device", "/dev/sda", DEVICE("/dev/sda", "/dev/sda", "rwm")},
        {"device", "/dev/sda:/dev/xvda", DEVICE("/dev/sda", "/dev/xvda", "rwm")},
        {"device", "/dev/sda:/dev/xvda:r", DEVICE("/dev/sda", "/dev/xvda", "r")},
        {"device", "/dev/sda:rw", DEVICE("/dev/sda", "/dev/sda", "rw")},
        {"device", "/dev/sda:/x:y",
         "error: docker parameter 'device': '/dev/sda:/x:y' is not "
         "device:path:permissions"},
        {"device-read-bps", "/dev/sda:1m",
         "{\"HostConfig\":{\"BlkioDeviceReadBps\":[{\"Path\":\"/dev/"
         "sda\",\"Rate\":1048576}]}}"},
        {"device-write-bps", "/dev/sda:1m",
         "{\"HostConfig\":{\"BlkioDeviceWriteBps\":[{\"Path\":\"/dev/"
         "sda\",\"Rate\":1048576}]}}"},
        {"device-read-iops", "/dev/sda:100",
         "{\"HostConfig\":{\"BlkioDeviceReadIOps\":[{\"Path\":\"/dev/"
         "sda\",\"Rate\":100}]}}"},
        {"device-write-iops", "/dev/sda:100",
         "{\"HostConfig\":{\"BlkioDeviceWriteIOps\":[{\"Path\":\"/dev/"
         "sda\",\"Rate\":100}]}}"},
        {"blkio-weight-device", "/dev/sda:200",
         "{\"HostConfig\":{\"BlkioWeightDevice\":[{\"Path\":\"/dev/"
         "sda\",\"Weight\":200}]}}"},
        {"gpus", "all",
         "{\"HostConfig\":{\"DeviceRequests\":[{\"Capabilities\":[[\"gpu\"]],\"Count\":-"
         "1}]}}"},
        {"gpus", "2",
         "{\"HostConfig\":{\"DeviceRequests\":[{\"Capabilities\":[[\"gpu\"]],\"Count\":2}"
         "]}}"},
        {"gpus", "device=0,1",
         "{\"HostConfig\":{\"DeviceRequests\":[{\"Capabilities\":[[\"gpu\"]],"
         "\"DeviceIDs\":[\"0\",\"1\"],\"Driver\":\"\"}]}}"},
        {"security-opt", "no-new-privileges",
         "{\"HostConfig\":{\"SecurityOpt\":[\"no-new-privileges\"]}}"},
        {"security-opt", "seccomp=unconfined",
         "{\"HostConfig\":{\"SecurityOpt\":[\"seccomp=unconfined\"]}}"},
        {"security-opt", "seccomp=/etc/p.json",
         "error: docker parameter 'security-opt': a seccomp profile must be given as its "
         "JSON "
         "text, not as a file"},
        {"restart", "no", "{}"},
        {"net", "bridge", "{}"},
        {"interactive", "true", "{}"},
        {"rm", "true", "{}"},
    };
    (void)state;
    CHECK(cases, "bridge");
}

static void ports_are_published_singly_and_in_ranges(void **state)
{
    static const struct param_case cases[] = {
        {"expose", "80", "{\"ExposedPorts\":{\"80/tcp\":{}}}"},
        {"expose", "80-81/udp", "{\"ExposedPorts\":{\"80/udp\":{},\"81/udp\":{}}}"},
        {"publish", "8080:80",
         "{\"ExposedPorts\":{\"80/tcp\":{}},\"HostConfig\":{\"PortBindings\":{\"80/"
         "tcp\":["
         "{\"HostIp\":\"\",\"HostPort\":\"8080\"}]}}}"},
        {"p", "127.0.0.1:8080:80/udp",
         "{\"ExposedPorts\":{\"80/udp\":{}},\"HostConfig\":{\"PortBindings\":{\"80/"
         "udp\":["
         "{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"8080\"}]}}}"},
        {"p", "[::1]:8080:80",
         "{\"ExposedPorts\":{\"80/tcp\":{}},\"HostConfig\":{\"PortBindings\":{\"80/"
         "tcp\":["
         "{\"HostIp\":\"::1\",\"HostPort\":\"8080\"}]}}}"},
        {"p", "80",
         "{\"ExposedPorts\":{\"80/tcp\":{}},\"HostConfig\":{\"PortBindings\":{\"80/"
         "tcp\":["
         "{\"HostIp\":\"\",\"HostPort\":\"\"}]}}}"},
        {"p", "127.0.0.1::80",
         "{\"ExposedPorts\":{\"80/tcp\":{}},\"HostConfig\":{\"PortBindings\":{\"80/"
         "tcp\":["
         "{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"\"}]}}}"},
        {"p", "9000-9001:80-81",
         "{\"ExposedPorts\":{\"80/tcp\":{},\"81/"
         "tcp\":{}},\"HostConfig\":{\"PortBindings\":{"
         "\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"9000\"}],"
         "\"81/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"9001\"}]}}}"},
        {"p", "9000-9002:80-81",
         "error: docker parameter 'p': the ranges differ in length"},
        {"p", "x:80", "error: docker parameter 'p': 'x' is not a port"},
    };
    (void)state;
    CHECK(cases, "bridge");
}

static void mounts_are_read_in_any_order(void **state)
{
    static const struct param_case cases[] = {
        {"mount", "type=bind,source=/srv,target=/data,readonly",
         "{\"HostConfig\":{\"Mounts\":[{\"ReadOnly\":true,\"Source\":\"/srv\",\"Target\":"
         "\"/data\",\"Type\":\"bind\"}]}}"},
        {"mount", "dst=/data,src=cache",
         "{\"HostConfig\":{\"Mounts\":[{\"Source\":\"cache\",\"Target\":\"/"
         "data\",\"Type\":"
         "\"volume\"}]}}"},
        {"mount", "type=tmpfs,target=/tmp,tmpfs-size=64m,tmpfs-mode=1770",
         "{\"HostConfig\":{\"Mounts\":[{\"Target\":\"/"
         "tmp\",\"TmpfsOptions\":{\"Mode\":1016,"
         "\"SizeBytes\":67108864},\"Type\":\"tmpfs\"}]}}"},
        {"mount", "type=bind,src=/a,dst=/b,bind-propagation=rslave",
         "{\"HostConfig\":{\"Mounts\":[{\"BindOptions\":{\"Propagation\":\"rslave\"},"
         "\"Source\":\"/a\",\"Target\":\"/b\",\"Type\":\"bind\"}]}}"},
        {"mount", "src=v,dst=/v,volume-driver=nfs,volume-opt=share=x,volume-opt=o=ro",
         "{\"HostConfig\":{\"Mounts\":[{\"Source\":\"v\",\"Target\":\"/"
         "v\",\"Type\":\"volume\","
         "\"VolumeOptions\":{\"DriverConfig\":{\"Name\":\"nfs\",\"Options\":{\"o\":"
         "\"ro\","
         "\"share\":\"x\"}}}}]}}"},
        {"mount", "type=bind,target=/data",
         "error: docker parameter 'mount': a bind mount needs a source"},
        {"mount", "source=/a", "error: docker parameter 'mount': it has no target"},
        {"mount", "type=x,target=/a",
         "error: docker parameter 'mount': type 'x' is not known"},
        {"mount", "target=/a,colour=red",
         "error: docker parameter 'mount': 'colour' is not known"},
    };
    (void)state;
    CHECK(cases, "bridge");
}

static void endpoint_settings_go_to_the_network_of_the_container(void **state)
{
    static const struct param_case cases[] = {
        {"net-alias", "web",
         "{\"NetworkingConfig\":{\"EndpointsConfig\":{\"mynet\":{\"Aliases\":[\"web\"]}}}"
         "}"},
        {"network-alias", "web",
         "{\"NetworkingConfig\":{\"EndpointsConfig\":{\"mynet\":{\"Aliases\":[\"web\"]}}}"
         "}"},
        {"ip", "10.1.0.5",
         "{\"NetworkingConfig\":{\"EndpointsConfig\":{\"mynet\":{\"IPAMConfig\":{"
         "\"IPv4Address\":\"10.1.0.5\"}}}}}"},
        {"ip6", "fd00::5",
         "{\"NetworkingConfig\":{\"EndpointsConfig\":{\"mynet\":{\"IPAMConfig\":{"
         "\"IPv6Address\":\"fd00::5\"}}}}}"},
        {"link", "db:db",
         "{\"NetworkingConfig\":{\"EndpointsConfig\":{\"mynet\":{\"Links\":[\"db:db\"]}}}"
         "}"},
    };
    static const struct param_case refused[] = {
        {"ip", "10.1.0.5",
         "error: docker parameter 'ip': it needs a network made by a user, the network "
         "here is "
         "'bridge'"},
        {"link", "db:db", "{\"HostConfig\":{\"Links\":[\"db:db\"]}}"},
    };
    (void)state;
    CHECK(cases, NET);
    CHECK(refused, "bridge");
}

static void mac_address_moves_to_the_endpoint_with_newer_engines(void **state)
{
    struct mu_pairs params = {0};
    (void)state;
    mu_pairs_add(&params, "mac-address", "02:42:ac:11:00:02");
    mu_auto_free char *old = apply(&params, "bridge", 143);
    mu_auto_free char *newer = apply(&params, "bridge", 144);
    assert_string_equal(old, "{\"MacAddress\":\"02:42:ac:11:00:02\"}");
    assert_string_equal(newer, "{\"NetworkingConfig\":{\"EndpointsConfig\":{\"bridge\":{"
                               "\"MacAddress\":\"02:42:ac:11:00:02\"}}}}");
    mu_pairs_release(&params);
}

static void unknown_and_harmful_options_are_refused_by_name(void **state)
{
    static const struct param_case cases[] = {
        {"no-such", "1", "error: docker parameter 'no-such' is not known"},
        {"", "1", "error: docker parameter '' is not known"},
        {"--", "1", "error: docker parameter '--' is not known"},
        {"name", "x",
         "error: docker parameter 'name': not allowed: the container's name is how it is "
         "found "
         "again"},
        {"cidfile", "x",
         "error: docker parameter 'cidfile': not allowed: there is no client that could "
         "write "
         "it"},
        {"env-file", "x",
         "error: docker parameter 'env-file': not allowed: there is no client that could "
         "read "
         "it; use env"},
        {"restart", "always",
         "error: docker parameter 'restart': not allowed: a task that ended is started "
         "anew by "
         "the scheduler"},
        {"env", "NOVALUE", "error: docker parameter 'env': 'NOVALUE' is not NAME=value"},
        {"memory", "lots",
         "error: docker parameter 'memory': 'lots' does not start with a number"},
        {"cpus", "0",
         "error: docker parameter 'cpus': '0' is not a number of processors"},
    };
    (void)state;
    CHECK(cases, "bridge");
}

static void keys_may_have_the_dashes_of_the_command_line(void **state)
{
    static const struct param_case cases[] = {
        {"-v", "/srv:/srv", "{\"HostConfig\":{\"Binds\":[\"/srv:/srv\"]}}"},
        {"--memory", "64m", "{\"HostConfig\":{\"Memory\":67108864}}"},
    };
    (void)state;
    CHECK(cases, "bridge");
}

static void repeated_options_append_or_the_last_one_wins(void **state)
{
    struct mu_pairs params = {0};
    (void)state;
    mu_pairs_add(&params, "env", "A=1");
    mu_pairs_add(&params, "env", "A=2");
    mu_pairs_add(&params, "ulimit", "nofile=1");
    mu_pairs_add(&params, "ulimit", "nproc=2:3");
    mu_pairs_add(&params, "memory", "64m");
    mu_pairs_add(&params, "memory", "128m");
    mu_pairs_add(&params, "entrypoint", "/a");
    mu_pairs_add(&params, "entrypoint", "/b");
    mu_auto_free char *text = apply(&params, "bridge", 141);
    assert_string_equal(
        text,
        "{\"Entrypoint\":[\"/b\"],\"Env\":[\"A=1\",\"A=2\"],\"HostConfig\":{\"Memory\":"
        "134217728,\"Ulimits\":[{\"Hard\":1,\"Name\":\"nofile\",\"Soft\":1},{\"Hard\":3,"
        "\"Name\":\"nproc\",\"Soft\":2}]}}");
    mu_pairs_release(&params);
}

static void options_without_effect_are_named(void **state)
{
    struct mu_pairs params = {0};
    struct dkr_fields fields = {0};
    struct dkr_params_target target = {
        .fields = &fields, .network = "bridge", .api_version = 141};
    (void)state;
    mu_pairs_add(&params, "rm", "true");
    mu_pairs_add(&params, "d", "true");
    assert_int_equal(dkr_params_apply(&params, &target, NULL), 0);
    assert_int_equal(target.ignored.count, 2);
    assert_string_equal(target.ignored.v[0], "rm");
    assert_string_equal(target.ignored.v[1], "detach");
    assert_int_equal(fields.count, 0);
    mu_strings_release(&target.ignored);
    mu_pairs_release(&params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simple_options_set_their_field),
        cmocka_unit_test(limits_and_rights_set_their_field),
        cmocka_unit_test(options_with_a_syntax_of_their_own_are_taken_apart),
        cmocka_unit_test(ports_are_published_singly_and_in_ranges),
        cmocka_unit_test(mounts_are_read_in_any_order),
        cmocka_unit_test(endpoint_settings_go_to_the_network_of_the_container),
        cmocka_unit_test(mac_address_moves_to_the_endpoint_with_newer_engines),
        cmocka_unit_test(unknown_and_harmful_options_are_refused_by_name),
        cmocka_unit_test(keys_may_have_the_dashes_of_the_command_line),
        cmocka_unit_test(repeated_options_append_or_the_last_one_wins),
        cmocka_unit_test(options_without_effect_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
