/* Commands about one stream, one failure or one partner; most of them are carried out by an edge. */
#include <stdio.h>
#include <stdlib.h>

#include "admin/admin.h"
#include "admin/explain.h"
#include "admin/sip_status.h"
#include "xfed/mem.h"

#define CHECK_MS 20000

/* ---- commands that one edge answers ---- */

struct relay {
	struct rt_reply reply;
	const char *otherwise; /* the error code of the reply where the edge refuses */
};

static void relay_done(void *user, const struct channel_edge *l, bool ok, json_t *answer)
{
	struct relay *r = user;
	const char *words = json_string_value(json_object_get(answer, "text"));
	if (ok && json_is_object(answer)) {
		json_object_set_new(answer, "edge", json_string(l->name));
		rt_reply_ok(r->reply, json_incref(answer));
	} else if (answer) {
		rt_reply_fail(r->reply, r->otherwise, "%s: %.200s", l->name, words ? words : "refused");
	} else {
		rt_reply_fail(r->reply, "failed", "the edge %s has not answered", l->name);
	}
	xfed_free(r);
}

static void no_link(struct rt_reply reply, const struct channel_edge *l)
{
	rt_reply_fail(reply, "failed", "there is no link to the edge %s: %.400s", l->name,
		l->down_text[0] ? l->down_text : xfed_reason_info(XFED_REASON_CHANNEL_DOWN)->remedy);
}

static void relay(
	struct rt_reply reply, struct admin *ad, const struct channel_edge *l, const char *verb, const struct channel_arg *arg, const char *otherwise)
{
	struct relay *r = xfed_calloc(1, sizeof(*r));
	if (!r) {
		rt_reply_fail(reply, "failed", "out of memory");
		return;
	}
	*r = (struct relay){ reply, otherwise };
	if (!channel_ask(ad->channel, l->number, verb, arg, 1, CHANNEL_ANSWER_MS, relay_done, r)) {
		no_link(reply, l);
		xfed_free(r);
	}
}

static void no_such_edge(struct rt_reply reply, struct admin *ad, struct xfed_span name)
{
	char names[512] = "";
	for (size_t i = 0, len = 0; i < channel_edge_count(ad->channel) && len < sizeof(names); i++) {
		struct channel_edge e;
		channel_edge(ad->channel, i, &e);
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", i > 0 ? ", " : "", e.name);
	}
	rt_reply_fail(reply, "not-found", "there is no edge %.*s; edges[] has %s", (int)(name.len < 64 ? name.len : 64), name.data, names);
}

/* ---- streams ---- */

/* "EDGE/7", or "7" where there is only one edge: each edge counts its own streams. */
static bool edge_of_stream(struct admin *ad, const char *id, const char **number, struct channel_edge *out)
{
	const char *slash = strrchr(id, '/');
	*number = slash ? slash + 1 : id;
	if (slash) {
		return channel_edge_named(ad->channel, xfed_span_make(id, (size_t)(slash - id)), out);
	}
	channel_edge(ad->channel, 0, out);
	return channel_edge_count(ad->channel) == 1;
}

static void ask_stream(struct rt_reply reply, const json_t *args, struct admin *ad, const char *verb)
{
	const char *id = json_string_value(json_object_get(args, "id")), *number;
	struct channel_edge edge;
	bool is_known = edge_of_stream(ad, id, &number, &edge);
	if (!is_known && number > id) {
		no_such_edge(reply, ad, xfed_span_make(id, (size_t)(number - 1 - id)));
	} else if (!is_known) {
		rt_reply_fail(reply, "not-found", "each edge counts its own streams: EDGE/%.40s, as stream list shows it", id);
	} else {
		struct channel_arg arg = { "id", number };
		relay(reply, ad, &edge, verb, &arg, "not-found");
	}
}

void command_stream_show(struct rt_reply reply, const json_t *args, void *user)
{
	ask_stream(reply, args, user, "stream.show");
}

void command_stream_close(struct rt_reply reply, const json_t *args, void *user)
{
	ask_stream(reply, args, user, "stream.close");
}

/* ---- failures ---- */

static void fail_journal(struct rt_reply reply, int rc)
{
	switch (rc) {
	case XFED_ERR_NOT_FOUND:
		rt_reply_fail(reply, "not-found", "there is no failure of that number (any more)");
		break;
	case XFED_ERR_NOMEM:
		rt_reply_fail(reply, "failed", "out of memory");
		break;
	default:
		rt_reply_fail(reply, "failed", "the store could not be read; the log says why");
		break;
	}
}

