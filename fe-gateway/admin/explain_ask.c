/* The facts that explain.c judges, of this gateway and of its edges. */
#include "admin/explain_ask.h"

#include <stdio.h>

#include "admin/address.h"
#include "admin/sip_status.h"
#include "interwork/address.h"
#include "xfed/mem.h"

#define SCRATCH_BYTES (256 * 1024)

struct explaining {
	struct admin *admin;
	explain_done *done;
	void *user;
	struct xfed_arena a;
	struct explain_facts facts;
	struct xfed_jid from, to;
	struct trunk_asking asking;
	struct xfed_span local, remote; /* domains of the pair */
	size_t pending;
	bool is_broken; /* out of memory */
};

/* A copy: a reload may come while an edge is asked. */
static const char *keep(struct explaining *x, const char *s)
{
	struct xfed_span copy = xfed_arena_copy(&x->a, xfed_span_str(s));
	x->is_broken = x->is_broken || !copy.data;
	return copy.data ? copy.data : "";
}

/* ---- facts of this gateway ---- */

static bool read_address(struct explaining *x, const char *text, struct xfed_jid *out)
{
	int rc = address_read(&x->a, text, out);
	x->is_broken = x->is_broken || rc == XFED_ERR_NOMEM;
	return rc == XFED_OK;
}

/* Our users send from SIP; whatever comes from elsewhere comes from XMPP, where only the names outside are known. */
static struct policy_ends read_ends(const struct explaining *x)
{
	const struct explain_facts *f = &x->facts;
	const struct xfed_span none = { NULL, 0 };
	struct xfed_span from = f->policy.from_is_good ? x->from.domain : none, to = f->policy.to_is_good ? x->to.domain : none;
	bool is_from_sip = policy_ends(x->admin->policy, true, from, none).from;
	return policy_ends(x->admin->policy, is_from_sip, from, to);
}

#define PER_CONTACT 64 /* subscriptions that are looked at */

static void shown_facts(struct explaining *x, const struct contact *k)
{
	struct presence_subscription all[PER_CONTACT];
	size_t n = presence_subscriptions(x->admin->presence, k, all, PER_CONTACT);
	for (size_t i = 0; i < n && i < PER_CONTACT; i++) {
		struct explain_shown *s = all[i].is_of_user ? &x->facts.user_watches : &x->facts.contact_watches;
		if (strcmp(all[i].state, "active") == 0) {
			s->active++;
		} else {
			s->others++;
			s->state = keep(x, all[i].state[0] ? all[i].state : "asked");
		}
		s->is_stale = s->is_stale || all[i].is_stale;
	}
}

/* The domain of `user` is the one it has outside, which is what rules and contacts name. */
static void policy_facts(struct explaining *x, const struct xfed_jid *user, const struct xfed_jid *other)
{
	struct admin *ad = x->admin;
	struct explain_facts *f = &x->facts;
	const struct access_rule *rule;
	struct xfed_span ours = xfed_jid_bare(&x->a, user), theirs = xfed_jid_bare(&x->a, other);
	struct contact_facts contact;
	const struct contact *k;
	const struct xfed_partner *p = policy_pair_facts(ad->policy, user, x->remote, &f->policy, &rule);
	f->access_rule = rule ? keep(x, rule->name) : NULL;
	f->access_off = rule ? access_rule_off(rule) : NULL;
	if (!p) {
		char words[1024];
		f->why_not_partner = keep(x, policy_not_partner_words(ad->policy, x->remote, words));
	}
	if (p) {
		char path[512];
		policy_partner_path(ad->policy, p, path);
		f->partner = keep(x, p->domain);
		f->partner_file = keep(x, path);
	}
	if (!ours.data || !theirs.data) {
		x->is_broken = true;
		return;
	}
	k = contacts_find(ad->contacts, ours, theirs);
	contact_facts(k, core_now(ad->core), &contact);
	f->policy.is_written_to = contact.is_written_to;
	f->policy.is_added = contact.is_added;
	f->relation = contact_relation(k);
	if (k) {
		shown_facts(x, k);
	}
	if (k && contact_asked_s(k) > 0 && core_wall_s(ad->core) >= contact_asked_s(k)) {
		f->asked_ago_s = core_wall_s(ad->core) - contact_asked_s(k);
	}
}

static bool maps(struct explaining *x, const struct xfed_jid *jid, const char *inside)
{
	struct xfed_jid j = { .local = jid->local, .domain = inside ? xfed_span_str(inside) : jid->domain };
	struct xfed_span uri;
	return iw_jid_to_sip(&x->a, &j, NULL, &uri) == XFED_OK;
}

