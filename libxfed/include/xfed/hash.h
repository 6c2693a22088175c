/*
 * Keyed hashing (SipHash, 64 bit). xfed_hash_bytes() is for tables whose keys come from the network: SipHash-1-3 with a random key per
 * process, so that a peer cannot fill one bucket; tables are uthash tables through util/table.h. xfed_siphash() is SipHash-2-4 with a key
 * of the caller's, for identifiers that others see.
 */
#ifndef XFED_HASH_H
#define XFED_HASH_H

#include "xfed/base.h"

/* 16 random bytes; call once at start, before the first table. Tests that do not call it use an all-zero key. */
void xfed_hash_set_key(const uint8_t key[16]);

uint64_t xfed_hash_bytes(const void *data, size_t len);
/* For tables of numbers that are given out by us or the other end of the channel: a multiplication by a secret, a tenth of the cost. */
unsigned xfed_hash_number(uint64_t n);
uint64_t xfed_siphash(const uint8_t key[16], const void *data, size_t len);

#endif