struct asking {
	struct admin *admin;
	struct rt_reply reply;
};

static void on_journal(void *user, int rc, json_t *answer)
{
	struct asking *a = user;
	if (rc == XFED_OK) {
		rt_reply_ok(a->reply, json_incref(answer));
	} else {
		fail_journal(a->reply, rc);
	}
	xfed_free(a);
}

/* Asks the journal; `done` receives a struct asking, and frees it. */
static void ask_journal(struct admin *ad, struct rt_reply reply, const struct journal_question *q, void (*done)(void *user, int rc, json_t *answer))
{
	struct asking *a = xfed_calloc(1, sizeof(*a));
	if (!a) {
		rt_reply_fail(reply, "failed", "out of memory");
		return;
	}
	*a = (struct asking){ ad, reply };
	journal_ask(ad->journal, q, done, a);
}

void command_failures_list(struct rt_reply reply, const json_t *args, void *user)
{
	struct journal_question q;
	char error[160];
	if (journal_list_args(args, &q, error) == XFED_OK) {
		ask_journal(user, reply, &q, on_journal);
	} else {
		rt_reply_fail(reply, "bad-request", "%s", error);
	}
}

void command_failures_show(struct rt_reply reply, const json_t *args, void *user)
{
	struct journal_question q = { .id = (uint64_t)json_integer_value(json_object_get(args, "id")) };
	ask_journal(user, reply, &q, on_journal);
}

/* Every edge is asked: those that have tried to reach the partner dial again. */
struct retrying {
	struct rt_reply reply;
	json_t *pairs;
	size_t pending;
	char remote[256];
};

static void retry_one_done(struct retrying *r)
{
	if (--r->pending > 0) {
		return;
	}
	if (json_array_size(r->pairs) > 0) {
		rt_reply_ok(r->reply, json_pack("{s:o}", "pairs", r->pairs));
	} else {
		json_decref(r->pairs);
		rt_reply_fail(r->reply, "not-found", "no edge remembers an attempt to reach %.200s; the next message makes one", r->remote);
	}
	xfed_free(r);
}

static void on_retried(void *user, const struct channel_edge *l, bool ok, json_t *answer)
{
	struct retrying *r = user;
	size_t i;
	json_t *pair;
	json_array_foreach(json_object_get(answer, "pairs"), i, pair) {
		if (ok && json_is_object(pair)) {
			json_object_set_new(pair, "edge", json_string(l->name));
			json_array_append(r->pairs, pair);
		}
	}
	retry_one_done(r);
}

/* `edge` NULL: every edge; `local` NULL: every pair with the partner. */
static void retry(struct admin *ad, struct rt_reply reply, const char *edge, const char *local, const char *remote)
{
	struct channel_arg args[2] = { { "remote", remote }, { "local", local } };
	struct retrying *r = xfed_calloc(1, sizeof(*r));
	if (!r) {
		rt_reply_fail(reply, "failed", "out of memory");
		return;
	}
	r->reply = reply;
	r->pairs = json_array();
	r->pending = 1;
	snprintf(r->remote, sizeof(r->remote), "%s", remote);
	for (size_t i = 0; i < channel_edge_count(ad->channel); i++) {
		struct channel_edge e;
		channel_edge(ad->channel, i, &e);
		if (!edge || strcmp(edge, e.name) == 0) {
			r->pending += channel_ask(ad->channel, i, "retry", args, local ? 2 : 1, CHANNEL_ANSWER_MS, on_retried, r);
		}
	}
	retry_one_done(r);
}

static void retry_failure(void *user, int rc, json_t *f)
{
	struct asking *a = user;
	const char *direction = json_string_value(json_object_get(f, "direction")), *edge = json_string_value(json_object_get(f, "edge"));
	const char *local = json_string_value(json_object_get(f, "local")), *remote = json_string_value(json_object_get(f, "remote"));
	if (rc != XFED_OK || !direction || !local || !remote) {
		fail_journal(a->reply, rc != XFED_OK ? rc : XFED_ERR_LIBRARY);
	} else if (strcmp(direction, "in") == 0) {
		rt_reply_fail(a->reply, "failed", "%.200s made that attempt: only they can make it again", remote);
	} else if (!edge || !edge[0]) {
		rt_reply_fail(a->reply, "failed", "that was a message: only its sender can send it again");
	} else {
		retry(a->admin, a->reply, edge, local, remote);
	}
	xfed_free(a);
}

