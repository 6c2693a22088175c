#include "admin/check.h"

#include <utlist.h>

#include "admin/dns.h"
#include "xfed/mem.h"

static void finish(struct check *k);
static void next_method(struct check *k);

static void stop_all(struct check *k)
{
	rt_resolve_cancel(k->srv);
	rt_resolve_cancel(k->our_srv);
	rt_lookup_cancel(k->lookup);
	rt_lookup_cancel(k->our_lookup);
	k->srv = k->our_srv = NULL;
	k->lookup = k->our_lookup = NULL;
	for (size_t i = 0; i < k->address_count; i++) {
		rt_stream_close(k->addresses[i].stream);
		k->addresses[i].stream = NULL;
	}
	s2s_probe_cancel(k->probe);
	k->probe = NULL;
}

static void check_free(struct check *k)
{
	stop_all(k);
	DL_DELETE(k->admin->checks, k);
	rt_timer_close(&k->timer);
	json_decref(k->steps);
	json_decref(k->reverse);
	json_decref(k->peer.certificate);
	xfed_free(k->connect_host);
	xfed_free(k);
}

/* The check has shown that the partner can be reached: pairs with it that wait after a failure are dialled now. */
static void retry_failing(const struct check *k)
{
	const struct s2s_standing *st = s2s_standing_of(k->admin->s2s, k->local, k->remote);
	bool works = false;
	for (size_t i = 0; i < k->method_count; i++) {
		works = works || (k->methods[i].works && !k->methods[i].is_for_way_back);
	}
	if (works && st && st->reason != XFED_REASON_NONE) {
		json_decref(admin_retry(k->admin, xfed_span_str(k->local), xfed_span_str(k->remote)));
	}
}

static void finish(struct check *k)
{
	json_t *result = check_result(k);
	retry_failing(k);
	struct channel_link *l = k->link;
	uint64_t request = k->request;
	check_free(k);
	admin_answer(l, request, result);
}

static void forward_done(struct check *k)
{
	k->is_forward_done = true;
	if (!k->is_reversing) {
		finish(k);
	}
}

static void reverse_done(struct check *k)
{
	k->is_reversing = false;
	if (k->is_forward_done) {
		finish(k);
	}
}

/* Reports streams that have not ended, or not begun, as not working within the time of the check. */
static void give_up_streams(struct check *k)
{
	for (; k->method_next < k->method_count; k->method_next++) {
		struct check_method *m = &k->methods[k->method_next];
		m->was_tried = true;
		m->reason = XFED_REASON_STREAM_ESTABLISH_TIMEOUT;
		m->side = XFED_SIDE_PARTNER;
		snprintf(m->text, sizeof(m->text), "not within the %d s of a check", EDGE_CHECK_MS / 1000);
	}
	check_note_streams(k);
}

/* The time limit of the whole check: reports what was found, and what it was still waiting for. */
static void on_timer(void *user)
{
	struct check *k = user;
	if (!k->is_forward_done && strcmp(k->stage, "stream") == 0) {
		give_up_streams(k);
	} else if (!k->is_forward_done) {
		bool is_dns = strcmp(k->stage, "dns") == 0;
		check_step(k->steps, k->stage, CHECK_PROBLEM, is_dns ? XFED_REASON_DNS_TIMEOUT : XFED_REASON_NET_CONNECT_TIMEOUT,
			"nothing more within %d s", EDGE_CHECK_MS / 1000);
	}
	if (k->is_reversing) {
		check_step(k->reverse, "reverse-dns", CHECK_PROBLEM, XFED_REASON_DNS_TIMEOUT, "no answer about our own domain %s", k->local);
	}
	finish(k);
}

/* ---- streams: each method alone, best first ---- */

static void on_probe(void *user, const struct s2s_probe_result *r)
{
	struct check *k = user;
	struct check_method *m = &k->methods[k->method_next++];
	k->probe = NULL;
	m->was_tried = true;
	m->works = r->reason == XFED_REASON_NONE;
	m->reason = r->reason;
	m->side = r->side;
	proto_text_clean(m->text, sizeof(m->text), r->text);
	if (r->info) {
		check_take_peer(&k->peer, r->info);
	}
	next_method(k);
}

