/*
 * uthash with our keyed hash and our allocator. Include this instead of <uthash.h>. Without memory, adding leaves the element out of the
 * table (its hh.tbl is NULL): check with XFED_TABLE_ADDED().
 */
#ifndef XFED_UTIL_TABLE_H
#define XFED_UTIL_TABLE_H

#include "xfed/hash.h"
#include "xfed/mem.h"

/* What has eight bytes is a number nearly always. */
static inline unsigned xfed_table_hash(const void *key, size_t len)
{
	uint64_t n;
	if (len != sizeof(n)) {
		return (unsigned)xfed_hash_bytes(key, len);
	}
	memcpy(&n, key, sizeof(n));
	return xfed_hash_number(n);
}

#define HASH_FUNCTION(key, keylen, hashv) ((hashv) = xfed_table_hash((key), (keylen)))
#define HASH_NONFATAL_OOM		  1
#define uthash_malloc(sz)		  xfed_malloc(sz)
#define uthash_free(ptr, sz)		  xfed_free(ptr)
#include <uthash.h>

#define XFED_TABLE_ADDED(elem) ((elem)->hh.tbl != NULL)

#endif
