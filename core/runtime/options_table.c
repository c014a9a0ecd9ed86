/* The flag tables of the subcommands. Mesos' flags keep Mesos' names and forms, those of
 * the app scheduler keep Marathon's (whose time spans are whole milliseconds). A flag
 * stands here only if something reads it. */
#include "runtime/options.h"

#include "base/alloc.h"
#include "runtime/flags.h"

#define MASTERS (OPTIONS_MASTER | OPTIONS_LOCAL)
#define AGENTS (OPTIONS_AGENT | OPTIONS_LOCAL)
#define ALL (OPTIONS_MASTER | OPTIONS_AGENT | OPTIONS_LOCAL)

struct option {
    uint32_t commands;
    struct mu_flag flag;
};

static const struct option option_table[] = {
    /* ---- plugins ---- */
    {ALL,
     {"election", MU_FLAG_STRING, 0, NULL, "NAME",
      "Election plugin: who leads. Default: zk when --zk (or --master=zk://...) is "
      "given, "
      "in_memory otherwise."}},
    {MASTERS,
     {"registry", MU_FLAG_STRING, 0, NULL, "NAME",
      "Registry plugin: where the master keeps its state. Default: zk when the election "
      "is zk, else replicated_log when --work_dir is given, in_memory otherwise."}},
    {MASTERS,
     {"app_registry", MU_FLAG_STRING, 0, NULL, "NAME",
      "Registry plugin for the app scheduler's apps. Default: the same as --registry, "
      "but "
      "zk when that is in_memory and the election is zk."}},
    {AGENTS,
     {"containerizers", MU_FLAG_LIST, 0, "docker,mesos", "NAME,...",
      "Containerizer plugins, in the order in which they are asked to take a "
      "container."}},
    {MASTERS,
     {"api", MU_FLAG_LIST, 0, "mesos,marathon", "NAME,...",
      "Api plugins: the HTTP dialects that are spoken."}},
    {OPTIONS_AGENT,
     {"api", MU_FLAG_LIST, 0, "mesos", "NAME,...",
      "Api plugins: the HTTP dialects that are spoken."}},
    {ALL,
     {"plugin_dir", MU_FLAG_STRING, 0, NULL, "DIR",
      "Directory to look for plugins in before the usual places."}},

    /* ---- addresses ---- */
    {OPTIONS_MASTER | OPTIONS_AGENT,
     {"ip", MU_FLAG_STRING, 0, "0.0.0.0", "ADDRESS", "Address to listen on."}},
    {OPTIONS_LOCAL,
     {"ip", MU_FLAG_STRING, 0, "127.0.0.1", "ADDRESS", "Address to listen on."}},
    {ALL,
     {"advertise_ip", MU_FLAG_STRING, 0, NULL, "ADDRESS",
      "Address that others are told. Default: that of --ip, or of the first network "
      "interface."}},
    {ALL,
     {"hostname", MU_FLAG_STRING, 0, NULL, "NAME",
      "Host name that others are told. Default: the system's."}},
    {ALL,
     {"hostname_lookup", MU_FLAG_BOOL, 0, "true", NULL,
      "Without --hostname: tell others the system's name; if false, the address."}},
    {MASTERS,
     {"port", MU_FLAG_INT, 0, "5050", "PORT",
      "Port of the master's APIs. 0: a free one, which the log tells."}},
    {OPTIONS_AGENT,
     {"port", MU_FLAG_INT, 0, "5051", "PORT",
      "Port of the agent's APIs. 0: a free one, which the log tells."}},
    {MASTERS,
     {"marathon_port", MU_FLAG_INT, 0, "8080", "PORT",
      "Port of the app scheduler's API. 0: a free one, which the log tells."}},
    {OPTIONS_LOCAL,
     {"agent_port", MU_FLAG_INT, 0, "5051", "PORT",
      "Port of the agent's APIs. 0: a free one, which the log tells."}},
    {OPTIONS_AGENT,
     {"master", MU_FLAG_STRING, 0, "127.0.0.1:5050", "HOST:PORT",
      "Where the master is: HOST:PORT, or zk://HOST:PORT,.../PATH to follow the "
      "leader, or file:///PATH of a file that holds one of both."}},

    /* ---- storage and log ---- */
    {OPTIONS_MASTER,
     {"work_dir", MU_FLAG_STRING, 0, NULL, "DIR",
      "Directory for what must survive a restart. Made if it is missing."}},
    {AGENTS,
     {"work_dir", MU_FLAG_STRING, 0, NULL, "DIR",
      "Directory for what must survive a restart, and for the sandboxes of tasks. Made "
      "if "
      "it is missing. Default: muster-<user id> in the directory for temporary files; "
      "apps "
      "are kept only when this flag is given."}},
    {ALL, {"log_format", MU_FLAG_STRING, 0, "text", "text|json", "Form of log lines."}},
    {ALL,
     {"logging_level", MU_FLAG_STRING, 0, "INFO", "LEVEL",
      "Least important lines to log: ERROR, WARNING, INFO, DEBUG or TRACE."}},

    /* ---- master ---- */
    {ALL,
     {"zk", MU_FLAG_STRING, 0, NULL, "URL",
      "ZooKeeper servers for the election: zk://[USER:SECRET@]HOST:PORT,.../PATH, or "
      "file:///PATH of a file that holds this."}},
    {ALL,
     {"zk_session_timeout", MU_FLAG_DURATION, 0, "10secs", NULL,
      "Time after which ZooKeeper takes a silent master for dead: 1secs to 15mins; the "
      "servers may allow less."}},
    {MASTERS,
     {"quorum", MU_FLAG_INT, 0, NULL, "N",
      "Majority of the masters, for the replicated log; no other registry needs it."}},
    {MASTERS,
     {"cluster", MU_FLAG_STRING, 0, NULL, "NAME", "Name of the cluster, for people."}},
    {MASTERS,
     {"agent_ping_timeout", MU_FLAG_DURATION, 0, "15secs", NULL,
      "Time for an agent to answer a ping: 1secs to 15mins."}},
    {MASTERS,
     {"max_agent_ping_timeouts", MU_FLAG_INT, 0, "5", NULL,
      "Pings in a row that an agent may miss before it is unreachable."}},
    {MASTERS,
     {"agent_reregister_timeout", MU_FLAG_DURATION, 0, "10mins", NULL,
      "Time for known agents to come back after a failover before they are "
      "unreachable."}},
    {MASTERS,
     {"agent_removal_rate_limit", MU_FLAG_STRING, 0, NULL, "N/DURATION",
      "Agents become unreachable at this rate at most, for example 1/10mins; one that "
      "comes back before its turn is left alone. Default: no limit."}},
    {MASTERS,
     {"recovery_agent_removal_limit", MU_FLAG_STRING, 0, "100%", "PERCENT",
      "If more of the known agents than this have not come back in time after a "
      "failover, none of them becomes unreachable until enough others are back."}},
    {MASTERS,
     {"registry_gc_interval", MU_FLAG_DURATION, 0, "15mins", NULL,
      "Time between two looks for records of agents that are too old or too many."}},
    {MASTERS,
     {"registry_max_agent_age", MU_FLAG_DURATION, 0, "2weeks", NULL,
      "Agents that have been unreachable or gone for longer are forgotten."}},
    {MASTERS,
     {"registry_max_agent_count", MU_FLAG_INT, 0, "102400", NULL,
      "Most unreachable agents, and most gone ones, to remember; the oldest go first."}},
    {MASTERS,
     {"allocation_interval", MU_FLAG_DURATION, 0, "1secs", NULL,
      "Time between two full passes of the allocator."}},
    {MASTERS,
     {"offer_timeout", MU_FLAG_DURATION, 0, NULL, NULL,
      "Time after which an unused offer is withdrawn. Default: never."}},
    {MASTERS,
     {"max_completed_frameworks", MU_FLAG_INT, 0, "50", NULL,
      "Ended frameworks to remember."}},
    {MASTERS,
     {"max_completed_tasks_per_framework", MU_FLAG_INT, 0, "1000", NULL,
      "Ended tasks to remember per framework."}},

    /* ---- app scheduler ---- */
    {MASTERS,
     {"framework_name", MU_FLAG_STRING, 0, "marathon", "NAME",
      "Name of the app scheduler's framework."}},
    {MASTERS,
     {"mesos_user", MU_FLAG_STRING, 0, NULL, "USER",
      "User that apps run as unless they name one. Default: the one muster runs as."}},
    {MASTERS,
     {"mesos_role", MU_FLAG_STRING, 0, "*", "ROLE", "Role of the app scheduler."}},
    {MASTERS,
     {"webui_url", MU_FLAG_STRING, 0, NULL, "URL",
      "Address of the apps' web interface."}},
    {MASTERS,
     {"failover_timeout", MU_FLAG_INT, 0, "604800", "SECONDS",
      "Time for the app scheduler to come back before its tasks are stopped."}},
    {MASTERS,
     {"decline_offer_duration", MU_FLAG_INT, 0, "120000", "MS",
      "Time for which a declined offer is not offered again, in milliseconds."}},
    {MASTERS,
     {"min_revive_offers_interval", MU_FLAG_INT, 0, "5000", "MS",
      "Least time between two requests for all offers, in milliseconds."}},
    {MASTERS,
     {"reconciliation_initial_delay", MU_FLAG_INT, 0, "15000", "MS",
      "Time from election to the first reconciliation of tasks, in milliseconds."}},
    {MASTERS,
     {"reconciliation_interval", MU_FLAG_INT, 0, "600000", "MS",
      "Time between reconciliations of tasks, in milliseconds."}},
    {MASTERS,
     {"scale_apps_initial_delay", MU_FLAG_INT, 0, "15000", "MS",
      "Time from election to the first check of instance counts, in milliseconds."}},
    {MASTERS,
     {"scale_apps_interval", MU_FLAG_INT, 0, "300000", "MS",
      "Time between checks of instance counts, in milliseconds."}},
    {MASTERS,
     {"task_launch_confirm_timeout", MU_FLAG_INT, 0, "300000", "MS",
      "Time for a launched task to be heard of, in milliseconds."}},
    {MASTERS,
     {"task_launch_timeout", MU_FLAG_INT, 0, "300000", "MS",
      "Time for a launched task to run, pulling its image included, in milliseconds."}},
    {MASTERS,
     {"kill_retry_timeout", MU_FLAG_INT, MU_FLAG_HIDDEN, "30000", "MS",
      "Time after which a kill is asked for again, in milliseconds."}},
    {MASTERS,
     {"max_instances_per_offer", MU_FLAG_INT, 0, "100", NULL,
      "Tasks that one offer may start."}},
    {MASTERS,
     {"max_running_deployments", MU_FLAG_INT, 0, "100", NULL,
      "Deployments at a time; more are refused."}},
    {MASTERS,
     {"local_port_min", MU_FLAG_INT, 0, "10000", "PORT",
      "First service port to give to apps."}},
    {MASTERS,
     {"local_port_max", MU_FLAG_INT, 0, "20000", "PORT",
      "Service ports to give to apps end before this one."}},

    /* ---- agent ---- */
    {AGENTS,
     {"resources", MU_FLAG_STRING, 0, NULL, "RESOURCES",
      "What to offer: 'cpus:4;mem:4096;disk:10000;ports:[31000-32000]'. What is not "
      "named "
      "is found out."}},
    {AGENTS,
     {"attributes", MU_FLAG_STRING, 0, NULL, "ATTRIBUTES",
      "Attributes of this host: 'rack:r1;zone:a'."}},
    {AGENTS,
     {"registration_backoff_factor", MU_FLAG_DURATION, 0, "1secs", NULL,
      "The first new try to register comes within this time, each further one within "
      "twice the last, up to 1mins. When another master leads the first try comes within "
      "a tenth of this time."}},
    {AGENTS,
     {"gc_delay", MU_FLAG_DURATION, 0, "1weeks", NULL,
      "Time for which the sandbox of an ended task is kept."}},

    /* ---- log ---- */
    {OPTIONS_LOG,
     {"work_dir", MU_FLAG_STRING, MU_FLAG_REQUIRED, NULL, "DIR",
      "The work_dir of a master that does not run. Nothing in it is changed."}},
    {OPTIONS_LOG,
     {"log", MU_FLAG_STRING, 0, NULL, "NAME",
      "Look at one log only: master (agents and roles) or apps. Default: all."}},
    {OPTIONS_LOG,
     {"format", MU_FLAG_STRING, 0, "text", "text|json",
      "status and verify: json prints an object for each log, a line each."}},
    {OPTIONS_LOG,
     {"values", MU_FLAG_BOOL, 0, "false", NULL,
      "dump: print values whole, however long they are."}},
    {OPTIONS_LOG,
     {"map", MU_FLAG_BOOL, 0, "false", NULL,
      "dump: at the end, the entries that the records add up to."}},
    {OPTIONS_LOG,
     {"registry", MU_FLAG_STRING, 0, "replicated_log", "NAME",
      "Registry plugin that wrote the log."}},
    {OPTIONS_LOG,
     {"plugin_dir", MU_FLAG_STRING, 0, NULL, "DIR",
      "Directory to look for plugins in before the usual places."}},
};