void command_failures_retry(struct rt_reply reply, const json_t *args, void *user)
{
	struct admin *ad = user;
	const char *domain = json_string_value(json_object_get(args, "domain"));
	struct journal_question q = { .id = (uint64_t)json_integer_value(json_object_get(args, "id")) };
	struct xfed_arena a;
	struct xfed_span name;
	xfed_arena_init(&a, 16384);
	if (domain && xfed_jid_domain(&a, xfed_span_str(domain), &name) == XFED_OK) {
		retry(ad, reply, NULL, NULL, name.data);
	} else if (domain) {
		rt_reply_fail(reply, "bad-request", "%.200s is no domain", domain);
	} else {
		ask_journal(ad, reply, &q, retry_failure);
	}
	xfed_arena_deinit(&a);
}

/* ---- partner check ---- */

struct checking {
	struct admin *admin;
	struct rt_reply reply;
	json_t *policy; /* the steps that come before the edge's */
	struct trunk_asking asking;
	char local[256], remote[256], edge[256]; /* edge "": the first that is linked */
};

static bool has_problem(const json_t *steps)
{
	size_t i;
	json_t *s;
	json_array_foreach(steps, i, s) {
		const char *state = json_string_value(json_object_get(s, "state"));
		if (!state || strcmp(state, "problem") == 0) {
			return true;
		}
	}
	return false;
}

/*
 * The partner's own streams to us. A failed attempt came from a peer that had not authenticated, so it is reported and not counted as a
 * problem of the partner's.
 */
static void add_inbound(struct checking *c, json_t *steps, bool is_open)
{
	char text[512];
	json_t *last = is_open ? NULL : journal_last(c->admin->journal, xfed_span_str(c->local), xfed_span_str(c->remote), "in");
	const char *code = json_string_value(json_object_get(last, "reason"));
	if (code) {
		snprintf(text, sizeof(text),
			"no stream of theirs is open; who claimed to be %s %lld s ago failed without having authenticated: %s (failures show %lld)",
			c->remote, (long long)(core_wall_s(c->admin->core) - json_integer_value(json_object_get(last, "last"))), code,
			(long long)json_integer_value(json_object_get(last, "id")));
	} else {
		snprintf(text, sizeof(text), "%s",
			is_open ? "a stream of theirs is open" : "no stream of theirs is open, and no failed attempt is known");
	}
	rt_control_add_step(steps, "reverse", is_open ? "ok" : "note", XFED_REASON_NONE, text);
	json_decref(last);
}

static json_t *check_result(struct checking *c, const struct channel_edge *l, json_t *answer)
{
	json_t *theirs = json_object_get(answer, "steps");
	json_array_extend(c->policy, theirs);
	add_inbound(c, c->policy, json_is_true(json_object_get(answer, "inbound")));
	json_object_set(answer, "steps", c->policy);
	json_object_set_new(answer, "edge", json_string(l->name));
	json_object_set_new(answer, "ok", json_boolean(!has_problem(c->policy)));
	return json_incref(answer);
}

static void on_checked(void *user, const struct channel_edge *l, bool ok, json_t *answer)
{
	struct checking *c = user;
	const char *words = json_string_value(json_object_get(answer, "text"));
	if (ok && json_is_array(json_object_get(answer, "steps"))) {
		rt_reply_ok(c->reply, check_result(c, l, answer));
	} else {
		rt_reply_fail(c->reply, "failed", "the edge %s %s%.200s", l->name, words ? "says: " : "has not answered", words ? words : "");
	}
	json_decref(c->policy);
	xfed_free(c);
}

static void add_policy(struct checking *c, const struct xfed_partner *p)
{
	static const char *const levels[] = { [XFED_REQUIRED] = "required", [XFED_OPTIONAL] = "optional", [XFED_NOT_SUPPORTED] = "not-supported" };
	char path[512], text[1024];
	const struct xfed_matrix_row *row = xfed_matrix_row(p->tls, p->sasl, p->dialback);
	policy_partner_path(c->admin->policy, p, path);
	snprintf(text, sizeof(text), "%s: tls %s, sasl %s, dialback %s%s%s", path, levels[p->tls], levels[p->sasl], p->dialback ? "true" : "false",
		row->problem ? "; " : "", row->problem ? row->problem : "");
	rt_control_add_step(c->policy, "policy", row->problem ? "note" : "ok", XFED_REASON_NONE, text);
}

