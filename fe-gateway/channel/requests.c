/* Questions to edges over the channel, and their answers. */
#include "gateway.h"

#include <utlist.h>

#define ARGS_MAX 4

struct gateway_request {
	struct gateway_request *prev, *next;
	struct gateway_link *link;
	uint64_t id, until_ms;
	gateway_reply_fn *fn;
	void *user;
};

bool gateway_ask_for(
	struct gateway_link *l, const char *verb, const struct gateway_arg *args, size_t count, uint32_t within_ms, gateway_reply_fn *fn, void *user)
{
	struct gateway *g = l->gw;
	struct gateway_request *q = l->is_up ? xfed_calloc(1, sizeof(*q)) : NULL;
	if (!q) {
		return false;
	}
	*q = (struct gateway_request){ .link = l, .id = ++g->last_request, .until_ms = gateway_now(g) + within_ms, .fn = fn, .user = user };
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
	if (proto_session_send(gateway_link_session(l), &f) != XFED_OK) {
		xfed_free(q);
		return false;
	}
	DL_APPEND(g->requests, q);
	gateway_flush_soon(g);
	return true;
}

bool gateway_ask(struct gateway_link *l, const char *verb, const char *name, const char *value, gateway_reply_fn *fn, void *user)
{
	struct gateway_arg arg = { name, value };
	return gateway_ask_for(l, verb, &arg, name ? 1 : 0, GATEWAY_ANSWER_MS, fn, user);
}

static void finish(struct gateway_request *q, bool ok, json_t *json)
{
	DL_DELETE(q->link->gw->requests, q);
	q->fn(q->user, q->link, ok, json);
	xfed_free(q);
}

void gateway_take_reply(struct gateway_link *l, const Xfed__Reply *m)
{
	struct gateway_request *q;
	DL_FOREACH(l->gw->requests, q) {
		if (q->id == m->id && q->link == l) {
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

void gateway_requests_tick(struct gateway *g)
{
	struct gateway_request *q, *next;
	DL_FOREACH_SAFE(g->requests, q, next) {
		if (gateway_now(g) >= q->until_ms) {
			finish(q, false, NULL);
		}
	}
}

void gateway_requests_lost(struct gateway_link *l)
{
	struct gateway_request *q, *next;
	DL_FOREACH_SAFE(l->gw->requests, q, next) {
		if (q->link == l) {
			finish(q, false, NULL);
		}
	}
}

void gateway_requests_free(struct gateway *g)
{
	while (g->requests) {
		finish(g->requests, false, NULL);
	}
}
