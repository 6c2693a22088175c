#include "edge.h"

#include "xfed/mem.h"

#define LEAVE_BOUNCE_MS 10000 /* to hand back what is parked */
#define LEAVE_CLOSE_MS	(XFED_S2S_CLOSE_WAIT_MS + 1000)
#define LEAVE_LAST_MS	2000 /* of it: for the last words of partners, and the answers to them */

const char *edge_service_name(enum edge_service s)
{
	switch (s) {
	case EDGE_IN_SERVICE:
		return "in-service";
	case EDGE_DRAINING:
		return "draining";
	case EDGE_OUT_OF_SERVICE:
	case EDGE_LEAVING:
		break;
	}
	return "out-of-service";
}

/* ---- listeners ---- */

static void on_partner(void *user, struct rt_listener *l, struct rt_stream *s)
{
	struct edge *e = user;
	s2s_accept(e->s2s, s);
}

static void on_gateway(void *user, struct rt_listener *l, struct rt_stream *s)
{
	edge_link_accept(user, s);
}

static int open_list(struct edge *e, const struct rt_conf_addresses *list, bool is_exclusive, rt_accept_fn fn, struct rt_listener ***out,
	size_t *count, char error[256])
{
	*out = xfed_calloc(list->count, sizeof(**out));
	if (!*out) {
		snprintf(error, 256, "out of memory");
		return XFED_ERR_NOMEM;
	}
	for (size_t i = 0; i < list->count; i++) {
		struct rt_addr a;
		if (rt_addr_parse_host(&a, xfed_span_str(list->items[i].host), list->items[i].port) != XFED_OK) {
			snprintf(error, 256, "%s is not an address", list->items[i].host);
			return XFED_ERR_INVALID;
		}
		int rc = rt_listener_new(e->core.d.loop, &a, is_exclusive, fn, e, &(*out)[i], error, 256);
		if (rc != XFED_OK) {
			return rc;
		}
		(*count)++;
	}
	return XFED_OK;
}

static void close_list(struct rt_listener ***list, size_t *count)
{
	for (size_t i = 0; i < *count; i++) {
		rt_listener_close((*list)[i]);
	}
	xfed_free(*list);
	*list = NULL;
	*count = 0;
}

void edge_service_stop_listening(struct edge *e)
{
	close_list(&e->listeners, &e->listener_count);
}

static void open_for_partners(struct edge *e)
{
	char error[256];
	if (e->listener_count > 0) {
		return;
	}
	if (open_list(e, &e->config->external.listen, false, on_partner, &e->listeners, &e->listener_count, error) != XFED_OK) {
		edge_service_stop_listening(e);
		rt_log(RT_LOG_ERROR, "listen.failed", RT_KV_STR("text", error), RT_END);
		e->exit_code = 1;
		rt_loop_stop(e->core.d.loop);
		return;
	}
	for (size_t i = 0; i < e->listener_count; i++) {
		char text[RT_ADDR_TEXT];
		rt_log(RT_LOG_INFO, "listen.open", RT_KV_STR("address", rt_addr_text(rt_listener_addr(e->listeners[i]), text)), RT_END);
	}
}

/* ---- in and out of service ---- */

static void enter(struct edge *e, enum edge_service s)
{
	if (e->service == s) {
		return;
	}
	e->service = s;
	s2s_set_service(e->s2s,
		s == EDGE_IN_SERVICE ? XFED_REASON_NONE
		: s == EDGE_DRAINING ? XFED_REASON_STREAM_CLOSED_DRAIN
				     : XFED_REASON_CHANNEL_DOWN,
		s == EDGE_LEAVING || s == EDGE_DRAINING);
	rt_log(s == EDGE_IN_SERVICE ? RT_LOG_INFO : RT_LOG_WARNING, "service.state", RT_KV_STR("state", edge_service_name(s)),
		RT_KV_REASON(s == EDGE_LEAVING ? XFED_REASON_CHANNEL_DOWN : XFED_REASON_NONE), RT_END);
	rt_notify_status(e->core.d.notify, edge_service_name(s));
}

static size_t usable_links(const struct edge *e)
{
	size_t n = 0;
	for (const struct edge_link *l = e->links; l; l = l->next) {
		n += l->is_up && !l->is_draining;
	}
	return n;
}

void edge_service_judge(struct edge *e)
{
	uint64_t now = rt_loop_now_ms(e->core.d.loop);
	if (e->service == EDGE_DRAINING) {
		return;
	}
	if (s2s_policy(e->s2s) && usable_links(e) > 0) {
		rt_timer_set(&e->grace, 0);
		rt_timer_set(&e->leave, 0);
		e->is_closing = e->has_given_up = false;
		enter(e, EDGE_IN_SERVICE);
		open_for_partners(e);
		return;
	}
	if (e->service == EDGE_IN_SERVICE) {
		rt_timer_set(&e->grace, now + e->config->channel.grace_ms);
	}
}

static void close_streams(struct edge *e, bool incoming_alone)
{
	s2s_close_all(e->s2s, incoming_alone, e->service == EDGE_DRAINING ? XFED_REASON_STREAM_CLOSED_DRAIN : XFED_REASON_CHANNEL_DOWN);
}

/* The partners' streams first: what they still bring is answered with errors, and those go over ours. */
static void close_incoming(struct edge *e)
{
	e->is_closing = true;
	rt_timer_set(&e->leave, rt_loop_now_ms(e->core.d.loop) + LEAVE_LAST_MS);
	close_streams(e, true);
	edge_service_conn_gone(e);
}

