/* Which entries a store has, and which of them are in chunks: what the only writer knows
 * without asking. A red-black tree of libc; values are not kept. Loop thread. */
#ifndef ZKR_ENTRIES_H
#define ZKR_ENTRIES_H

#include "layout.h"

struct zkr_entry {
    char *key;
    struct zkr_ref ref;
};
struct zkr_entries {
    void *root;
};

struct zkr_entry *zkr_entries_get(const struct zkr_entries *e, const char *key);
struct zkr_entry *zkr_entries_put(struct zkr_entries *e,
                                  const char *key); /* or the one there is */
void zkr_entries_remove(struct zkr_entries *e, const char *key);
void zkr_entries_release(struct zkr_entries *e);

#endif
