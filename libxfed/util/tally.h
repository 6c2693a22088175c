/*
 * Counters by key, for limits on what one user or partner may have: watches of a user, sessions of a partner, stanzas of it in this second.
 * A table is a pointer that is NULL at first; keys with a count of 0 cost no memory.
 */
#ifndef XFED_UTIL_TALLY_H
#define XFED_UTIL_TALLY_H

#include "xfed/base.h"

struct tally;

int tally_take(struct tally **table, uint64_t key, size_t most); /* OK, LIMIT (the count is `most` already), NOMEM */
void tally_give(struct tally **table, uint64_t key);
void tally_clear(struct tally **table);

#endif
