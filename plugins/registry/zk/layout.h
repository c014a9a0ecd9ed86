/* How a store lies in ZooKeeper, as texts. Pure.
 *
 *   <path>/registry/<store>/fence           who writes: "EPOCH TAKING". It changes with
 *                                           each taking and at no other time; each batch
 *                                           checks its version, each writer watches it
 *   <path>/registry/<store>/last            the number of the last batch; each batch sets
 *                                           it at the version that the one before left
 *   <path>/registry/<store>/b00 ... b3f     64 buckets, so that no list of children grows
 *                                           beyond what ZooKeeper puts into one answer
 *   <path>/registry/<store>/b1c/<key>       an entry; every byte of the key but letters,
 *                                           digits, '-', '_' and inner '.' is written as
 *                                           %XX
 *   <path>/registry/<store>/chunks/<set>-N  pieces of a value that is too big for a batch
 *
 * An entry's data is "V" and the value, or "C<count> <length> <set>". A set's name is
 * never used twice: it has the taking in it.
 */
#ifndef ZKR_LAYOUT_H
#define ZKR_LAYOUT_H

#include <muster/kind/registry.h>

#define ZKR_BUCKETS 64u
#define ZKR_CHUNK_BYTES (512u * 1024)
#define ZKR_SET_MAX 64u
/* Of a path below the store's: "/b00/" and a key with every byte escaped. */
#define ZKR_NAME_MAX (MU_REGISTRY_KEY_MAX * 3 + 8)

/* "/b1c/apps%2Fweb", without the store's path. out has ZKR_NAME_MAX bytes. */
void zkr_entry_name(const char *key, char *out);
/* The key of a child of a bucket; out has MU_REGISTRY_KEY_MAX + 1 bytes. false: not as
 * zkr_entry_name writes it, so not ours. */
bool zkr_key_parse(const char *child, char *out);

struct zkr_ref { /* of a value in chunks */
    char set[ZKR_SET_MAX];
    uint32_t count; /* of chunks; 0: the value is in the entry */
    size_t len;
};
/* Foreign bytes: what an entry says. In the entry: value points into data. */
int zkr_entry_parse(const char *data,
                    size_t len,
                    const char **out_value,
                    struct zkr_ref *out_ref,
                    struct mu_error *err);
uint32_t zkr_chunks_of(size_t len);

/* Empty texts are of a store that nobody has written yet: zeros. */
struct zkr_fence {
    uint64_t epoch;
    uint64_t taking; /* drawn at each recover: two of the same epoch are told apart */
};
int zkr_fence_parse(const char *data,
                    size_t len,
                    struct zkr_fence *out,
                    struct mu_error *err);
int zkr_last_parse(const char *data, size_t len, uint64_t *out, struct mu_error *err);

#endif
