/* Hashes: CRC-32C for stored records, SipHash-2-4 for tables and trace fingerprints.
 *
 * Both are defined byte for byte, the same on every machine. Neither is for secrets
 * beyond keeping a hash table's buckets from being guessed.
 */
#ifndef MU_BASE_HASH_H
#define MU_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli). Start with crc 0; feed the last result to go on with more bytes.
 */
uint32_t mu_crc32c(uint32_t crc, const void *data, size_t len);

/* SipHash-2-4 with the 128-bit key k0, k1. */
uint64_t mu_siphash(uint64_t k0, uint64_t k1, const void *data, size_t len);

/* SipHash with a key derived from one seed. */
uint64_t mu_hash64(uint64_t seed, const void *data, size_t len);

#endif
