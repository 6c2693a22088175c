#include "sip/keepalive.h"

/* Up to a fifth earlier, so that connections opened together are not pinged together (RFC 5626 section 4.4.1). */
static void be_quiet(struct sip_keepalive *k, uint64_t now_ms)
{
	uint32_t r = 0;
	k->env->random(k->env->user, &r, sizeof(r));
	k->is_waiting = false;
	k->at_ms = k->every_ms > 0 ? now_ms + k->every_ms - k->every_ms / 5 * (r % 1024) / 1024 : UINT64_MAX;
}

void sip_keepalive_init(struct sip_keepalive *k, const struct xfed_env *env, uint64_t every_ms, uint64_t now_ms)
{
	*k = (struct sip_keepalive){ .env = env, .every_ms = every_ms };
	be_quiet(k, now_ms);
}

void sip_keepalive_heard(struct sip_keepalive *k, bool is_pong, uint64_t now_ms)
{
	k->has_answered |= is_pong;
	if (k->is_waiting) {
		be_quiet(k, now_ms);
	}
}

enum sip_keepalive_verdict sip_keepalive_tick(struct sip_keepalive *k, uint64_t now_ms)
{
	if (now_ms < k->at_ms) {
		return SIP_KEEPALIVE_NOTHING;
	}
	if (!k->is_waiting) {
		k->is_waiting = true;
		k->at_ms = now_ms + SIP_KEEPALIVE_PONG_MS;
		return SIP_KEEPALIVE_PING;
	}
	bool is_lost = k->has_answered;
	be_quiet(k, now_ms);
	return is_lost ? SIP_KEEPALIVE_LOST : SIP_KEEPALIVE_NOTHING;
}