static const struct rt_addr *first_reachable(const struct check *k)
{
	for (size_t i = 0; i < k->address_count; i++) {
		if (k->addresses[i].is_reachable) {
			return &k->addresses[i].addr;
		}
	}
	return NULL;
}

static int start_probe(struct check *k, const struct xfed_partner *partner, enum xfed_method method)
{
	struct admin *a = k->admin;
	struct s2s_probe_config cfg = {
		.local = k->local, .remote = k->remote, .to = first_reachable(k), .timeout_ms = EDGE_CHECK_STREAM_MS, .fn = on_probe, .user = k
	};
	s2s_decision_for(a->s2s, partner, &cfg.decision);
	cfg.decision.methods = method;
	cfg.decision.dialback_hash = xfed_policy_dialback_current(s2s_policy(a->s2s));
	if (method == XFED_METHOD_DIALBACK_PLAIN) {
		cfg.decision.creds = NULL;
		cfg.decision.needs_tls = false;
	}
	return s2s_probe_new(a->s2s, &cfg, &k->probe);
}

/*
 * Where policy allows EXTERNAL alone the partner has no reason to connect to us during the check. A dialback key gives it one: a stream by
 * dialback is added where the partner offers that.
 */
static void add_way_back(struct check *k)
{
	bool has_dialback = false;
	for (size_t i = 0; i < k->method_count; i++) {
		has_dialback = has_dialback || k->methods[i].method != XFED_METHOD_EXTERNAL;
	}
	if (!has_dialback && k->peer.is_secure && k->peer.offers_dialback) {
		k->methods[k->method_count++] = (struct check_method){ .method = XFED_METHOD_DIALBACK_TLS, .is_for_way_back = true };
	}
}

static void next_method(struct check *k)
{
	const struct xfed_policy *policy = s2s_policy(k->admin->s2s);
	if (k->method_next == k->method_count) {
		add_way_back(k);
	}
	while (k->method_next < k->method_count) {
		struct check_method *m = &k->methods[k->method_next];
		const struct xfed_partner *partner = policy ? xfed_policy_partner(policy, xfed_span_str(k->remote)) : NULL;
		k->stage = "stream";
		m->reason = partner  ? XFED_REASON_STREAM_INTERNAL
			    : policy ? xfed_policy_why_not(policy, xfed_span_str(k->remote))
				     : XFED_REASON_POLICY_PARTNER_UNLISTED;
		m->side = xfed_reason_info(m->reason)->side;
		if (partner && start_probe(k, partner, m->method) == XFED_OK) {
			return;
		}
		k->method_next++;
	}
	check_note_streams(k);
	forward_done(k);
}

/* ---- TCP to each address ---- */

static void addresses_done(struct check *k)
{
	check_note_addresses(k);
	if (first_reachable(k)) {
		next_method(k);
	} else {
		forward_done(k);
	}
}

static void on_connect(void *user, enum xfed_reason reason)
{
	struct check_address *a = user;
	struct check *k = a->check;
	a->reason = reason;
	a->is_reachable = reason == XFED_REASON_NONE;
	a->took_ms = (uint32_t)(core_now(k->admin->core) - k->began_ms) - a->took_ms;
	snprintf(a->text, sizeof(a->text), "%s", rt_stream_error_text(a->stream));
	rt_stream_close(a->stream);
	a->stream = NULL;
	if (--k->addresses_open == 0) {
		addresses_done(k);
	}
}

static size_t ignore_bytes(void *user, struct xfed_span in)
{
	return in.len;
}

static const struct rt_stream_handlers tcp_handlers = { .on_connect = on_connect, .on_bytes = ignore_bytes };

static void try_addresses(struct check *k)
{
	struct admin *admin = k->admin;
	struct rt_addr source;
	k->stage = "tcp";
	for (size_t i = 0; i < k->address_count; i++) {
		struct check_address *a = &k->addresses[i];
		a->took_ms = (uint32_t)(core_now(admin->core) - k->began_ms);
		a->reason = a->is_ours ? XFED_REASON_DNS_ADDRESS_OURS : a->refused ? XFED_REASON_DNS_ADDRESS_REFUSED : XFED_REASON_STREAM_INTERNAL;
		if (!a->refused && rt_stream_connect(admin->core->d.loop, &a->addr, s2s_source_for(admin->s2s, &a->addr, &source),
					   admin->config->limits.connect_timeout_ms, &tcp_handlers, a, 4096, &a->stream) == XFED_OK) {
			k->addresses_open++;
		}
	}
	if (k->addresses_open == 0) {
		addresses_done(k);
	}
}

