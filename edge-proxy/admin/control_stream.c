/* One stream, or one pair of domains, for an operator: shown, closed, dialled again. */
#include <stdio.h>
#include <stdlib.h>

#include "admin/check.h"

#include "xfed/mem.h"

static json_t *text(struct xfed_span s)
{
	return json_stringn(s.data ? s.data : "", s.len);
}

/* ---- finding ---- */

struct edge_conn *edge_control_stream_of(struct edge *e, struct xfed_span id)
{
	char digits[24], *end;
	size_t name_len = strlen(e->config->name);
	bool is_named = id.len > name_len && memcmp(id.data, e->config->name, name_len) == 0 && id.data[name_len] == '/';
	size_t skip = is_named ? name_len + 1 : 0;
	if (id.len - skip == 0 || id.len - skip >= sizeof(digits) || id.data[skip] < '0' || id.data[skip] > '9') {
		return NULL;
	}
	memcpy(digits, id.data + skip, id.len - skip);
	digits[id.len - skip] = '\0';
	unsigned long long n = strtoull(digits, &end, 10);
	struct edge_conn *c = *end == '\0' ? edge_conn_find(e, n) : NULL;
	return c && !c->is_closed ? c : NULL;
}

/* ---- stream show ---- */

/* What has been sent, or received, since it runs; acknowledged by the partner, or by us. */
static void add_sm(json_t *j, const struct xfed_s2s_info *info)
{
	bool is_in = info->direction == XFED_S2S_IN;
	json_object_set_new(j, "stream_management",
		json_pack("{s:I, s:I}", is_in ? "received" : "sent", (json_int_t)(is_in ? info->sm_received : info->sm_sent), "acknowledged",
			(json_int_t)(is_in ? info->sm_covered : info->sm_acked)));
}

static void add_tls(json_t *j, const struct edge_conn *c, const struct xfed_s2s_info *info)
{
	enum xfed_reason problem = c->direction == XFED_S2S_OUT ? info->cert_reason : info->tls.chain_reason;
	if (info->tls.peer) {
		json_object_set_new(j, "certificate", check_certificate(info->tls.peer, 100));
	}
	if (problem != XFED_REASON_NONE) {
		json_object_set_new(j, "certificate_problem", json_string(xfed_reason_code(problem)));
	}
}

json_t *edge_control_stream_show(struct edge *e, struct xfed_span id)
{
	struct edge_conn *c = edge_control_stream_of(e, id);
	struct xfed_s2s_info info = { .state_name = "connecting" };
	if (!c) {
		return NULL;
	}
	if (c->s2s) {
		xfed_s2s_info(c->s2s, &info);
	} else {
		info.local = xfed_span_str(c->pair->local);
		info.remote = xfed_span_str(c->pair->remote);
		info.opened_ms = info.last_traffic_ms = rt_loop_now_ms(e->core.d.loop);
	}
	json_t *j = edge_control_stream_json(c, &info);
	if (j) {
		json_object_set_new(j, "stanzas_in", json_integer((json_int_t)c->stanzas_in));
		json_object_set_new(j, "stanzas_out", json_integer((json_int_t)c->stanzas_out));
		json_object_set_new(j, "paused", json_boolean(c->is_paused));
	}
	if (j && info.peer_bytes > 0) {
		json_object_set_new(j, "peer_stanza_size", json_integer((json_int_t)info.peer_bytes));
	}
	if (j && info.has_sm) {
		add_sm(j, &info);
	}
	if (j && info.is_secure) {
		add_tls(j, c, &info);
	}
	return j;
}

/* ---- stream close ---- */

json_t *edge_control_stream_close(struct edge *e, struct xfed_span id)
{
	struct edge_conn *c = edge_control_stream_of(e, id);
	if (!c) {
		return NULL;
	}
	struct xfed_s2s_info info = { 0 };
	if (c->s2s) {
		xfed_s2s_info(c->s2s, &info);
	}
	json_t *j = json_pack("{s:I, s:o, s:o, s:s}", "id", (json_int_t)c->id, "local", text(info.local), "remote", text(info.remote), "reason",
		xfed_reason_code(XFED_REASON_STREAM_CLOSED_OPERATOR));
	edge_conn_close(c, XFED_REASON_STREAM_CLOSED_OPERATOR, "");
	return j;
}

/* ---- pairs ---- */

static const char *state_word(enum edge_pair_state s)
{
	switch (s) {
	case EDGE_PAIR_IDLE:
		return "idle";
	case EDGE_PAIR_RESOLVING:
		return "resolving";
	case EDGE_PAIR_CONNECTING:
		return "connecting";
	case EDGE_PAIR_NEGOTIATING:
		return "negotiating";
	case EDGE_PAIR_READY:
		return "ready";
	}
	return "";
}

