/* Opens and closes the listeners, and performs the actions of the machine in service/service.h. */
#include "edge.h"

#include "xfed/mem.h"

/* ---- listeners ---- */

static void on_partner(void *user, struct rt_listener *l, struct rt_stream *s)
{
	struct edge *e = user;
	s2s_accept(e->s2s, s);
}

static void on_gateway(void *user, struct rt_listener *l, struct rt_stream *s)
{
	channel_accept(((struct edge *)user)->channel, s);
}

static int open_list(struct edge *e, const char *key, const struct rt_conf_addresses *list, bool is_exclusive, rt_accept_fn fn,
	struct rt_listener ***out, size_t *count, char error[256])
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
		char said[160];
		int rc = rt_listener_new(e->core.d.loop, &a, is_exclusive, fn, e, &(*out)[i], said, sizeof(said));
		if (rc != XFED_OK) {
			snprintf(error, 256, RT_LISTEN_FAILED, key, said);
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

static void open_for_partners(struct edge *e)
{
	char error[256];
	if (e->listener_count > 0) {
		return;
	}
	if (open_list(e, "external.listen", &e->config->external.listen, false, on_partner, &e->listeners, &e->listener_count, error) != XFED_OK) {
		close_list(&e->listeners, &e->listener_count);
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

/* ---- actions of the machine ---- */

static void tell(struct edge *e)
{
	bool is_in = service_is_in(&e->service), is_returning = e->service.state == SERVICE_RETURNING;
	const char *word = service_word(&e->service);
	rt_log(is_in ? RT_LOG_INFO : RT_LOG_WARNING, "service.state", RT_KV_STR("state", word),
		RT_KV_REASON(is_returning ? XFED_REASON_CHANNEL_DOWN : XFED_REASON_NONE), RT_END);
	rt_notify_status(e->core.d.notify, word);
}

static void close_streams(struct edge *e, bool incoming_alone)
{
	s2s_close_all(e->s2s, incoming_alone, service_is_draining(&e->service) ? XFED_REASON_STREAM_CLOSED_DRAIN : XFED_REASON_CHANNEL_DOWN);
}

static void perform(struct edge *e, enum service_action act)
{
	switch (act) {
	case SERVICE_TELL:
		tell(e);
		break;
	case SERVICE_LISTEN:
		open_for_partners(e);
		break;
	case SERVICE_LISTEN_NO_MORE:
		close_list(&e->listeners, &e->listener_count);
		break;
	case SERVICE_HAND_BACK:
		proto_exchange_withdraw(channel_exchange(e->channel), false);
		break;
	case SERVICE_GIVE_UP:
		edge_give_up(e);
		break;
	case SERVICE_DRAIN_PARTS:
		rt_notify_stopping(e->core.d.notify, "draining");
		rt_notify_extend_timeout(e->core.d.notify, e->config->base.stop_timeout_ms + SERVICE_CLOSE_MS);
		edge_drain(e);
		break;
	case SERVICE_CLOSE_INCOMING:
		close_streams(e, true);
		break;
	case SERVICE_CLOSE_ALL:
		close_streams(e, false);
		break;
	case SERVICE_STOP:
		rt_loop_stop(e->core.d.loop);
		break;
	}
}

static bool has_gateway(const struct edge *e)
{
	return channel_is_usable(e->channel) && s2s_policy(e->s2s);
}

static void step(struct edge *e, enum service_event ev)
{
	struct service_facts f = { .now_ms = core_now(&e->core),
		.has_gateway = has_gateway(e),
		.waiting = s2s_waiting(e->s2s),
		.is_quiet = edge_is_quiet(e),
		.streams = s2s_count(e->s2s),
		.streams_incoming = s2s_count_incoming(e->s2s),
		.grace_ms = e->config->channel.grace_ms,
		.stop_timeout_ms = e->config->base.stop_timeout_ms };
	enum service_action act;
	struct service *m = &e->service;
	service_step(m, ev, &f);
	s2s_set_service(e->s2s,
		service_is_in(m)	 ? XFED_REASON_NONE
		: service_is_draining(m) ? XFED_REASON_STREAM_CLOSED_DRAIN
					 : XFED_REASON_CHANNEL_DOWN,
		service_is_leaving(m));
	while (service_next(m, &act)) {
		perform(e, act);
	}
	rt_timer_set(&e->service_timer, m->deadline_ms);
}

static void event(struct edge *e, enum service_event ev)
{
	step(e, ev);
	edge_service_left(e); /* the new step may already be done */
}

static void on_timer(void *user)
{
	event(user, SERVICE_TICK);
}

/* ---- events for the machine ---- */

void edge_service_judge(struct edge *e)
{
	event(e, SERVICE_JUDGE);
}

void edge_service_drain(struct edge *e)
{
	event(e, SERVICE_DRAIN);
}

void edge_service_left(struct edge *e)
{
	if (service_is_leaving(&e->service)) {
		step(e, SERVICE_LEFT);
	}
}

int edge_service_start(struct edge *e, char error[256])
{
	int rc = rt_timer_init(&e->service_timer, e->core.d.loop, on_timer, e);
	if (rc != XFED_OK) {
		snprintf(error, 256, "out of memory");
		return rc;
	}
	/*
	 * The partners' port is bound once now and closed again, so that an occupied port is reported at the start and not when the first gateway
	 * links.
	 */
	rc = open_list(e, "external.listen", &e->config->external.listen, false, on_partner, &e->listeners, &e->listener_count, error);
	close_list(&e->listeners, &e->listener_count);
	if (rc == XFED_OK) {
		rc = open_list(
			e, "channel.listen", &e->config->channel.listen, true, on_gateway, &e->channel_listeners, &e->channel_listener_count, error);
	}
	return rc;
}

void edge_service_stop(struct edge *e)
{
	e->service = (struct service){ 0 }; /* the machine is idle from here on: streams that end cause no further step */
	close_list(&e->channel_listeners, &e->channel_listener_count);
	close_list(&e->listeners, &e->listener_count);
	rt_timer_close(&e->service_timer);
}
