/* traffic list, and the samples it is made of. */
#include "admin/admin.h"

/* Counted for the next sample; what comes too late is counted for the one behind it. */
static void on_status(void *user, const struct channel_edge *e, bool ok, json_t *answer)
{
	struct admin *ad = user;
	const json_t *streams = json_object_get(answer, "streams");
	(void)e;
	if (ok) {
		ad->traffic.streams_in += (unsigned)json_integer_value(json_object_get(streams, "in"));
		ad->traffic.streams_out += (unsigned)json_integer_value(json_object_get(streams, "out"));
	}
}

void admin_tick(struct admin *ad)
{
	struct traffic_totals now;
	int64_t now_s = core_wall_s(ad->core);
	if (!traffic_is_due(&ad->traffic, now_s)) {
		return;
	}
	traffic_read(ad->core->d.metrics, &now);
	traffic_add(&ad->traffic, now_s, &now);
	for (size_t i = 0; i < channel_edge_count(ad->channel); i++) {
		(void)channel_ask(ad->channel, i, "status", NULL, 0, CHANNEL_ANSWER_MS, on_status, ad); /* without a link it has none to count */
	}
}

void command_traffic_list(struct rt_reply reply, const json_t *args, void *user)
{
	const struct admin *ad = user;
	json_int_t limit = json_integer_value(json_object_get(args, "limit"));
	rt_reply_ok(reply, traffic_json(&ad->traffic, limit > 0 ? (size_t)limit : 0));
}