static bool is_pair(const struct edge_pair *p, struct xfed_span local, struct xfed_span remote)
{
	return xfed_span_is(remote, p->remote) && (local.len == 0 || xfed_span_is(local, p->local));
}

static json_t *pair_json(const struct edge_pair *p)
{
	uint64_t now = rt_loop_now_ms(p->edge->core.d.loop);
	json_t *j = json_pack(
		"{s:s, s:s, s:s, s:I}", "local", p->local, "remote", p->remote, "state", state_word(p->state), "queued", (json_int_t)p->queue_count);
	if (j && p->state == EDGE_PAIR_IDLE && now < p->retry_at_ms) {
		json_object_set_new(j, "retry_in_ms", json_integer((json_int_t)(p->retry_at_ms - now)));
	}
	if (j && p->last_reason != XFED_REASON_NONE) {
		json_object_set_new(j, "last_reason", json_string(xfed_reason_code(p->last_reason)));
	}
	return j;
}

/* A stream of theirs that has proved the pair, or may prove it: of several pairs by dialback the first is what it shows. */
static bool has_inbound(struct edge *e, struct xfed_span local, struct xfed_span remote)
{
	for (const struct edge_conn *c = e->conns; c; c = c->hh.next) {
		struct xfed_s2s_info info;
		if (c->is_closed || !c->is_established || c->direction != XFED_S2S_IN) {
			continue;
		}
		xfed_s2s_info(c->s2s, &info);
		if (xfed_span_eq(info.remote, remote) && xfed_span_eq(info.local, local)) {
			return true;
		}
	}
	return false;
}

json_t *edge_control_pair(struct edge *e, struct xfed_span local, struct xfed_span remote)
{
	json_t *j = json_pack("{s:s, s:b, s:b, s:b, s:I, s:I}", "state", edge_service_name(e->service), "is_local",
		e->policy && xfed_policy_is_local(e->policy, local), "is_listed", e->policy && xfed_policy_partner(e->policy, remote) != NULL, "in",
		has_inbound(e, local, remote), "epoch", (json_int_t)e->revision.epoch, "revision", (json_int_t)e->revision.counter);
	for (const struct edge_pair *p = e->pairs; j && p; p = p->hh.next) {
		if (!p->is_verify && is_pair(p, local, remote)) {
			json_object_set_new(j, "out", pair_json(p));
		}
	}
	return j;
}

/* ---- retry ---- */

/* Something to send, so that the stream is opened, of which nothing is written. */
static int dial(struct edge *e, struct xfed_span local, struct xfed_span remote)
{
	struct edge_item *it = edge_item_new(XFED_SPAN(""), remote, XFED__KIND__KIND_NONE, NULL);
	if (!it) {
		return XFED_ERR_NOMEM;
	}
	it->rule = "retry";
	edge_pair_send(e, local, remote, it);
	return XFED_OK;
}

static void forget_waiting(struct edge *e, struct xfed_span local, struct xfed_span remote)
{
	for (struct edge_pair *p = e->pairs; p; p = p->hh.next) {
		if (is_pair(p, local, remote)) {
			p->backoff_ms = p->retry_at_ms = 0;
		}
	}
}

json_t *edge_control_retry(struct edge *e, struct xfed_span local, struct xfed_span remote)
{
	json_t *list = json_array();
	bool is_known = e->policy && xfed_policy_partner(e->policy, remote) && (local.len == 0 || xfed_policy_is_local(e->policy, local));
	struct edge_pair *p, *next;
	forget_waiting(e, local, remote);
	HASH_ITER(hh, e->pairs, p, next) {
		if (is_known && !p->is_verify && is_pair(p, local, remote)) {
			if (p->state == EDGE_PAIR_IDLE && dial(e, xfed_span_str(p->local), remote) != XFED_OK) {
				json_decref(list);
				return NULL;
			}
			json_array_append_new(list, pair_json(p));
		}
	}
	if (is_known && json_array_size(list) == 0 && local.len > 0) {
		/* An attempt of long ago, forgotten here. */
		if (dial(e, local, remote) != XFED_OK) {
			json_decref(list);
			return NULL;
		}
		json_array_append_new(
			list, json_pack("{s:o, s:o, s:s, s:i}", "local", text(local), "remote", text(remote), "state", "resolving", "queued", 0));
	}
	return json_pack("{s:o}", "pairs", list);
}
