/* Known devices of one side of a pair. Inside the room only. */
#ifndef GATEWAY_PRESENCE_KNOWN_H
#define GATEWAY_PRESENCE_KNOWN_H

#include "interwork/presence.h"
#include "util/tally.h"

/* The last one heard of each resource or tuple; the names are unique. */
struct known {
	struct iw_device **list;
	uint32_t count, room;
	uint32_t doubtful; /* bit i: list[i] was not confirmed since a loss */
};

/* known.c */
/* `*is_new`: the state has changed. A closed device is removed. OK; LIMIT: it would be the 17th, NOMEM: the list is unchanged. */
int known_set(struct known *k, const struct iw_device *d, bool *is_new);
void known_remove(struct known *k, struct xfed_span name); /* data NULL: all of them */
bool known_forget_doubtful(struct known *k);		   /* true: at least one was removed */
uint64_t known_digest(const struct known *k);		   /* the same for the same devices, in any order; of none: 0 */
uint64_t device_digest(const struct iw_device *d);
void known_deinit(struct known *k);

#endif
