#include "sip/pace.h"

#include "sip/trans.h"
#include "util/list.h"
#include "xfed/hash.h"
#include "xfed/limits.h"

static struct sip_pace *pace_of(struct sip_layer *l, const struct sip_target *target)
{
	char where[SIP_IP_SIZE + sizeof(target->port)];
	size_t len = strnlen(target->ip, sizeof(target->ip));
	memcpy(where, target->ip, len);
	memcpy(where + len, &target->port, sizeof(target->port));
	return &l->paces.all[xfed_siphash(l->secret.bytes, where, len + sizeof(target->port)) % XFED_ARRAY_LEN(l->paces.all)];
}

/* True: one more may be sent now, and is counted. */
static bool take(struct sip_pace *p, uint64_t now_ms)
{
	uint64_t gone = (now_ms - p->at_ms) * XFED_SIP_PACE_PER_MS;
	p->level = gone < p->level ? p->level - (unsigned)gone : 0;
	p->at_ms = now_ms;
	if (p->level >= XFED_SIP_PACE_BURST) {
		return false;
	}
	p->level++;
	return true;
}

/* All wait equally long, so the one that begins last is due last. */
static void wait_from(struct sip_layer *l, struct sip_pace *p, uint64_t now_ms)
{
	p->due_ms = now_ms + XFED_SIP_PACE_MS;
	DL_APPEND(l->paces.due, p);
}

void sip_pace_send(struct sip_layer *l, struct sip_trans *t, uint64_t now_ms)
{
	if (!sip_trans_is_client(t) || t->target.transport != SIP_UDP) {
		sip_trans_send(l, t);
		return;
	}
	struct sip_pace *p = pace_of(l, &t->target);
	if (t->pace) {
		return; /* its time has not come */
	}
	if (!p->waiting && take(p, now_ms)) {
		sip_trans_send(l, t);
		return;
	}
	if (!p->waiting) {
		wait_from(l, p, now_ms);
	}
	DL_APPEND2(p->waiting, t, pace_prev, pace_next);
	t->pace = p;
}

void sip_pace_leave(struct sip_layer *l, struct sip_trans *t)
{
	struct sip_pace *p = t->pace;
	if (!p) {
		return;
	}
	DL_DELETE2(p->waiting, t, pace_prev, pace_next);
	t->pace = NULL;
	if (!p->waiting) {
		DL_DELETE(l->paces.due, p);
	}
}

void sip_pace_tick(struct sip_layer *l, uint64_t now_ms)
{
	struct sip_pace *p;
	size_t keep = SIP_ACTIONS_MAX / 2; /* kept for timers */
	while (sip_layer_room(l) > keep && (p = l->paces.due) && p->due_ms <= now_ms) {
		if (take(p, now_ms)) {
			struct sip_trans *t = p->waiting;
			sip_pace_leave(l, t);
			sip_trans_send(l, t);
		} else {
			DL_DELETE(l->paces.due, p);
			wait_from(l, p, now_ms);
		}
	}
}

uint64_t sip_pace_deadline(const struct sip_layer *l)
{
	return l->paces.due ? l->paces.due->due_ms : UINT64_MAX;
}
