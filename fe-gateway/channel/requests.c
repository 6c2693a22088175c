/* Questions to edges and their answers. */
#include <utlist.h>

#include "channel/channel_impl.h"

#define ARGS_MAX 4

struct channel_request {
	struct channel_request *prev, *next;
	struct edge *edge;
	uint64_t id, until_ms;
	channel_reply_fn *fn;
	void *user;
};

bool channel_ask(struct channel *c, size_t edge, const char *verb, const struct channel_arg *args, size_t count, uint32_t within_ms,
	channel_reply_fn *fn, void *user)
{
	struct edge *e = &c->edges[edge];
	struct channel_request *q = e->is_up ? xfed_calloc(1, sizeof(*q)) : NULL;
	if (!q) {
		return false;
	}
	*q = (struct channel_request){ .edge = e, .id = ++c->last_request, .until_ms = channel_now(c) + within_ms, .fn = fn, .user = user };
	Xfed__Frame f = XFED__FRAME__INIT;
	Xfed__Request m = XFED__REQUEST__INIT;
	Xfed__Field fields[ARGS_MAX], *list[ARGS_MAX];
	XFED_REQUIRE(count <= ARGS_MAX);
	m.id = q->id;
	m.verb = (char *)(uintptr_t)verb;
	for (size_t i = 0; i < count; i++) {
		xfed__field__init(&fields[i]);
		fields[i].name = (char *)(uintptr_t)args[i].name;
		fields[i].value = (char *)(uintptr_t)args[i].value;
		list[i] = &fields[i];
	}
	m.args = list;
	m.n_args = count;
	f.body_case = XFED__FRAME__BODY_REQUEST;
	f.request = &m;
	if (proto_link_send(e->link, &f) != XFED_OK) {
		xfed_free(q);
		return false;
	}
	DL_APPEND(c->requests, q);
	core_flush_soon(c->core);
	return true;
}

static void finish(struct channel_request *q, bool ok, json_t *json)
{
	struct channel_edge edge;
	DL_DELETE(q->edge->channel->requests, q);
	channel_edge(q->edge->channel, q->edge->number, &edge);
	q->fn(q->user, &edge, ok, json);
	xfed_free(q);
}

void channel_take_reply(struct edge *e, const Xfed__Reply *m)
{
	struct channel_request *q;
	DL_FOREACH(e->channel->requests, q) {
		if (q->id == m->id && q->edge == e) {
			json_error_t error;
			json_t *json = m->json.len > 0 ? json_loadb((const char *)m->json.data, m->json.len, JSON_REJECT_DUPLICATES, &error) : NULL;
			bool ok = m->status == XFED__STATUS__STATUS_OK && (json || m->json.len == 0);
			json = ok || json ? json : json_pack("{s:s}", "text", m->text);
			finish(q, ok, json);
			json_decref(json);
			return;
		}
	}
}

void channel_requests_tick(struct channel *c)
{
	struct channel_request *q, *next;
	DL_FOREACH_SAFE(c->requests, q, next) {
		if (channel_now(c) >= q->until_ms) {
			finish(q, false, NULL);
		}
	}
}

void channel_requests_lost(struct channel *c, const struct edge *e)
{
	struct channel_request *q, *next;
	DL_FOREACH_SAFE(c->requests, q, next) {
		if (!e || q->edge == e) {
			finish(q, false, NULL);
		}
	}
}
