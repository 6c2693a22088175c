#include "admin/sip_status.h"

#include <stdio.h>

#include "admin/hop_words.h"
#include "xfed/limits.h"

#define UNTRUSTED_PROBLEM_S 3600 /* afterwards it is no problem any more, and listed as a fact only */

/* ---- problems ---- */

static bool is_problem(const struct trunk_untrusted *u, int64_t now_s)
{
	return u->is_ours && now_s - u->last_s < UNTRUSTED_PROBLEM_S;
}

static void add_hop(const struct trunk_hop_facts *f, json_t *list)
{
	char words[HOP_WORDS_SIZE];
	const struct hop_state *s = f->state;
	if (s->is_known && s->reason != XFED_REASON_NONE) {
		const char *advice = hop_words_advice(s), *remedy = xfed_reason_info(hop_words_reason(s))->remedy;
		rt_control_add_problem(list, s->reason, s->since_s, "The SIP server %s %s%s%s%s", f->label, hop_words(s, words), advice ? ": " : ". ",
			advice ? advice : remedy, advice ? "." : "");
	}
}

static void add_no_tcp(const struct trunk_hop_facts *f, json_t *list)
{
	if (f->is_used && f->no_tcp_s > 0) {
		rt_control_add_problem(list, XFED_REASON_SIP_REQUEST_TOO_LARGE, f->no_tcp_since_s,
			"The SIP server %s refuses TCP: messages above the %d bytes of UDP are refused, TCP is tried again in %u s. Let it "
			"listen on TCP "
			"too; a reload has it tried at once.",
			f->label, XFED_SIP_UDP_REQUEST_BYTES, f->no_tcp_s);
	}
}

const char *sip_status_words(const struct trunk_untrusted *u, char out[SIP_STATUS_WORDS])
{
	snprintf(out, SIP_STATUS_WORDS, "a SIP peer (%s) may not send as %.100s (%llu message%s refused): %s", u->peer, u->domain,
		(unsigned long long)u->count, u->count == 1 ? "" : "s", u->remedy);
	return out;
}

const struct trunk_untrusted *sip_status_untrusted_as(const struct admin *ad, const struct config_domain *d)
{
	const struct trunk_untrusted *last = NULL;
	for (size_t i = 0; i < TRUNK_UNTRUSTED_MAX; i++) {
		const struct trunk_untrusted *u = trunk_untrusted(ad->trunk, i);
		if (u && is_problem(u, core_wall_s(ad->core)) && config_inside(policy_config(ad->policy), xfed_span_str(u->domain)) == d &&
			(!last || u->number > last->number)) {
			last = u;
		}
	}
	return last;
}

static void add_untrusted(const struct trunk_untrusted *u, int64_t now_s, json_t *list)
{
	char words[SIP_STATUS_WORDS];
	if (is_problem(u, now_s)) {
		rt_control_add_problem(list, XFED_REASON_SIP_SENDER_UNTRUSTED, u->first_s, "%s.", sip_status_words(u, words));
	}
}

static void add_old_tls(const struct admin *ad, json_t *list)
{
	const struct config *c = policy_config(ad->policy);
	const char *remedy = xfed_reason_info(XFED_REASON_TLS_OLD_ALLOWED)->remedy, *first = NULL;
	int64_t since_s = policy_broken(ad->policy)->since_s; /* when the files were loaded */
	char others[48] = "";
	size_t count = 0;
	for (size_t i = 0; i < c->domains.count; i++) {
		const struct config_domain *d = &c->domains.items[i];
		first = d->tls_min < XFED_TLS_1_2 && !first ? d->domain : first;
		count += d->tls_min < XFED_TLS_1_2;
	}
	if (c->sip.tls_min < XFED_TLS_1_2) {
		rt_control_add_problem(list, XFED_REASON_TLS_OLD_ALLOWED, since_s, "Peers may connect to us with old TLS (sip.tls_min). %s", remedy);
	}
	if (first) {
		if (count > 1) {
			snprintf(others, sizeof(others), " and %zu more", count - 1);
		}
		rt_control_add_problem(list, XFED_REASON_TLS_OLD_ALLOWED, since_s, "The next hop of %s%s may speak old TLS (domains[].tls_min). %s",
			first, others, remedy);
	}
}

