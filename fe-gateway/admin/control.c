/* Commands about the gateway as a whole. What only the edges know is asked of them, with a time limit. */
#include "admin/admin.h"
#include "admin/sip_status.h"
#include "util/hex.h"
#include "xfed/mem.h"
#include "xfed/rt/audit.h"

#include <stdio.h>
#include <unistd.h>

/* ---- gathering the answers of all edges ---- */

struct gather {
	const struct admin *admin;
	struct rt_reply reply;
	json_t *result;	  /* collects the answers; sent when `pending` is 0 */
	const char *into; /* "edges": each answer becomes an item of this list; "streams": the items of each answer do */
	size_t pending;
};

static void gather_done(struct gather *a)
{
	if (--a->pending == 0) {
		rt_reply_ok(a->reply, a->result);
		xfed_free(a);
	}
}

static void add_streams(json_t *list, const struct channel_edge *l, json_t *answer)
{
	size_t i;
	json_t *stream;
	json_array_foreach(json_object_get(answer, "streams"), i, stream) {
		if (json_is_object(stream)) {
			json_object_set_new(stream, "edge", json_string(l->name));
			json_array_append(list, stream);
		}
	}
}

/* Two gateways of one name: only an edge sees both, among its links. The problem has existed since the second of them linked. */
static void find_namesake(json_t *result, const char *edge, json_t *answer)
{
	const char *name = json_string_value(json_object_get(result, "name"));
	json_t *link;
	size_t i, found = 0;
	json_int_t first = INT64_MAX, second = INT64_MAX;
	json_array_foreach(json_object_get(answer, "channel"), i, link) {
		const char *peer = json_string_value(json_object_get(link, "peer"));
		if (peer && name && strcmp(peer, name) == 0) {
			json_int_t since = json_integer_value(json_object_get(link, "since"));
			second = since < first ? first : since < second ? since : second;
			first = since < first ? since : first;
			found++;
		}
	}
	if (found > 1) {
		rt_control_add_problem(json_object_get(result, "problems"), XFED_REASON_CHANNEL_NAME_TWICE, second,
			"The edge %s has %zu links of gateways called %s. %s", edge, found, name,
			xfed_reason_info(XFED_REASON_CHANNEL_NAME_TWICE)->remedy);
	}
}

bool admin_is_our_policy(const struct admin *ad, const json_t *theirs)
{
	const struct proto_revision *r = policy_revision(ad->policy);
	const char *hash = json_string_value(json_object_get(theirs, "hash"));
	char ours[2 * sizeof(r->hash) + 1];
	xfed_hex(ours, r->hash, sizeof(r->hash));
	return hash ? strcmp(hash, ours) == 0
		    : (uint64_t)json_integer_value(json_object_get(theirs, "epoch")) == r->epoch &&
			       (uint64_t)json_integer_value(json_object_get(theirs, "revision")) == r->counter;
}

/* The edge accepted our policy, and has put another one into force since. */
static void find_drift(const struct gather *a, const struct channel_edge *l, json_t *answer)
{
	const json_t *theirs = json_object_get(answer, "policy");
	if (theirs && !admin_is_our_policy(a->admin, theirs) && !l->is_policy_pending && l->policy_problem == XFED_REASON_NONE) {
		rt_control_add_problem(json_object_get(a->result, "problems"), XFED_REASON_CHANNEL_POLICY_DRIFT, l->since_s,
			"The edge %s has a policy in force that is not ours. %s", l->name,
			xfed_reason_info(XFED_REASON_CHANNEL_POLICY_DRIFT)->remedy);
	}
}

/* A gateway has no streams of its own: its counts are the sum of its edges'. */
static void add_edge(json_t *result, json_t *list, json_t *answer)
{
	static const char *const directions[] = { "in", "out" };
	json_t *total = json_object_get(result, "streams"), *theirs = json_object_get(answer, "streams");
	for (size_t i = 0; i < XFED_ARRAY_LEN(directions); i++) {
		json_int_t n = json_integer_value(json_object_get(total, directions[i])) + json_integer_value(json_object_get(theirs, directions[i]));
		json_object_set_new(total, directions[i], json_integer(n));
	}
	json_array_append(list, answer);
}

