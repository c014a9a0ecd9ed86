/* What the contract suites share: the plugin under test, loaded as the product loads it,
 * on a real host or on one with virtual time.
 *
 * A suite is one program; meson.build runs it once per implementation:
 *     contract_registry PATH/registry_x.so [virtual] [durable] [--flag=value...]
 * virtual: no loop, time moves only when nothing else is due. durable: what was
 * acknowledged outlives the instance. An '@' in a flag's value becomes a number that no
 * other host of this run had: a path in servers that all tests share.
 */
#ifndef TESTS_CONTRACT_KIT_H
#define TESTS_CONTRACT_KIT_H

#include <stdbool.h>
#include <stdint.h>

#include <muster/plugin.h>

#include "lib/test_host.h"

struct kit {
    const struct mu_plugin *plugin;
    struct mu_flags *flags;
    char *arguments[8]; /* flags, as given */
    size_t argument_count;
    uint32_t world;
    bool is_virtual, is_durable;
    const struct mu_host *host;
    void *instance;
    /* real */
    struct test_host *th;
    /* virtual */
    struct mu_host table;
    uint64_t now_ms;
    struct mu_timer *timers; /* by due time, then by order of start */
    int64_t wall_back_ms;    /* how far the wall clock was set back */
};

/* Parse the arguments, load the plugin and check its descriptor. Exits on a mistake. */
void kit_load(struct kit *k, int argc, char **argv, uint32_t kind);
void kit_unload(struct kit *k); /* of what load made; the plugin stays mapped */

/* A host, and an instance that is created but not started. */
void kit_host_open(struct kit *k);
void kit_create(struct kit *k);
void kit_start(struct kit *k);
/* Stop (if it was started), destroy. */
void kit_destroy(struct kit *k, bool was_started);
void kit_host_close(struct kit *k);

/* Turn until *flag; false: nothing is left that could set it, or it took too long. */
bool kit_run_until(struct kit *k, const bool *flag);
/* Turn a few times without waiting: what must not come would have come. */
void kit_turn(struct kit *k);
void kit_set_flag(void *arg); /* arg: bool * */

#endif
