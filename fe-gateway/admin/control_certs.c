/* cert list: what this gateway and its edges know of when certificates end. */
#include <stdio.h>

#include "admin/admin.h"
#include "xfed/mem.h"
#include "xfed/rt/certs.h"

#define LIST_MAX 1000

struct listing {
	const struct admin *admin;
	struct rt_reply reply;
	json_t *certificates, *silent;
	size_t pending;
	json_int_t more; /* that are not in the list */
};

/* `edge` NULL: our own. What an edge tells is copied field by field: it may tell anything. */
static void add(struct listing *l, const json_t *list, const char *edge)
{
	size_t i;
	json_t *c;
	int64_t now_s = core_wall_s(l->admin->core);
	json_array_foreach(list, i, c) {
		const char *name = json_string_value(json_object_get(c, "name")), *owner = json_string_value(json_object_get(c, "owner"));
		json_int_t ends = json_integer_value(json_object_get(c, "not_after"));
		if (name && owner && ends > 0) {
			const char *state = ends <= now_s ? "ended" : ends < now_s + RT_CERT_SOON_S ? "soon" : "ok";
			json_array_append_new(l->certificates, json_pack("{s:s, s:s, s:I, s:I, s:s, s:s*}", "name", name, "owner", owner, "not_after",
								       ends, "days", (ends - now_s) / 86400, "state", state, "edge", edge));
		}
	}
}

static void finish(struct listing *l)
{
	if (--l->pending > 0) {
		return;
	}
	size_t found = json_array_size(l->certificates);
	json_t *sorted = rt_certs_soonest(l->certificates, LIST_MAX);
	l->more += found > LIST_MAX ? (json_int_t)(found - LIST_MAX) : 0;
	rt_reply_ok(l->reply, json_pack("{s:o, s:o, s:I}", "certificates", sorted, "silent", l->silent, "more", l->more));
	json_decref(l->certificates);
	xfed_free(l);
}

static void on_answer(void *user, const struct channel_edge *e, bool ok, json_t *answer)
{
	struct listing *l = user;
	const json_t *list = json_object_get(answer, "certificates");
	if (ok && json_is_array(list)) {
		add(l, list, e->name);
		l->more += json_integer_value(json_object_get(answer, "more"));
	} else {
		json_array_append_new(l->silent, json_string(e->name));
	}
	finish(l);
}

/* Ours are noted when somebody reads them, as a reload may have replaced them. */
static json_t *watched(struct admin *ad)
{
	const struct xfed_tls_creds *const ours[] = { policy_channel_creds(ad->policy), policy_sip_creds(ad->policy),
		policy_outside_creds(ad->policy) };
	rt_daemon_certificates(&ad->core->d, ours, XFED_ARRAY_LEN(ours));
	return rt_daemon_watched(&ad->core->d);
}

void command_cert_watched(struct rt_reply reply, const json_t *args, void *user)
{
	struct admin *ad = user;
	const struct config *c = policy_config(ad->policy);
	json_t *domains = json_array();
	(void)args;
	for (size_t i = 0; i < c->domains.count; i++) {
		json_array_append_new(domains, json_string(c->domains.items[i].domain));
	}
	rt_reply_ok(reply, json_pack("{s:o, s:o}", "certificates", watched(ad), "domains", domains));
}

void command_cert_list(struct rt_reply reply, const json_t *args, void *user)
{
	struct admin *ad = user;
	struct listing *l = xfed_calloc(1, sizeof(*l));
	(void)args;
	if (!l) {
		rt_reply_fail(reply, "failed", "out of memory");
		return;
	}
	*l = (struct listing){ .admin = ad, .reply = reply, .certificates = json_array(), .silent = json_array(), .pending = 1 };
	json_t *ours = watched(ad);
	add(l, ours, NULL);
	json_decref(ours);
	for (size_t i = 0; i < channel_edge_count(ad->channel); i++) {
		struct channel_edge e;
		channel_edge(ad->channel, i, &e);
		if (channel_ask(ad->channel, i, "certificates", NULL, 0, CHANNEL_ANSWER_MS, on_answer, l)) {
			l->pending++;
		} else {
			json_array_append_new(l->silent, json_string(e.name));
		}
	}
	finish(l);
}
