/* In and out of service, and the way out: nothing new, what is in flight is settled, then the links close. */
#include "gateway.h"

#define GIVE_UP_MS 1500 /* before the end: what has no fate then gets one, and the edges still hear of it */
#define CLOSE_MS   500	/* for the last frames and responses to leave */

const char *gateway_service_name(enum gateway_service s)
{
	switch (s) {
	case GATEWAY_OUT_OF_SERVICE:
		return "out-of-service";
	case GATEWAY_IN_SERVICE:
		return "in-service";
	case GATEWAY_DRAINING:
		return "draining";
	}
	return "";
}

static void enter(struct gateway *g, enum gateway_service s)
{
	if (g->service == s) {
		return;
	}
	g->service = s;
	g->service_since_s = gateway_wall_s(g);
	rt_log(s == GATEWAY_IN_SERVICE ? RT_LOG_INFO : RT_LOG_WARNING, "service.state", RT_KV_STR("state", gateway_service_name(s)),
		RT_KV_REASON(s == GATEWAY_OUT_OF_SERVICE ? XFED_REASON_CHANNEL_DOWN : XFED_REASON_NONE), RT_END);
	rt_notify_status(g->core.d.notify, gateway_service_name(s));
}

void gateway_service_judge(struct gateway *g)
{
	if (g->service != GATEWAY_DRAINING) {
		enter(g, channel_is_usable(g->channel) ? GATEWAY_IN_SERVICE : GATEWAY_OUT_OF_SERVICE);
	}
}

void gateway_service_drain(struct gateway *g)
{
	uint32_t timeout_ms = policy_config(g->policy)->stop_timeout_ms;
	if (g->service == GATEWAY_DRAINING) {
		return;
	}
	enter(g, GATEWAY_DRAINING);
	rt_notify_stopping(g->core.d.notify, "draining");
	trunk_drain(g->trunk);
	channel_drain(g->channel, timeout_ms);
	gateway_in_release_holds(g);
	uint64_t most = timeout_ms > 2 * GIVE_UP_MS ? timeout_ms - GIVE_UP_MS : timeout_ms / 2;
	rt_timer_set(&g->leave, gateway_now(g) + most);
	gateway_flush_soon(g);
}

static void close_links(struct gateway *g)
{
	if (!g->is_closing) {
		g->is_closing = true;
		policy_stop(g->policy);
		channel_close(g->channel);
		rt_timer_set(&g->leave, gateway_now(g) + CLOSE_MS);
	}
}

/* At the end of every turn while draining. */
void gateway_service_check(struct gateway *g)
{
	bool is_quiet = channel_waiting(g->channel) == 0 && attempts_count(g->attempts) == 0 && !g->incoming && !g->answers &&
			!policy_is_reloading(g->policy);
	if (g->service == GATEWAY_DRAINING && is_quiet) {
		close_links(g);
	}
}

void gateway_service_leave(void *user)
{
	struct gateway *g = user;
	if (g->is_closing) {
		gateway_in_give_up(g);
		channel_close(g->channel);
		rt_loop_stop(g->core.d.loop);
		return;
	}
	rt_log(RT_LOG_WARNING, "service.give-up", RT_KV_U64("to_xmpp", channel_waiting(g->channel)), RT_KV_U64("to_sip", attempts_count(g->attempts)),
		RT_END);
	gateway_out_give_up(g);
	channel_give_up(g->channel);
	gateway_flush_soon(g);
	policy_stop(g->policy);
	g->is_closing = true; /* links close once these fates have been told: at the next firing nothing is waited for */
	rt_timer_set(&g->leave, gateway_now(g) + CLOSE_MS);
}