static void close_all(struct edge *e)
{
	e->is_all_closing = true;
	rt_timer_set(&e->leave, rt_loop_now_ms(e->core.d.loop) + LEAVE_CLOSE_MS - LEAVE_LAST_MS);
	close_streams(e, false);
	edge_service_conn_gone(e);
}

/* What no gateway took goes back to its senders, over streams that may have to be dialled first. */
static void hand_back(struct edge *e)
{
	const struct proto_delivery *d = NULL, *next;
	for (d = proto_outbox_iterate(e->outbox, NULL); d; d = next) {
		next = proto_outbox_iterate(e->outbox, d);
		if (d->state == PROTO_DELIVERY_QUEUED) {
			proto_outbox_withdraw(e->outbox, d->seq);
		}
	}
	edge_route_ended(e);
}

static void on_grace(void *user)
{
	struct edge *e = user;
	if (e->service != EDGE_IN_SERVICE || (s2s_policy(e->s2s) && usable_links(e) > 0)) {
		return;
	}
	enter(e, EDGE_LEAVING);
	hand_back(e);
	rt_timer_set(&e->leave, rt_loop_now_ms(e->core.d.loop) + LEAVE_BOUNCE_MS);
	edge_service_conn_gone(e);
}

static void finish_leaving(struct edge *e)
{
	close_streams(e, false);
	edge_service_stop_listening(e);
	e->is_closing = false;
	enter(e, EDGE_OUT_OF_SERVICE);
}

/* Draining: the part of the stop timeout in which errors may still be on their way to the senders. */
static uint64_t bounce_ms(const struct edge *e)
{
	uint64_t third = e->config->stop_timeout_ms / 3;
	return third < LEAVE_BOUNCE_MS ? third : LEAVE_BOUNCE_MS;
}

/* What has no fate is given one now, and the senders are told. */
static void give_up(struct edge *e)
{
	e->has_given_up = true;
	rt_timer_set(&e->leave, rt_loop_now_ms(e->core.d.loop) + bounce_ms(e));
	proto_outbox_give_up(e->outbox);
	edge_route_ended(e);
	edge_service_conn_gone(e);
}

/* Time is up for this step. */
static void on_leave(void *user)
{
	struct edge *e = user;
	if (e->service == EDGE_LEAVING && e->is_closing) {
		finish_leaving(e);
	} else if (e->service == EDGE_LEAVING) {
		close_incoming(e);
	} else if (e->service == EDGE_DRAINING && e->is_all_closing) {
		rt_loop_stop(e->core.d.loop);
	} else if (e->service == EDGE_DRAINING && e->is_closing) {
		close_all(e);
	} else if (e->service == EDGE_DRAINING && e->has_given_up) {
		close_incoming(e);
	} else if (e->service == EDGE_DRAINING) {
		give_up(e);
	}
}

/* SIGTERM: nothing new, what is in flight is settled, streams are closed with system-shutdown. */
void edge_service_drain(struct edge *e)
{
	if (e->service == EDGE_DRAINING) {
		return;
	}
	enter(e, EDGE_DRAINING);
	e->is_closing = e->has_given_up = false; /* a way out that had begun ends here */
	rt_notify_stopping(e->core.d.notify, "draining");
	rt_notify_extend_timeout(e->core.d.notify, e->config->stop_timeout_ms + LEAVE_CLOSE_MS);
	edge_service_stop_listening(e);
	edge_links_drain(e, e->config->stop_timeout_ms);
	uint64_t most = e->config->stop_timeout_ms > 2 * LEAVE_CLOSE_MS ? e->config->stop_timeout_ms - LEAVE_CLOSE_MS : LEAVE_CLOSE_MS;
	rt_timer_set(&e->leave, rt_loop_now_ms(e->core.d.loop) + most - (bounce_ms(e) < most ? bounce_ms(e) : 0));
	edge_service_conn_gone(e);
}

/* Called whenever something ended: whether what is left allows the next step out of service. */
void edge_service_conn_gone(struct edge *e)
{
	if (e->service != EDGE_LEAVING && e->service != EDGE_DRAINING) {
		return;
	}
	bool is_told = s2s_waiting(e->s2s) == 0, is_settled = e->service == EDGE_LEAVING || proto_outbox_count(e->outbox) == 0;
	bool is_done = e->is_all_closing ? s2s_count(e->s2s) == 0
		       : e->is_closing	 ? is_told && s2s_count_incoming(e->s2s) == 0
					 : is_told && is_settled;
	if (is_done) {
		e->has_given_up = true; /* there was nothing to give up */
		rt_timer_set(&e->leave, rt_loop_now_ms(e->core.d.loop));
	}
}

int edge_service_start(struct edge *e, char error[256])
{
	int rc = rt_timer_init(&e->grace, e->core.d.loop, on_grace, e);
	if (rc == XFED_OK) {
		rc = rt_timer_init(&e->leave, e->core.d.loop, on_leave, e);
	}
	if (rc != XFED_OK) {
		snprintf(error, 256, "out of memory");
		return rc;
	}
	/* 5269 is tried once now, so that an occupied port is told at the start and not when the first gateway links. */
	rc = open_list(e, &e->config->external.listen, false, on_partner, &e->listeners, &e->listener_count, error);
	edge_service_stop_listening(e);
	if (rc == XFED_OK) {
		rc = open_list(e, &e->config->channel.listen, true, on_gateway, &e->channel_listeners, &e->channel_listener_count, error);
	}
	return rc;
}
