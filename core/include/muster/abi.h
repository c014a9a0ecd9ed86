/* The numbers and macros of the plugin ABI: what a plugin is stamped with and what the
 * host checks.
 *
 * ABI changelog (one block per minor; before 1.0 the major is 0 and minors must be
 * equal): 0.1  first: kinds election, registry, containerizer, api; struct mu_host as in
 * host.h.
 */
#ifndef MU_ABI_H
#define MU_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MU_ABI_MAJOR 0
#define MU_ABI_MINOR 1
#define MU_PLUGIN_MAGIC 0x4d555354u /* "MUST" */

/* Marks what libmuster.so and plugins export; everything else is hidden. */
#define MU_API __attribute__((visibility("default")))
#define MU_NODISCARD __attribute__((warn_unused_result))
#define MU_PRINTF(fmt_index, first_arg)                                                  \
    __attribute__((format(printf, fmt_index, first_arg)))

/* True if *obj (a struct that starts with its size in struct_size) is new enough to have
 * field. */
#define MU_HAS(type, obj, field)                                                         \
    ((obj)->struct_size >= offsetof(type, field) + sizeof((obj)->field))

#ifdef __cplusplus
#define MU_EXTERN_C_BEGIN extern "C" {
#define MU_EXTERN_C_END }
#else
#define MU_EXTERN_C_BEGIN
#define MU_EXTERN_C_END
#endif

#endif
