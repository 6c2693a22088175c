/* Asking next hops before anybody needs them: whether they are found, reached and answer OPTIONS. Included by trunk.h. */
#ifndef GATEWAY_TRUNK_ASK_H
#define GATEWAY_TRUNK_ASK_H

#include "config/config.h"

struct trunk;

/* Belongs to whoever asks until `done` is called: it sets the first two. */
struct trunk_asking {
	void (*done)(void *user); /* never during trunk_ask(); at the latest by trunk_stop() */
	void *user;
	struct trunk_hop *hop; /* NULL: all */
	uint64_t until_ms;
	struct trunk_asking *prev, *next;
};

/*
 * Asks the next hop of `d`, unless it was sent something within the last minute; with NULL those of all domains of which nothing is known.
 * True: `done` follows when each has answered or failed, or in `within_ms` at the latest. False: nobody had to be asked.
 */
bool trunk_ask(struct trunk *t, const struct config_domain *d, uint64_t within_ms, struct trunk_asking *a);

/* At the end of each turn. */
void trunk_flush(struct trunk *t);

#endif
