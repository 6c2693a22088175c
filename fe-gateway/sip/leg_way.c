/* Where requests inside a dialog go: its target, the connection there, and what becomes of it when that closes. */
#include "sip/legs.h"

#include <stdio.h>

void sip_leg_unbind(struct sip_leg *leg)
{
	if (leg->flow_prev) {
		*leg->flow_prev = leg->flow_next;
		if (leg->flow_next) {
			leg->flow_next->flow_prev = leg->flow_prev;
		}
	}
	leg->flow_prev = NULL;
	leg->flow_next = NULL;
}

static void bind_to(struct sip_leg **list, struct sip_leg *leg)
{
	leg->flow_next = *list;
	leg->flow_prev = list;
	if (leg->flow_next) {
		leg->flow_next->flow_prev = &leg->flow_next;
	}
	*list = leg;
}

static size_t size_of(const struct sip_target *t)
{
	return offsetof(struct sip_target, tls_name) + strlen(t->tls_name) + 1;
}

bool sip_leg_set_target(struct sip_leg *leg, const struct sip_target *t)
{
	size_t size = size_of(t);
	struct sip_target *mem = leg->target && size_of(leg->target) >= size ? leg->target : xfed_malloc(size);
	if (!mem) {
		return false;
	}
	memmove(mem, t, size);
	if (mem != leg->target) {
		xfed_free(leg->target);
		leg->target = mem;
	}
	return true;
}

void sip_leg_target(const struct sip_leg *leg, struct sip_target *out)
{
	*out = (struct sip_target){ 0 };
	memcpy(out, leg->target, size_of(leg->target));
}

/* Whoever has judged the way has to do so again. */
static void way_changed(struct sip_leg *leg)
{
	if (leg->dialog) {
		leg->dialog->judged = 0;
	}
}

void sip_leg_moved(struct sip_layer *l, struct sip_leg *leg, const struct sip_target *target, bool is_ours)
{
	if (!sip_leg_set_target(leg, target)) {
		return;
	}
	leg->is_target_ours = is_ours;
	way_changed(leg);
	sip_leg_unbind(leg);
	if (target->transport != SIP_UDP && target->flow != 0) {
		bind_to(&l->leg_flows[target->flow % SIP_FLOW_BUCKETS], leg);
	}
}

/*
 * Keeps the address: the next request opens a connection to it, or uses an open one. A dialog that a running request makes is not in
 * doubt: that request's own end says what became of it.
 */
void sip_leg_close_flow(struct sip_layer *l, uint64_t flow)
{
	struct sip_leg *next;
	for (struct sip_leg *leg = l->leg_flows[flow % SIP_FLOW_BUCKETS]; leg; leg = next) {
		next = leg->flow_next;
		if (leg->target->flow == flow) {
			sip_leg_unbind(leg);
			leg->target->flow = 0;
			way_changed(leg);
			if (leg->maker == 0) {
				bind_to(&l->doubted, leg);
			}
		}
	}
}

void sip_leg_tell_doubted(struct sip_layer *l)
{
	while (l->doubted && sip_layer_room(l) > 0) {
		struct sip_leg *leg = l->doubted;
		sip_leg_unbind(leg);
		sip_layer_push(l, &(struct sip_layer_action){ .kind = SIP_ACT_DOUBTED, .user = leg->user, .id = leg->id, .dialog = leg->number });
	}
}

void sip_leg_took(struct sip_layer *l, struct sip_leg *leg, const struct sip_target *way)
{
	const struct sip_target *own = leg->target;
	if (own->flow == 0 && way->flow != 0) {
		sip_leg_moved(l, leg, way, leg->is_target_ours && sip_target_is_same_place(own, way));
	}
}

bool sip_layer_flow_is_used(const struct sip_layer *l, uint64_t flow)
{
	for (const struct sip_leg *leg = l->leg_flows[flow % SIP_FLOW_BUCKETS]; leg; leg = leg->flow_next) {
		if (leg->target->flow == flow) {
			return true;
		}
	}
	return false;
}

/* ---- called by users ---- */

bool sip_layer_dialog_named(struct sip_layer *l, uint64_t dialog, struct xfed_span name)
{
	struct sip_leg *leg = sip_leg_by_number(l, dialog);
	struct sip_target named;
	if (!leg || name.len >= sizeof(named.tls_name)) {
		return true;
	}
	sip_leg_target(leg, &named);
	snprintf(named.tls_name, sizeof(named.tls_name), "%.*s", (int)name.len, name.data);
	return sip_leg_set_target(leg, &named);
}

const struct sip_dialog *sip_layer_dialog_way(const struct sip_layer *l, uint64_t dialog, struct sip_target *out, bool *is_ours)
{
	const struct sip_leg *leg = sip_leg_by_number(l, dialog);
	if (!leg || !leg->dialog) {
		return NULL;
	}
	sip_leg_target(leg, out);
	*is_ours = leg->is_target_ours;
	return leg->dialog;
}

void sip_layer_dialog_judged(struct sip_layer *l, uint64_t dialog, uint32_t mark)
{
	struct sip_leg *leg = sip_leg_by_number(l, dialog);
	if (leg && leg->dialog) {
		leg->dialog->judged = mark;
	}
}
