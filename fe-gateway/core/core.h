/*
 * core: the loop and its services (rt/daemon.h), which every room of the gateway uses, and ids derived from what they stand for. The lowest
 * room: it calls libxfed alone.
 */
#ifndef GATEWAY_CORE_CORE_H
#define GATEWAY_CORE_CORE_H

#include "xfed/reason.h"
#include "xfed/rt/daemon.h"

#define CORE_KEY_BYTES 16
#define CORE_ID_LEN    32

struct core {
	struct rt_daemon d;
	uint8_t id_key[CORE_KEY_BYTES]; /* the store's key; wiped at the end */
	uint64_t last_id;		/* for ids that are unique in this process */
};

static inline uint64_t core_now(const struct core *c)
{
	return rt_daemon_now_ms(&c->d);
}
static inline int64_t core_wall_s(const struct core *c)
{
	return rt_daemon_wall_s(&c->d);
}
static inline void core_flush_soon(struct core *c)
{
	rt_daemon_flush_soon(&c->d);
}
static inline void core_count_refusal(struct core *c, enum xfed_reason reason, enum xfed_side side)
{
	rt_daemon_count_refusal(&c->d, reason, side);
}
static inline void core_count_stanza(struct core *c, const char *partner, const char *direction, const char *kind, const char *fate)
{
	rt_daemon_count_stanza(&c->d, partner, direction, kind, fate);
}
static inline void core_count_dropped(struct core *c, const char *rule)
{
	rt_daemon_count_dropped(&c->d, rule);
}

/* ---- ids.c: derived with the store's key from the id of a delivery, so that a repeated delivery gives the same SIP request ---- */

struct core_id {
	char text[CORE_ID_LEN + 1]; /* in hexadecimal digits */
	uint64_t number;
};
enum core_id_use { CORE_ID_REQUEST, CORE_ID_STANZA };
/* For delivery `seq` of the sender `name`, in its run with this `nonce`. */
void core_id(const struct core *c, enum core_id_use use, struct xfed_span name, uint64_t nonce, uint64_t seq, struct core_id *out);

#endif
