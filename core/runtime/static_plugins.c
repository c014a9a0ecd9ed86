/* The table of a build that loads its plugins from files: see static_plugins.h. An
 * executable that brings a table of its own is linked without this one. */
#include "runtime/static_plugins.h"

const lt_dlsymlist static_plugins[] = {
    {"@PROGRAM@", NULL},
    {NULL, NULL},
};