static void way_facts(struct explaining *x, const struct config_domain *d)
{
	struct admin *ad = x->admin;
	struct explain_facts *f = &x->facts;
	const struct trunk_hop *hop = trunk_hop_of(ad->trunk, d); /* either way: presence of our user is asked for there */
	const struct trunk_untrusted *untrusted = f->policy.from_is_ours ? sip_status_untrusted_as(ad, d) : NULL;
	f->policy.from_maps = maps(x, &x->from, f->policy.from_is_ours ? d->sip_domain : NULL);
	f->policy.to_maps = maps(x, &x->to, f->policy.to_is_ours ? d->sip_domain : NULL);
	if (untrusted) {
		char words[SIP_STATUS_WORDS];
		f->untrusted = keep(x, sip_status_words(untrusted, words));
		f->has_trusted = untrusted->has_others;
	}
	if (hop) {
		enum sip_transport usable[SIP_TRANSPORT_COUNT];
		struct trunk_hop_facts h = trunk_hop_facts(hop);
		size_t n = trunk_hop_transports(hop, false, usable);
		f->next_hop = keep(x, h.label);
		f->hop = *h.state;
		f->max_request = d->max_request_bytes;
		f->is_hop_udp = n > 0 && usable[n - 1] == SIP_UDP;
	}
}

static void failure_facts(struct explaining *x, const char *direction, struct explain_failure *out)
{
	json_t *last = journal_last(x->admin->journal, x->local, x->remote, direction);
	const char *code = json_string_value(json_object_get(last, "reason"));
	if (code) {
		*out = (struct explain_failure){
			.id = (uint64_t)json_integer_value(json_object_get(last, "id")),
			.reason = xfed_reason_by_code(xfed_span_str(code)),
			.age_s = core_wall_s(x->admin->core) - json_integer_value(json_object_get(last, "last")),
		};
	}
	json_decref(last);
}

static void pair_facts(struct explaining *x, const struct config_domain *d)
{
	struct explain_facts *f = &x->facts;
	const struct xfed_jid *user = f->policy.to_is_ours ? &x->to : &x->from, *other = f->policy.to_is_ours ? &x->from : &x->to;
	f->local_domain = keep(x, d->domain);
	x->local = xfed_span_str(f->local_domain);
	x->remote = xfed_arena_copy(&x->a, other->domain);
	x->is_broken = x->is_broken || !x->remote.data;
	if (x->is_broken) {
		return;
	}
	f->remote_domain = x->remote.data;
	policy_facts(x, &(struct xfed_jid){ .local = user->local, .domain = x->local }, other);
	way_facts(x, d);
	failure_facts(x, "in", &f->last_in);
	failure_facts(x, "out", &f->last_out);
}

static void link_facts(struct explaining *x)
{
	struct admin *ad = x->admin;
	struct explain_facts *f = &x->facts;
	f->service = ad->service(ad->service_user);
	for (size_t i = 0; i < channel_edge_count(ad->channel) && f->edge_count < EXPLAIN_EDGES_MAX; i++) {
		struct channel_edge e;
		channel_edge(ad->channel, i, &e);
		f->edges[f->edge_count++] = (struct explain_edge){
			.name = e.name,
			.is_up = e.is_up,
			.is_draining = e.is_draining,
			.link_reason = e.reason,
			.link_text = keep(x, e.down_text),
			.policy_problem = e.policy_problem,
			.is_policy_pending = e.is_policy_pending,
		};
	}
}

/* ---- what the edges know ---- */

static void one_done(struct explaining *x)
{
	if (--x->pending == 0) {
		x->done(x->user, x->is_broken ? NULL : &x->facts);
		xfed_arena_deinit(&x->a);
		xfed_free(x);
	}
}

static int64_t ago(const struct explaining *x, const json_t *last, const char *key)
{
	json_int_t at = json_integer_value(json_object_get(last, key));
	int64_t age = core_wall_s(x->admin->core) - at;
	return at <= 0 ? -1 : age > 0 ? age : 0;
}

/* Older edges do not tell. */
static void take_last(struct explaining *x, struct explain_edge *e, const json_t *last)
{
	const char *text = json_string_value(json_object_get(last, "text")), *reason = json_string_value(json_object_get(last, "reason"));
	const char *without = json_string_value(json_object_get(last, "why_not_external"));
	e->last_text = text ? keep(x, text) : "";
	e->failed_ago_s = ago(x, last, "failed");
	e->worked_ago_s = ago(x, last, "worked");
	e->why_not_external = xfed_reason_of_peer(xfed_span_str(without));
	if (json_is_object(last) && e->failed_ago_s < EXPLAIN_RECENT_S) { /* what failed long ago may work as well as not */
		e->last_reason = xfed_reason_of_peer(xfed_span_str(reason));
	}
}

