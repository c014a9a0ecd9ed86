/* A made-up disk with one journal on it, byte by byte in the journal's own format: what
 * is torn or damaged is found by the code that reads real files. */
#ifndef PAXOS_DISK_H
#define PAXOS_DISK_H

#include <muster/buf.h>

#include "base/prng.h"
#include "base/vec.h"
#include "runtime/journal_format.h"

typedef MU_VEC(struct mu_buf) entries;

void entries_push(entries *v, const void *data, size_t len);
void entries_release(entries *v);

struct disk { /* zeroed: no file */
    struct mu_buf file;
    struct journal_id id;
    uint64_t next_seq;
    uint64_t last_group; /* where the last write begins: all before it is durable */
};

void disk_release(struct disk *d);
bool disk_is_empty(const struct disk *d);
/* One write, as when it has come through. */
void disk_append(struct disk *d, struct mu_prng *prng, const struct mu_buf *entry);
void disk_rewrite(struct disk *d, struct mu_prng *prng, const entries *v);
/* A part of a write is there, and the machine is not. */
void disk_tear(struct disk *d, struct mu_prng *prng, const struct mu_buf *entry);
/* One bit of what was durable turns. false: there is nothing whose damage can be told
 * from a write that has not come through. */
bool disk_damage(struct disk *d, struct mu_prng *prng);
/* All entries, as a process finds them when it starts; a torn tail is cut off. Errors:
 * MU_E_CORRUPT. */
MU_NODISCARD int
disk_read(struct disk *d, mu_journal_record_cb cb, void *arg, struct mu_error *err);

#endif
