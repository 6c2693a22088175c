/* Comparison of a received key with the one the secret gives. */
#ifndef XFED_DIALBACK_KEY_H
#define XFED_DIALBACK_KEY_H

#include "xfed/dialback.h"

/* OK or LIBRARY. `*matches` is false for an empty or unusable hash. */
int db_key_matches(struct xfed_span received, struct xfed_span hash_hex, struct xfed_span receiving, struct xfed_span originating,
	struct xfed_span stream_id, bool *matches);

#endif