static void take_pair(struct explaining *x, struct explain_edge *e, const json_t *answer)
{
	const json_t *out = json_object_get(answer, "out");
	const char *service = json_string_value(json_object_get(answer, "state")), *state = json_string_value(json_object_get(out, "state"));
	const char *reason = json_string_value(json_object_get(out, "last_reason"));
	e->has_answered = service != NULL;
	e->service = service ? keep(x, service) : "";
	e->has_revision = admin_is_our_policy(x->admin, answer);
	e->has_inbound = json_is_true(json_object_get(answer, "in"));
	e->pair_state = state ? keep(x, state) : NULL;
	e->has_acks = json_is_true(json_object_get(out, "acknowledges"));
	e->is_ready = state && strcmp(state, "ready") == 0;
	e->last_reason = xfed_reason_of_peer(xfed_span_str(reason));
	take_last(x, e, json_object_get(answer, "last"));
	json_int_t wait = json_integer_value(json_object_get(out, "retry_in_ms"));
	e->retry_in_ms = wait > 0 ? (uint64_t)wait : 0;
}

static void on_pair(void *user, const struct channel_edge *l, bool ok, json_t *answer)
{
	struct explaining *x = user;
	if (ok && json_is_object(answer) && l->number < x->facts.edge_count) {
		take_pair(x, &x->facts.edges[l->number], answer);
	}
	one_done(x);
}

static void ask_edges(struct explaining *x)
{
	struct admin *ad = x->admin;
	struct channel_arg args[] = { { "local", x->local.data }, { "remote", x->remote.data } };
	for (size_t i = 0; i < channel_edge_count(ad->channel); i++) {
		x->pending += channel_ask(ad->channel, i, "pair.show", args, XFED_ARRAY_LEN(args), CHANNEL_ANSWER_MS, on_pair, x);
	}
}

/* A few are enough to see that one is mistyped. */
static const char *name_ours(struct explaining *x)
{
	const struct config *c = policy_config(x->admin->policy);
	char names[400] = "";
	for (size_t i = 0, len = 0; i < c->domains.count; i++) {
		const char *name = c->domains.items[i].domain;
		if (len + strlen(name) + sizeof(", ...") > sizeof(names)) {
			snprintf(names + len, sizeof(names) - len, ", ...");
			break;
		}
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", i > 0 ? ", " : "", name);
	}
	return keep(x, names);
}

/* The next hop has been asked; meanwhile other files may have come into force. */
static void ask_others(void *user)
{
	struct explaining *x = user;
	struct explain_facts *f = &x->facts;
	struct policy_ends ends = read_ends(x);
	f->policy.from_is_ours = ends.from;
	f->policy.to_is_ours = ends.to;
	link_facts(x);
	if (f->policy.from_is_good && f->policy.to_is_good && f->policy.from_is_ours != f->policy.to_is_ours) {
		pair_facts(x, ends.from ? ends.from : ends.to);
	}
	if (!x->is_broken && x->remote.data) {
		ask_edges(x);
	}
	one_done(x);
}

void explain_ask(struct admin *ad, const char *from, const char *to, explain_done *done, void *user)
{
	struct explaining *x = xfed_calloc(1, sizeof(*x));
	if (!x) {
		done(user, NULL);
		return;
	}
	x->admin = ad;
	x->done = done;
	x->user = user;
	x->pending = 1;
	xfed_arena_init(&x->a, SCRATCH_BYTES);
	struct explain_facts *f = &x->facts;
	f->asked_ago_s = -1;
	f->from = keep(x, from);
	f->to = keep(x, to);
	f->policy.from_is_good = read_address(x, f->from, &x->from);
	f->policy.to_is_good = read_address(x, f->to, &x->to);
	f->from_has_user = x->from.local.len > 0;
	f->to_has_user = x->to.local.len > 0;
	f->ours = name_ours(x);
	struct policy_ends ends = read_ends(x);
	const struct config_domain *d = ends.from ? ends.from : ends.to;
	x->asking = (struct trunk_asking){ .done = ask_others, .user = x };
	if (!d || !trunk_ask(ad->trunk, d, ADMIN_HOPS_MS, &x->asking)) {
		ask_others(x);
	}
}
