/* Compiles only while every public struct has the layout that was frozen: sizes may not
 * change and fields may not move within an ABI minor. Before 1.0 a change needs a new
 * minor (see freeze.py); after it fields may be appended to structs that begin with their
 * size.
 */
#include <stddef.h>

#include <muster/app.h>
#include <muster/json_writer.h>
#include <muster/kind/api.h>
#include <muster/kind/containerizer.h>
#include <muster/kind/election.h>
#include <muster/kind/registry.h>
#include <muster/plugin.h>
#include <muster/time.h>

#if MU_ABI_MAJOR != 0 || MU_ABI_MINOR != 1
#error "a new ABI minor: freeze it with freeze.py and include the new file here"
#endif

#define SIZE(type, size)                                                                 \
    _Static_assert(sizeof(type) == (size), "size of " #type " changed")
#define AT(type, field, offset)                                                          \
    _Static_assert(offsetof(type, field) == (offset), #type "." #field " moved")

#if UINTPTR_MAX == 0xffffffffffffffffu
#include "frozen_0_1.h"
#endif

_Static_assert(MU_PLUGIN_MAGIC == 0x4d555354u, "magic changed");
_Static_assert(MU_KIND_ELECTION == 1 && MU_KIND_REGISTRY == 2 &&
                   MU_KIND_CONTAINERIZER == 3 && MU_KIND_API == 4,
               "numbers of the kinds changed");
_Static_assert(MU_FLAG_STRING == 1 && MU_FLAG_LIST == 6, "numbers of flag types changed");
