/* What is known of the devices of one side, and how many of something each one has. Inside the room only. */
#ifndef GATEWAY_PRESENCE_KNOWN_H
#define GATEWAY_PRESENCE_KNOWN_H

#include "interwork/presence.h"

/* tally.c: OK, LIMIT (it has `most`), NOMEM */
struct tally;
int tally_take(struct tally **table, uint64_t key, size_t most);
void tally_give(struct tally **table, uint64_t key);
void tally_clear(struct tally **table);

/* ---- what is known of one side ---- */

/* The last one heard of each resource or tuple; the names are unique. */
struct known {
	struct iw_device **list;
	uint32_t count, room;
	uint32_t doubtful; /* bits by place: not said again since something was lost */
};

/* known.c */
/* False: it says nothing new. A device that has closed leaves the list. LIMIT (too many), NOMEM: it is as before. */
int known_set(struct known *k, const struct iw_device *d, bool *is_new);
struct iw_device *known_find(const struct known *k, struct xfed_span name);
void known_remove(struct known *k, struct xfed_span name); /* data NULL: all of them */
bool known_forget_doubtful(struct known *k);		   /* whether there was one */
uint64_t known_digest(const struct known *k);		   /* the same for the same devices, in any order; of none: 0 */
uint64_t device_digest(const struct iw_device *d);
void known_deinit(struct known *k);

#endif
