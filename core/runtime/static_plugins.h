/* The plugins that are linked into this executable (-Dstatic_plugins=true), as a table
 * for lt_dlpreload. The first entry is "@PROGRAM@"; each plugin is an entry with its file
 * name and no address, then one with its symbol <kind>_<name>_LTX_mu_plugin. Such an
 * executable's table is generated from static_plugins_linked.c.in and takes the place of
 * the empty one in static_plugins.c.
 */
#ifndef MU_RUNTIME_STATIC_PLUGINS_H
#define MU_RUNTIME_STATIC_PLUGINS_H

#include <ltdl.h>

extern const lt_dlsymlist static_plugins[];

#endif
