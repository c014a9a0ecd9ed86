/* CRC-32C (Castagnoli), the checksum of the journal's file format. Any thread. */
#ifndef MU_RUNTIME_JOURNAL_CRC32C_H
#define MU_RUNTIME_JOURNAL_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Checksum of data that follows what crc is the checksum of; crc is 0 for the first
 * piece: crc32c(crc32c(0, "ab"), "c") equals crc32c(0, "abc"). */
uint32_t journal_crc32c(uint32_t crc, const void *data, size_t len);
/* The same from the table alone, so that a test can compare both on one machine. */
uint32_t journal_crc32c_portable(uint32_t crc, const void *data, size_t len);

#endif