static bool edge_for(struct admin *ad, const char *name, struct channel_edge *out)
{
	if (name) {
		return channel_edge_named(ad->channel, xfed_span_str(name), out);
	}
	for (size_t i = 0; i < channel_edge_count(ad->channel); i++) {
		channel_edge(ad->channel, i, out);
		if (out->is_up) {
			return true;
		}
	}
	return channel_edge_count(ad->channel) > 0;
}

bool admin_edge_for(struct admin *ad, struct rt_reply reply, const char *name, struct channel_edge *out)
{
	if (!edge_for(ad, name, out)) {
		no_such_edge(reply, ad, xfed_span_str(name));
		return false;
	}
	if (!out->is_up) {
		no_link(reply, out);
	}
	return out->is_up;
}

static void unlisted(struct admin *ad, struct rt_reply reply, const char *domain)
{
	char text[1024];
	json_t *steps = json_array();
	enum xfed_reason why_not = policy_why_not(ad->policy, xfed_span_str(domain));
	policy_not_partner_words(ad->policy, xfed_span_str(domain), text);
	rt_control_add_step(steps, "policy", "problem", why_not, text);
	rt_reply_ok(reply, json_pack("{s:s, s:b, s:o}", "domain", domain, "ok", 0, "steps", steps));
}

static void end_check(struct checking *c)
{
	json_decref(c->policy);
	xfed_free(c);
}

/* The next hop has been asked: now the partner, by an edge. Meanwhile other files may have come into force. */
static void check_way(void *user)
{
	struct checking *c = user;
	struct admin *ad = c->admin;
	struct channel_edge l;
	const struct config_domain *d = config_domain(policy_config(ad->policy), xfed_span_str(c->local));
	if (d) {
		sip_status_step(ad, d, c->policy);
	}
	if (!admin_edge_for(ad, c->reply, c->edge[0] ? c->edge : NULL, &l)) {
		end_check(c);
		return;
	}
	struct channel_arg args[] = { { "local", c->local }, { "remote", c->remote } };
	if (!channel_ask(ad->channel, l.number, "partner.check", args, XFED_ARRAY_LEN(args), CHECK_MS, on_checked, c)) {
		no_link(c->reply, &l);
		end_check(c);
	}
}

static void check(struct admin *ad, struct rt_reply reply, struct xfed_span remote, struct xfed_span local, const char *edge)
{
	const struct xfed_partner *p = policy_partner(ad->policy, remote);
	struct channel_edge l;
	if (!p) {
		unlisted(ad, reply, remote.data);
		return;
	}
	if (!admin_edge_for(ad, reply, edge, &l)) {
		return;
	}
	struct checking *c = xfed_calloc(1, sizeof(*c));
	if (!c) {
		rt_reply_fail(reply, "failed", "out of memory");
		return;
	}
	*c = (struct checking){ .admin = ad, .reply = reply, .policy = json_array(), .asking = { .done = check_way, .user = c } };
	snprintf(c->local, sizeof(c->local), "%.*s", (int)local.len, local.data);
	snprintf(c->remote, sizeof(c->remote), "%.*s", (int)remote.len, remote.data);
	snprintf(c->edge, sizeof(c->edge), "%s", edge ? edge : "");
	add_policy(c, p);
	const struct config_domain *d = config_domain(policy_config(ad->policy), local);
	if (!trunk_ask(ad->trunk, d, ADMIN_HOPS_MS, &c->asking)) {
		check_way(c);
	}
}

void command_partner_check(struct rt_reply reply, const json_t *args, void *user)
{
	struct admin *ad = user;
	const char *domain = json_string_value(json_object_get(args, "domain")), *ours = json_string_value(json_object_get(args, "local"));
	struct xfed_arena a;
	struct xfed_span remote, local;
	xfed_arena_init(&a, 16384);
	ours = ours ? ours : policy_config(ad->policy)->domains.items[0].domain;
	if (xfed_jid_domain(&a, xfed_span_str(domain), &remote) != XFED_OK || remote.len > 255) {
		rt_reply_fail(reply, "bad-request", "%.200s is no domain", domain);
	} else if (xfed_jid_domain(&a, xfed_span_str(ours), &local) != XFED_OK || local.len > 255 ||
		   !config_domain(policy_config(ad->policy), local)) {
		rt_reply_fail(reply, "not-found", "%.200s is not one of domains[]", ours);
	} else {
		check(ad, reply, remote, local, json_string_value(json_object_get(args, "edge")));
	}
	xfed_arena_deinit(&a);
}