void sip_status_problems(const struct admin *ad, json_t *list)
{
	add_old_tls(ad, list);
	for (const struct trunk_hop *h = trunk_hop_next(ad->trunk, NULL); h; h = trunk_hop_next(ad->trunk, h)) {
		struct trunk_hop_facts f = trunk_hop_facts(h);
		add_hop(&f, list);
		add_no_tcp(&f, list);
	}
	for (size_t i = 0; i < TRUNK_UNTRUSTED_MAX; i++) {
		const struct trunk_untrusted *u = trunk_untrusted(ad->trunk, i);
		if (u) {
			add_untrusted(u, core_wall_s(ad->core), list);
		}
	}
}

/* ---- facts ---- */

static json_t *refusals(const struct hop_state *s)
{
	return s->refusals.status == 0 ? NULL
				       : json_pack("{s:i, s:I, s:I, s:I, s:s*}", "status", s->refusals.status, "count", (json_int_t)s->refusals.count,
						 "first", (json_int_t)s->refusals.first_s, "last", (json_int_t)s->refusals.last_s, "text",
						 s->refusals.text[0] ? s->refusals.text : NULL);
}

static json_t *hop(const struct trunk_hop_facts *f)
{
	const struct hop_state *s = f->state;
	const char *state = !s->is_known ? "asked" : !s->is_up ? "down" : s->reason != XFED_REASON_NONE ? "refuses" : "up";
	json_t *j = json_pack("{s:s, s:s, s:I, s:I, s:I, s:o*}", "next_hop", f->label, "state", state, "since", (json_int_t)s->since_s, "tried",
		(json_int_t)s->tried_s, "worked", (json_int_t)s->worked_s, "refusals", refusals(s));
	if (j && s->reason != XFED_REASON_NONE) {
		json_object_set_new(j, "reason", json_string(xfed_reason_code(s->reason)));
	}
	return j;
}

void sip_status_step(const struct admin *ad, const struct config_domain *d, json_t *steps)
{
	char words[HOP_WORDS_SIZE], text[HOP_WORDS_SIZE + 512];
	const struct trunk_hop *h = trunk_hop_of(ad->trunk, d);
	struct trunk_hop_facts f = h ? trunk_hop_facts(h) : (struct trunk_hop_facts){ .label = d->domain };
	if (!h || !f.state->is_known) {
		snprintf(text, sizeof(text), "the SIP server %s has not answered OPTIONS within %d s", f.label, ADMIN_HOPS_MS / 1000);
		rt_control_add_step(steps, "next-hop", "problem", XFED_REASON_SIP_SERVER_TIMEOUT, text);
	} else if (f.state->reason != XFED_REASON_NONE) {
		const char *advice = hop_words_advice(f.state);
		snprintf(
			text, sizeof(text), "the SIP server %s %s%s%s", f.label, hop_words(f.state, words), advice ? ": " : "", advice ? advice : "");
		rt_control_add_step(steps, "next-hop", "problem", hop_words_reason(f.state), text);
	} else {
		snprintf(text, sizeof(text), "the SIP server %s answers", f.label);
		rt_control_add_step(steps, "next-hop", "ok", XFED_REASON_NONE, text);
	}
}

json_t *sip_status_hops(const struct admin *ad)
{
	json_t *list = json_array();
	for (const struct trunk_hop *h = trunk_hop_next(ad->trunk, NULL); h; h = trunk_hop_next(ad->trunk, h)) {
		struct trunk_hop_facts f = trunk_hop_facts(h);
		if (f.is_used) {
			json_array_append_new(list, hop(&f));
		}
	}
	return list;
}

json_t *sip_status_untrusted(const struct admin *ad)
{
	json_t *list = json_array();
	for (size_t i = 0; i < TRUNK_UNTRUSTED_MAX; i++) {
		const struct trunk_untrusted *u = trunk_untrusted(ad->trunk, i);
		if (u) {
			json_array_append_new(
				list, json_pack("{s:s, s:s, s:I, s:I, s:I, s:s}", "peer", u->peer, "domain", u->domain, "count", (json_int_t)u->count,
					      "first", (json_int_t)u->first_s, "last", (json_int_t)u->last_s, "remedy", u->remedy));
		}
	}
	return list;
}