/* ---- DNS ---- */

static void on_lookup(void *user, const struct rt_endpoints *found)
{
	struct check *k = user;
	k->lookup = NULL;
	if (found->reason != XFED_REASON_NONE) {
		check_step(k->steps, "dns", CHECK_PROBLEM, found->reason, "%s", s2s_lookup_words(found));
		forward_done(k);
		return;
	}
	for (size_t i = 0; i < found->count && k->address_count < EDGE_CHECK_ADDRESSES; i++) {
		struct check_address *a = &k->addresses[k->address_count++];
		a->check = k;
		a->addr = found->list[i].addr;
		a->is_ours = s2s_leads_here(k->admin->s2s, &a->addr);
		a->refused = a->is_ours ? "a listener of this edge itself" : k->connect_host ? NULL : s2s_reach_refuses(k->admin->s2s, &a->addr);
		snprintf(a->target, sizeof(a->target), "%.*s", (int)found->list[i].target.len, found->list[i].target.data);
	}
	try_addresses(k);
}

/* OK: on_lookup() follows. */
static int look_up(struct check *k)
{
	struct xfed_arena a;
	struct xfed_span name;
	xfed_arena_init(&a, 16384);
	int rc = xfed_jid_domain_ascii(&a, xfed_span_str(k->remote), &name);
	if (k->connect_host) {
		rc = rt_resolve_host(k->admin->core->d.resolver, xfed_span_str(k->connect_host), k->connect_port, on_lookup, k, &k->lookup);
	} else if (rc == XFED_OK) {
		rc = rt_resolve_service(k->admin->core->d.resolver, name, "_xmpp-server._tcp", 5269, on_lookup, k, &k->lookup);
	}
	xfed_arena_deinit(&a);
	return rc;
}

static void find_addresses(struct check *k)
{
	int rc = look_up(k);
	if (rc != XFED_OK) {
		enum xfed_reason reason = rc == XFED_ERR_INVALID ? XFED_REASON_DNS_NAME_MISSING : XFED_REASON_STREAM_INTERNAL;
		check_step(k->steps, "dns", CHECK_PROBLEM, reason, "%s is no name DNS could know", k->remote);
		forward_done(k);
	}
}

static void on_srv(void *user, const struct xfed_dns_answer *answer, enum xfed_reason reason)
{
	struct check *k = user;
	k->srv = NULL;
	check_note_srv(k, answer, reason);
	if (answer) {
		find_addresses(k);
	} else {
		forward_done(k); /* the resolver does not answer: asking it for addresses would only take as long again */
	}
}

static int ask_srv(struct check *k, const char *domain, rt_resolve_fn fn, struct rt_resolve **out)
{
	struct xfed_arena a;
	struct xfed_span name;
	char full[300];
	xfed_arena_init(&a, 16384);
	int rc = xfed_jid_domain_ascii(&a, xfed_span_str(domain), &name);
	if (rc == XFED_OK) {
		int len = snprintf(full, sizeof(full), "_xmpp-server._tcp.%.*s", (int)name.len, name.data);
		rc = rt_resolve(k->admin->core->d.resolver, xfed_span_make(full, len > 0 && (size_t)len < sizeof(full) ? (size_t)len : 0),
			XFED_DNS_SRV, fn, k, out);
	}
	xfed_arena_deinit(&a);
	return rc;
}

static void start_forward(void *arg)
{
	struct check *k = arg;
	k->stage = "dns";
	if (k->connect_host) {
		check_step(k->steps, "dns", CHECK_OK, XFED_REASON_NONE, "connect_to %s:%u stands in the place of SRV records", k->connect_host,
			k->connect_port);
		find_addresses(k);
	} else if (ask_srv(k, k->remote, on_srv, &k->srv) != XFED_OK) {
		find_addresses(k); /* the name is an IP address, or too long for an SRV name */
	}
}

