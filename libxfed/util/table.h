/*
 * uthash with our keyed hash and our allocator. Include this instead of <uthash.h>. Without memory, adding leaves the element out of the
 * table (its hh.tbl is NULL): check with XFED_TABLE_ADDED().
 */
#ifndef XFED_UTIL_TABLE_H
#define XFED_UTIL_TABLE_H

#include "xfed/hash.h"
#include "xfed/mem.h"

#define HASH_FUNCTION(key, keylen, hashv) ((hashv) = (unsigned)xfed_hash_bytes((key), (keylen)))
#define HASH_NONFATAL_OOM		  1
#define uthash_malloc(sz)		  xfed_malloc(sz)
#define uthash_free(ptr, sz)		  xfed_free(ptr)
#include <uthash.h>

#define XFED_TABLE_ADDED(elem) ((elem)->hh.tbl != NULL)

#endif