static const struct flags_alias alias_table[] = {
    {"http_port", "marathon_port"},
    {"log_level", "logging_level"},
    {"max_slave_ping_timeouts", "max_agent_ping_timeouts"},
    {"recovery_slave_removal_limit", "recovery_agent_removal_limit"},
    {"slave_removal_rate_limit", "agent_removal_rate_limit"},
    {"max_tasks_per_offer", "max_instances_per_offer"},
    {"slave_ping_timeout", "agent_ping_timeout"},
    {"slave_reregister_timeout", "agent_reregister_timeout"},
    {NULL, NULL},
};

static struct mu_flag *pick(uint32_t commands, bool exactly)
{
    struct mu_flag *table = mu_xcalloc(MU_COUNT_OF(option_table) + 1, sizeof(*table));
    size_t count = 0;
    for (size_t i = 0; i < MU_COUNT_OF(option_table); i++) {
        uint32_t of_flag = option_table[i].commands;
        if (exactly ? of_flag == commands : (of_flag & commands) != 0) {
            table[count++] = option_table[i].flag;
        }
    }
    return table;
}

struct mu_flag *options_table(uint32_t command)
{
    return pick(command, false);
}

struct mu_flag *options_table_of_exactly(uint32_t commands)
{
    return pick(commands, true);
}

const struct flags_alias *options_aliases(void)
{
    return alias_table;
}