/* ---- our own records ---- */

static void on_our_lookup(void *user, const struct rt_endpoints *found)
{
	struct check *k = user;
	k->our_lookup = NULL;
	check_note_our_addresses(k, found);
	reverse_done(k);
}

static void on_our_srv(void *user, const struct xfed_dns_answer *answer, enum xfed_reason reason)
{
	struct check *k = user;
	struct xfed_arena a;
	struct xfed_span name;
	k->our_srv = NULL;
	check_note_our_srv(k, answer, reason);
	xfed_arena_init(&a, 16384);
	bool asks = answer && xfed_jid_domain_ascii(&a, xfed_span_str(k->local), &name) == XFED_OK &&
		    rt_resolve_service(k->admin->core->d.resolver, name, "_xmpp-server._tcp", 5269, on_our_lookup, k, &k->our_lookup) == XFED_OK;
	xfed_arena_deinit(&a);
	if (!asks) {
		reverse_done(k);
	}
}

/* ---- start and end ---- */

static const enum xfed_method best_first[EDGE_CHECK_METHODS] = { XFED_METHOD_EXTERNAL, XFED_METHOD_DIALBACK_TLS, XFED_METHOD_DIALBACK_PLAIN };

static size_t checks_under_way(const struct admin *a)
{
	size_t n = 0;
	for (const struct check *k = a->checks; k; k = k->next) {
		n++;
	}
	return n;
}

static int fill(struct check *k, const struct xfed_partner *partner)
{
	k->allowed = xfed_partner_methods(partner);
	for (size_t i = 0; i < EDGE_CHECK_METHODS; i++) {
		if (k->allowed & best_first[i]) {
			k->methods[k->method_count++].method = best_first[i];
		}
	}
	if (partner->connect_host) {
		k->connect_host = xfed_strdup(partner->connect_host);
		k->connect_port = partner->connect_port;
		if (!k->connect_host) {
			return XFED_ERR_NOMEM;
		}
	}
	k->steps = json_array();
	k->reverse = json_array();
	return k->steps && k->reverse ? XFED_OK : XFED_ERR_NOMEM;
}

int check_new(struct admin *a, struct channel_link *l, uint64_t request, struct xfed_span local, struct xfed_span remote)
{
	const struct xfed_policy *policy = s2s_policy(a->s2s);
	const struct xfed_partner *partner = policy ? xfed_policy_partner(policy, remote) : NULL;
	if (!partner || !xfed_policy_is_local(policy, local) || local.len > XFED_JID_PART_BYTES || remote.len > XFED_JID_PART_BYTES) {
		return XFED_ERR_NOT_FOUND;
	}
	if (checks_under_way(a) >= EDGE_CHECKS_MAX) {
		return XFED_ERR_LIMIT;
	}
	struct check *k = xfed_calloc(1, sizeof(*k));
	if (!k) {
		return XFED_ERR_NOMEM;
	}
	k->admin = a;
	k->link = l;
	k->request = request;
	k->stage = "dns";
	k->began_ms = core_now(a->core);
	snprintf(k->local, sizeof(k->local), "%.*s", (int)local.len, local.data);
	snprintf(k->remote, sizeof(k->remote), "%.*s", (int)remote.len, remote.data);
	DL_APPEND(a->checks, k);
	int rc = fill(k, partner);
	rc = rc == XFED_OK ? rt_timer_init(&k->timer, a->core->d.loop, on_timer, k) : rc;
	if (rc == XFED_OK) {
		k->is_reversing = true;
		rc = ask_srv(k, k->local, on_our_srv, &k->our_srv);
		check_note_own_certificate(k);
	}
	if (rc != XFED_OK) {
		check_free(k);
		return rc;
	}
	rt_timer_set(&k->timer, k->began_ms + EDGE_CHECK_MS);
	start_forward(k);
	return XFED_OK;
}

void admin_link_down(struct admin *a, const struct channel_link *l)
{
	struct check *k, *next;
	DL_FOREACH_SAFE(a->checks, k, next) {
		if (!l || k->link == l) {
			check_free(k);
		}
	}
	dns_link_down(a, l);
}