static void on_answer(void *user, const struct channel_edge *l, bool ok, json_t *answer)
{
	struct gather *a = user;
	json_t *list = json_object_get(a->result, a->into);
	if (ok && json_is_object(answer) && strcmp(a->into, "streams") == 0) {
		add_streams(list, l, answer);
	} else if (ok && json_is_object(answer)) {
		find_namesake(a->result, l->name, answer);
		find_drift(a, l, answer);
		add_edge(a->result, list, answer);
	}
	gather_done(a);
}

/* Takes over `result`. */
static void gather(struct admin *ad, struct rt_reply reply, json_t *result, const char *into, const char *verb, const char *domain)
{
	struct gather *a = result ? xfed_calloc(1, sizeof(*a)) : NULL;
	if (!a) {
		json_decref(result);
		rt_reply_fail(reply, "failed", "out of memory");
		return;
	}
	*a = (struct gather){ .admin = ad, .reply = reply, .result = result, .into = into, .pending = 1 };
	struct channel_arg arg = { "domain", domain };
	json_object_set_new(result, into, json_array());
	for (size_t i = 0; i < channel_edge_count(ad->channel); i++) {
		a->pending += channel_ask(ad->channel, i, verb, &arg, domain ? 1 : 0, CHANNEL_ANSWER_MS, on_answer, a);
	}
	gather_done(a);
}

/* ---- status ---- */

static void add_link_problem(const struct channel_edge *l, json_t *list)
{
	char words[640];
	if (!l->is_up) {
		enum xfed_reason r = l->reason != XFED_REASON_NONE ? l->reason : XFED_REASON_CHANNEL_DOWN;
		rt_control_add_problem(
			list, r, l->since_s, "No link to the edge %s: %s", l->name, l->down_text[0] ? l->down_text : xfed_reason_info(r)->remedy);
	} else if (l->policy_problem != XFED_REASON_NONE) {
		rt_control_add_problem(list, l->policy_problem, l->since_s, "The edge %s refused the policy: %s. %s", l->name, l->policy_text,
			xfed_reason_info(l->policy_problem)->remedy);
	}
	if (proto_clock_is_apart(&l->clock)) {
		proto_clock_words(&l->clock, l->name, words, sizeof(words));
		rt_control_add_problem(list, XFED_REASON_CHANNEL_CLOCK_APART, l->since_s, "%s", words);
	}
}

static void add_broken_files(const struct admin *ad, json_t *list)
{
	const struct policy_broken *b = policy_broken(ad->policy);
	for (const struct policy_broken_file *f = b->first; f; f = f->next) {
		rt_control_add_problem(list, f->reason, b->since_s, "%s", f->text);
	}
	if (b->count > POLICY_BROKEN_TOLD) {
		rt_control_add_problem(list, XFED_REASON_POLICY_PARTNER_BROKEN, b->since_s,
			"%zu more files cannot be loaded: xfedctl config check says what is wrong with them.", b->count - POLICY_BROKEN_TOLD);
	}
}

/*
 * Two gateways take the link to the edge from each other. Reported by the one that has it now, until it has kept the link for longer than
 * the other would wait before it tries again.
 */
static void add_fight(const struct admin *ad, const struct channel_edge *e, json_t *list)
{
	const struct channel_replaced *r = &e->replaced;
	if (e->is_up && r->count > 0 && core_wall_s(ad->core) - e->since_s < CHANNEL_CONTEST_S) {
		rt_control_add_problem(list, XFED_REASON_CHANNEL_REPLACED, r->first_s,
			"The link to the edge %s was taken over %u time%s, as by another gateway. %s", e->name, r->count, r->count == 1 ? "" : "s",
			xfed_reason_info(XFED_REASON_CHANNEL_REPLACED)->remedy);
	}
}

static json_t *problems(const struct admin *ad)
{
	json_t *list = json_array();
	const struct store_state *store = store_state(ad->store);
	if (store->is_failing) {
		rt_control_add_problem(list, XFED_REASON_STORE_WRITE_FAILED, store->since_s, "%s. %s", store->error,
			xfed_reason_info(XFED_REASON_STORE_WRITE_FAILED)->remedy);
	}
	add_broken_files(ad, list);
	for (size_t i = 0; i < channel_edge_count(ad->channel); i++) {
		struct channel_edge e;
		channel_edge(ad->channel, i, &e);
		add_link_problem(&e, list);
		add_fight(ad, &e, list);
	}
	sip_status_problems(ad, list);
	ad->problems(ad->service_user, list);
	rt_control_add_certificates(list, policy_channel_creds(ad->policy), core_wall_s(ad->core));
	rt_control_add_certificates(list, policy_sip_creds(ad->policy), core_wall_s(ad->core));
	rt_control_add_certificates(list, policy_outside_creds(ad->policy), core_wall_s(ad->core));
	rt_control_add_certificates(list, policy_panel_creds(ad->policy), core_wall_s(ad->core));
	rt_daemon_add_ends(&ad->core->d, RT_CERT_CHANNEL, list);
	rt_daemon_problems(&ad->core->d, &policy_config(ad->policy)->base.doc, list);
	return list;
}

