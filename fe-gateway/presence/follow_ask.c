/* SUBSCRIBE to the user's SIP server: addresses, next hop, responses. */
#include "presence/follow.h"

#include <stdio.h>

#include "interwork/address.h"
#include "xfed/limits.h"

#define ARENA_BYTES (64 * 1024)

const struct config_domain *follow_domain(const struct pair *pair)
{
	return config_domain(policy_config(pair->presence->policy), pair_local_domain(pair));
}

static int map_addresses(const struct pair *pair, const struct config_domain *d, struct xfed_arena *a, struct iw_ends *out)
{
	struct xfed_jid user, contact;
	int rc = xfed_jid_parse(a, contact_local(pair->contact), &user);
	rc = rc == XFED_OK ? xfed_jid_parse(a, contact_remote(pair->contact), &contact) : rc;
	return rc == XFED_OK ? iw_ends_to_sip(a, &user, config_domain_inside(d), &contact, out) : rc;
}

static void make_ids(struct follow *f)
{
	const struct presence *p = f->party.pair->presence;
	struct core_id id;
	core_id(p->core, CORE_ID_REQUEST, XFED_SPAN("presence"), p->core->d.boot_nonce, ++f->party.pair->presence->core->last_id, &id);
	memcpy(f->call_id, id.text, sizeof(f->call_id));
	core_id(p->core, CORE_ID_STANZA, XFED_SPAN("presence"), p->core->d.boot_nonce, p->core->last_id, &id);
	memcpy(f->tag, id.text, sizeof(f->tag));
	f->cseq = 1 + (uint32_t)(id.number % 0x3fffffff);
}

static int send_subscribe(struct follow *f, struct xfed_arena *a)
{
	struct pair *pair = f->party.pair;
	struct presence *p = pair->presence;
	const struct config_domain *d = follow_domain(pair);
	struct iw_ends to;
	char lines[160], contact[TRUNK_CONTACT_BYTES];
	uint64_t txn;
	int rc = d ? map_addresses(pair, d, a, &to) : XFED_ERR_NOT_FOUND;
	if (rc != XFED_OK) {
		return rc;
	}
	snprintf(lines, sizeof(lines), "Event: presence\r\nAccept: application/pidf+xml\r\nExpires: %lld\r\n", (long long)f->expires_s);
	struct sip_layer_request rq = {
		.max_request = d->max_request_bytes,
		.user = &p->trunk_user.sip,
		.id = f->party.id,
		.request = { .method = XFED_SPAN("SUBSCRIBE"), .user_agent = XFED_SPAN(SIP_USER_AGENT), .extra = xfed_span_str(lines) },
	};
	if (f->is_new) {
		sip_location_target(sip_failover_place(f->party.send.places), &rq.target);
		f->party.transport = rq.target.transport;
		f->machine.refresh_most_s = f->party.transport == SIP_UDP ? XFED_SIP_UDP_REFRESH_S : 0;
		rq.request.uri = rq.request.to_uri = to.user;
		rq.request.from_uri = to.contact;
		rq.request.from_tag = xfed_span_str(f->tag);
		rq.request.call_id = xfed_span_str(f->call_id);
		rq.request.cseq = f->cseq;
	} else {
		rq.dialog = f->party.dialog;
	}
	rq.request.contact = xfed_span_str(trunk_contact(p->trunk, f->party.transport, contact));
	return f->is_new ? trunk_send_request(&f->party.send, &rq, &txn) : trunk_send_inside(&f->party.send, d, &rq, &txn);
}

static bool is_unwanted(const struct follow *f)
{
	return f->machine.is_unwanted && (f->machine.state == SIP_SUB_TERMINATED || f->machine.state == SIP_SUB_IDLE);
}

/* Unsubscribed, or refused for good while nobody has a right to see by it. */
static bool is_over(const struct follow *f)
{
	bool is_down = f->machine.state == SIP_SUB_TERMINATED && sip_subscriber_deadline(&f->machine) == UINT64_MAX;
	bool is_watched = iw_relation_is_from(contact_relation(f->party.pair->contact).state);
	return !f->has_subscribe && (is_unwanted(f) || (is_down && !is_watched));
}

static void send_on(struct follow *f)
{
	struct xfed_arena a;
	f->has_subscribe = false;
	xfed_arena_init(&a, ARENA_BYTES);
	int rc = send_subscribe(f, &a);
	xfed_arena_deinit(&a);
	if (rc == XFED_OK) {
		follow_await(f);
	} else {
		int status = rc == XFED_ERR_NOT_FOUND && !f->is_new ? 481 : 503;
		follow_step(f, &(struct sip_subscriber_event){ .kind = SIP_SUBSCRIBER_ANSWER,
				       .number = f->number,
				       .status = status,
				       .expires_s = -1,
				       .min_expires_s = -1,
				       .retry_after_s = -1 });
	}
}