static json_t *links(const struct admin *ad)
{
	json_t *list = json_array();
	for (size_t i = 0; i < channel_edge_count(ad->channel); i++) {
		struct channel_edge e;
		channel_edge(ad->channel, i, &e);
		json_t *j = json_pack("{s:s, s:b, s:I}", "peer", e.name, "up", e.is_up, "since", (json_int_t)e.since_s);
		if (j && e.is_up) {
			json_object_set_new(j, "rtt_ms", json_real((double)e.rtt_us / 1000.0));
			if (e.clock.is_known) {
				json_object_set_new(j, "clock_ms", json_integer(e.clock.ahead_ms));
			}
		} else if (j) {
			json_object_set_new(
				j, "reason", json_string(xfed_reason_code(e.reason != XFED_REASON_NONE ? e.reason : XFED_REASON_CHANNEL_DOWN)));
		}
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *policy(const struct admin *ad)
{
	const struct proto_revision *r = policy_revision(ad->policy);
	return rt_control_policy(r->epoch, r->counter, r->hash, xfed_policy_good_count(policy_partners(ad->policy)));
}

/* How many may be old, and why. */
static json_t *presence_facts(const struct admin *ad)
{
	struct presence_load l = presence_load(ad->presence);
	json_t *why = json_array();
	size_t watching = 0, watched = 0;
	for (int i = PRESENCE_WAITING; i < PRESENCE_PHASES; i++) {
		watching += l.watches[i];
		watched += l.follows[i];
	}
	for (int i = PRESENCE_SURE + 1; i < PRESENCE_DOUBT_COUNT; i++) {
		if (l.stale_by[i] > 0) {
			json_array_append_new(why, json_pack("{s:s, s:I, s:s}", "why", presence_doubt_word((enum presence_doubt)i), "count",
							   (json_int_t)l.stale_by[i], "text", presence_doubt_text((enum presence_doubt)i)));
		}
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:o}", "watching", (json_int_t)watching, "watched", (json_int_t)watched, "contacts",
		(json_int_t)l.contacts, "stale", (json_int_t)l.stale, "stale_by", why);
}

static void tell_status(struct admin *ad, struct rt_reply reply)
{
	json_t *j = json_pack("{s:s, s:s, s:s, s:I, s:i, s:s, s:o, s:o, s:{s:i, s:i}, s:I, s:o, s:o, s:o, s:o}", "name",
		policy_config(ad->policy)->base.name, "role", "gateway", "version", XFED_VERSION, "uptime_s",
		(json_int_t)((core_now(ad->core) - ad->core->d.started_ms) / 1000), "pid", (int)getpid(), "state", ad->service(ad->service_user),
		"problems", problems(ad), "channel", links(ad), "streams", "in", 0, "out", 0, "deliveries_in_flight",
		(json_int_t)ad->in_flight(ad->service_user), "policy", policy(ad), "sip", sip_status_hops(ad), "untrusted", sip_status_untrusted(ad),
		"presence", presence_facts(ad));
	gather(ad, reply, j, "edges", "status", NULL);
}

/* A next hop that nobody has needed yet is asked first. */
struct waiting {
	struct admin *admin;
	struct rt_reply reply;
	struct trunk_asking asking;
};

static void on_hops(void *user)
{
	struct waiting *w = user;
	tell_status(w->admin, w->reply);
	xfed_free(w);
}

void command_status(struct rt_reply reply, const json_t *args, void *user)
{
	struct admin *ad = user;
	struct waiting *w = xfed_calloc(1, sizeof(*w));
	(void)args;
	if (!w) {
		rt_reply_fail(reply, "failed", "out of memory");
		return;
	}
	*w = (struct waiting){ ad, reply, { .done = on_hops, .user = w } };
	if (!trunk_ask(ad->trunk, NULL, ADMIN_HOPS_MS, &w->asking)) {
		on_hops(w);
	}
}

void command_stream_list(struct rt_reply reply, const json_t *args, void *user)
{
	gather(user, reply, json_object(), "streams", "stream.list", json_string_value(json_object_get(args, "domain")));
}

/* ---- partners ---- */

void command_partner_list(struct rt_reply reply, const json_t *args, void *user)
{
	struct admin *ad = user;
	(void)args;
	json_t *list = json_array();
	for (size_t i = 0; i < xfed_policy_partner_count(policy_partners(ad->policy)); i++) {
		json_array_append_new(list, rt_control_partner(xfed_policy_partner_at(policy_partners(ad->policy), i)));
	}
	rt_reply_ok(reply, json_pack("{s:o}", "partners", list));
}

/* The rows of `presence` in the partner's own file; NULL: there are none. */
static json_t *presence_rows(const struct admin *ad, const struct xfed_partner *p)
{
	const struct iw_presence_choice *choice = policy_presence_choice(ad->policy, p);
	json_t *rows = choice ? json_object() : NULL;
	struct iw_presence_map m;
	iw_presence_map_init(&m);
	if (choice) {
		iw_presence_map_choose(&m, choice);
	}
	for (size_t i = 0; rows && i < IW_PRESENCE_MAP_ROWS; i++) {
		if (choice->rows[i] != 0) {
			json_object_set_new(rows, iw_presence_map_key(i), json_string(iw_presence_map_value(&m, i)));
		}
	}
	return rows;
}

static json_t *partner_json(const struct admin *ad, const struct xfed_partner *p)
{
	json_t *j = rt_control_partner(p), *rows = presence_rows(ad, p);
	if (j && rows) {
		json_object_set_new(j, "presence", rows);
	}
	return j;
}

void command_partner_show(struct rt_reply reply, const json_t *args, void *user)
{
	struct admin *ad = user;
	struct xfed_arena a;
	struct xfed_span domain;
	const char *asked = json_string_value(json_object_get(args, "domain"));
	xfed_arena_init(&a, 16384);
	const struct xfed_partner *p =
		xfed_jid_domain(&a, xfed_span_str(asked), &domain) == XFED_OK ? xfed_policy_owner(policy_partners(ad->policy), domain) : NULL;
	if (p && (xfed_partner_is_served(p) || p->is_disabled)) {
		gather(ad, reply, partner_json(ad, p), "streams", "stream.list", p->domain);
	} else {
		bool is_refused = domain.len > 0 && policy_why_not(ad->policy, domain) == XFED_REASON_POLICY_PARTNER_BROKEN;
		rt_reply_fail(reply, "not-found",
			is_refused ? "%.200s is in a file of %s that cannot be loaded, and refused (see xfedctl status)"
				   : "%.200s is not listed in %s",
			asked, policy_config(ad->policy)->partners_dir);
	}
	xfed_arena_deinit(&a);
}

/* ---- configuration ---- */

void command_config_show(struct rt_reply reply, const json_t *args, void *user)
{
	(void)args;
	rt_control_show_config(reply, &policy_config(((struct admin *)user)->policy)->base.doc);
}

void command_config_check(struct rt_reply reply, const json_t *args, void *user)
{
	(void)args;
	policy_check(((struct admin *)user)->policy, reply);
}

void command_audit_list(struct rt_reply reply, const json_t *args, void *user)
{
	(void)user;
	rt_audit_list(reply, args);
}

void command_reload(struct rt_reply reply, const json_t *args, void *user)
{
	(void)args;
	policy_reload(((struct admin *)user)->policy, reply);
}

/* SERVED in rt/commands.def says which daemon has a command: both, or the gateway alone. */
#define HANDLER_BOTH(id)     command_##id
#define HANDLER_GATEWAY(id)  command_##id
#define HANDLER_INTERNAL(id) command_##id
#define HANDLER_INSIDE(id)   command_##id
#define HANDLER_XFEDCTL(id)  NULL
#define HANDLER_PANEL(id)    command_##id

static rt_command_handler *const handlers[] = {
#define COMMAND(id, noun, verb, served, who, help, more, args) HANDLER_##served(id),
#include "xfed/rt/commands.def"
};

const struct rt_command_table admin_commands = { rt_commands, handlers, RT_COMMAND_COUNT };