void follow_flush(struct follow *f)
{
	struct pair *pair = f->party.pair;
	if (is_over(f)) {
		follow_free(f);
		pair_release(pair);
		return;
	}
	if (!f->has_subscribe || f->is_locating) {
		return;
	}
	if (f->is_new && !f->party.send.places) {
		const struct config_domain *d = follow_domain(pair);
		struct trunk_hop *hop = d ? trunk_hop_of(pair->presence->trunk, d) : NULL;
		f->party.send.hop = hop ? hop : f->party.send.hop; /* a reload may have given the domain another */
		f->is_locating = true;
		make_ids(f);
		trunk_want(&f->party.send);
		return;
	}
	send_on(f);
}

void follow_located(struct follow *f, bool is_found)
{
	f->is_locating = false;
	if (is_found) {
		party_queue(&f->party);
	} else {
		f->has_subscribe = false;
		follow_step(f, &(struct sip_subscriber_event){ .kind = SIP_SUBSCRIBER_NO_ANSWER, .number = f->number });
	}
}

/* ---- answers ---- */

static int64_t min_expires(const struct sip_message *m)
{
	const struct sip_header *h = sip_message_header_named(m, "Min-Expires", NULL);
	int64_t n = h && h->value.len > 0 ? 0 : -1;
	for (size_t i = 0; h && i < h->value.len && n >= 0; i++) {
		bool is_digit = h->value.data[i] >= '0' && h->value.data[i] <= '9' && n < 100000000;
		n = is_digit ? n * 10 + (h->value.data[i] - '0') : -1;
	}
	return n;
}

static void count_refresh(const struct follow *f, const char *result)
{
	if (!f->is_new) {
		rt_metric_add(f->party.pair->presence->core->d.metrics, RT_M_PRESENCE_REFRESHES, 1, RT_LABELS(xfed_span_str(result)));
	}
}

/* Fail-over to the next target of the next hop (RFC 3263 section 4.3). */
static bool try_next(struct follow *f, enum sip_attempt_end how, int status, bool was_written)
{
	bool is_next = f->is_new && f->party.send.places && sip_failover_next(f->party.send.places, how, status, was_written);
	f->has_subscribe |= is_next;
	if (is_next) {
		party_queue(&f->party);
	}
	return is_next;
}

static void take_final(struct follow *f, const struct sip_message *m)
{
	follow_step(f, &(struct sip_subscriber_event){ .kind = SIP_SUBSCRIBER_ANSWER,
			       .number = f->number,
			       .status = m->status,
			       .expires_s = m->expires,
			       .min_expires_s = min_expires(m),
			       .retry_after_s = m->retry_after_s });
}

void follow_answered(struct follow *f, const struct sip_message *m, uint64_t dialog)
{
	if (trunk_send_challenged(&f->party.send, m)) {
		f->has_subscribe = true;
		party_queue(&f->party);
		return;
	}
	if (m->status >= 300 && try_next(f, SIP_ATTEMPT_RESPONSE, m->status, true)) {
		return;
	}
	count_refresh(f, m->status < 300 ? "answered" : m->status == 481 ? "lost" : "refused");
	trunk_send_end(&f->party.send); /* further requests follow the dialog; a new SUBSCRIBE resolves the hop again */
	if (m->status < 300) {
		party_dialog(&f->party, dialog ? dialog : f->party.dialog);
	}
	bool is_known = m->status < 300 && !f->is_new;
	take_final(f, m);
	if (is_known && f->party.dialog != 0) {
		follow_is_fresh(f); /* every 2xx is followed by a NOTIFY with the full state (RFC 6665 section 4.2.1.2) */
	}
}

void follow_failed(struct follow *f, bool was_written)
{
	if (!was_written && try_next(f, SIP_ATTEMPT_ERROR, 0, false)) {
		return;
	}
	count_refresh(f, was_written ? "unanswered" : "unsent");
	if (!was_written && f->is_new) {
		trunk_send_unreached(&f->party.send);
	}
	trunk_send_end(&f->party.send); /* the next SUBSCRIBE resolves the hop again */
	follow_step(f, &(struct sip_subscriber_event){ .kind = SIP_SUBSCRIBER_NO_ANSWER, .number = f->number });
}
